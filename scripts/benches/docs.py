"""Writes docs/benchmarks.md from the figures that the other benches saved.

A bench is any module named in `__main__.NAMES` that has a TITLE and a `show(result)`; its docstring
says what is measured, and its `charts(result)`, where it has one, are embedded once `plots` has
drawn them. A bench without figures is listed with the reason, not left out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import ModuleType
from typing import Any

from scripts.benches import charts, names, service

_HEAD = (
    "# Benchmarks\n\n"
    "Written by `./scripts/bench docs` from measured figures. The sides of a comparison took turns "
    "within one run; ratios travel between machines, absolute times do not. `./scripts/bench NAME` "
    "measures one of them again."
)
_NO_FIGURES = "no figures of it were saved when this page was written"


def main() -> int:
    """Read what is there, write the page."""
    parser = argparse.ArgumentParser(prog="scripts/bench docs", description=__doc__)
    parser.add_argument("--figures", type=Path, default=service.ROOT / "var" / "bench")
    parser.add_argument("--out", type=Path, default=service.ROOT / "docs" / "benchmarks.md")
    options = parser.parse_args()
    options.out.write_text(page(options.figures, service.ROOT), encoding="utf-8")
    print(f"wrote {options.out}")
    return 0


def page(figures: Path, root: Path) -> str:
    """The whole page. `figures` holds NAME.json of each bench, `root` the pictures."""
    measured, missing = [], []
    for name, module in names.benches():
        if isinstance(module, ImportError):
            missing.append(f"- `./scripts/bench {name}`: {module}")
            continue
        path = figures / f"{name}.json"
        result = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        reason = result.get("absent") or (None if result else _NO_FIGURES)
        if reason:
            missing.append(f"- {title(name, module)}: {reason}")
        else:
            measured.append(section(name, module, result, root))
    parts = [_HEAD, *measured]
    if missing:
        parts.append("## Not measured\n\n" + "\n".join(missing))
    return "\n\n".join(parts) + "\n"


def section(name: str, module: ModuleType, result: dict[str, Any], root: Path) -> str:
    """One bench: what it is, its figures, its pictures as far as they are drawn."""
    about = (module.__doc__ or "").strip()
    parts = [f"## {title(name, module)}", about, module.show(result).strip()]
    for chart in module.charts(result) if hasattr(module, "charts") else ():
        picture = charts.image(name, chart.name)
        if (root / picture).is_file():
            parts.append(f"![{chart.title}]({picture.relative_to('docs').as_posix()})")
    return "\n\n".join(parts)


def title(name: str, module: ModuleType) -> str:
    """The heading, with the command that measures it."""
    return f"{module.TITLE} (`./scripts/bench {name}`)"
