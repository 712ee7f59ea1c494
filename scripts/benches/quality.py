"""What each runtime and precision costs in agreement with torch fp32, and what it wins in speed.

A runtime that changes more than 1 % of the best candidates is never a default.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.benches import quality_bert, quality_gpt2, report, service

TITLE = "Runtimes: quality and speed"


@dataclass(frozen=True)
class Part:
    """One kind of model: how it is measured, and its result as text."""

    title: str
    measure: Callable[[argparse.Namespace], dict[str, Any]]
    show: Callable[[dict[str, Any]], str]


def _bert(options: argparse.Namespace) -> dict[str, Any]:
    setup = quality_bert.Setup(
        root=service.ROOT,
        cache=options.cache,
        slates=options.slates,
        timed=options.timed,
        threads=tuple(options.threads),
        sides=tuple(s for s in quality_bert.SIDES if not options.only or s[0] in options.only),
    )
    return quality_bert.measure(setup)


# Each part stands alone: it is measured, saved and shown under its name.
PARTS: Mapping[str, Part] = {
    "bert": Part("Encoder and reranker", _bert, quality_bert.show),
    "gpt2": Part("Generator", quality_gpt2.measure, quality_gpt2.show),
}


def main() -> int:
    """Measure the parts that are named (all of them otherwise), print, save."""
    parser = argparse.ArgumentParser(prog="scripts/bench quality", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--out", type=Path, default=service.ROOT / "var" / "bench" / "quality.json")
    parser.add_argument("--cache", type=Path, default=service.ROOT / "var" / "models")
    parser.add_argument("--slates", type=int, default=600, help="600 tell 1 %% from 0.5 or 2")
    parser.add_argument("--timed", type=int, default=15, help="slates that are timed, 5 or more")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", nargs="+", help="runtimes; torch is always among them")
    options = parser.parse_args()
    if options.only:
        options.only.append("torch")
    result: dict[str, Any] = {"machine": report.machine(), "parts": {}}
    for name in options.parts or PARTS:
        result["parts"][name] = PARTS[name].measure(options)
    report.save(options.out, result)
    print(show(result))
    return 0


def show(result: dict[str, Any]) -> str:
    """The result as text."""
    parts = [report.describe(result["machine"])]
    for name, found in result["parts"].items():
        parts.append(f"### {PARTS[name].title}\n\n{PARTS[name].show(found)}")
    return "\n\n".join(parts) + "\n"
