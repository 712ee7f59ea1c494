"""What a command says of its options: the value of each one that is not given."""

from __future__ import annotations

import argparse
from pathlib import Path

from models.training.help import Help

ROOT = Path(__file__).parents[3]


def test_defaults_are_shown_once_and_without_the_place_of_the_project() -> None:
    parser = argparse.ArgumentParser(formatter_class=Help)
    parser.add_argument("--batch", type=int, default=64, help="rows of a step")
    parser.add_argument("--cosine", type=float, default=0.0, help="weight")
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "x", help="folder")
    parser.add_argument("--size", default="tiny", help="default: the base's")
    parser.add_argument("--quick", action="store_true", help="less")
    parser.add_argument("--init", help="weights")
    shown = " ".join(parser.format_help().split())
    for words in ("rows of a step (default 64)", "weight (default 0.0)", "folder (default var/x)"):
        assert words in shown
    assert shown.count("default") == 4
    assert str(ROOT) not in shown
