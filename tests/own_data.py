"""A small part of what this project wrote itself, in a folder of a test's own."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]


def write_part(root: Path, **lines: int) -> Path:
    """The first so many lines of each file: `write_part(root, bank=6, dialogs=4)`. Returns root."""
    for name, count in lines.items():
        (root / name).mkdir(parents=True)
        for path in sorted((ROOT / "data" / name).glob("*.jsonl")):
            kept = path.read_text(encoding="utf-8").splitlines(keepends=True)[:count]
            (root / name / path.name).write_text("".join(kept), encoding="utf-8")
    return root
