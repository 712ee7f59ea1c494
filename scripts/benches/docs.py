"""Writes docs/benchmarks.md from the figures that the other benches saved."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import ModuleType

from scripts.benches import chat, service, share

PARTS: dict[str, tuple[str, ModuleType]] = {
    "chat": ("The whole service (`./scripts/bench chat`)", chat),
    "share": ("Who wins the slates (`./scripts/bench share`)", share),
}


def main() -> int:
    """Read what is there, write the page."""
    parser = argparse.ArgumentParser(prog="scripts/bench docs", description=__doc__)
    parser.add_argument("--figures", type=Path, default=service.ROOT / "var" / "bench")
    parser.add_argument("--out", type=Path, default=service.ROOT / "docs" / "benchmarks.md")
    options = parser.parse_args()
    lines = [
        "# Benchmarks",
        "",
        "Written by `./scripts/bench docs` from measured figures. Both sides of a comparison took "
        "turns within one run; ratios travel between machines, absolute times do not.",
    ]
    for name, (title, module) in PARTS.items():
        path = options.figures / f"{name}.json"
        if path.is_file():
            about = (module.__doc__ or "").strip()
            result = json.loads(path.read_text(encoding="utf-8"))
            lines += ["", f"## {title}", "", about, "", module.show(result).strip()]
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"wrote {options.out}")
    return 0
