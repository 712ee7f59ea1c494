"""The options of `scripts/train_reranker` for the reranker that is served."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from models.training.help import Help


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line; a wrong one ends the process with status 2 and a line that says why."""
    parser = argparse.ArgumentParser(
        prog="scripts/train_reranker",
        description="Train the served reranker: data, head start, training, export.\nSIGTERM "
        "saves and ends with status 0; the same command goes on.",
        formatter_class=Help,
        epilog="The others: --family cross-encoder, qa-lstm or bilstm, each with its own --help.",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with dialogs/, reactions/")
    parser.add_argument(
        "--own", type=Path, default=Path("data"), help="folder with bank/, dialogs/"
    )
    parser.add_argument("--reactions", type=Path, help="a file of examples: heads of reactions")
    parser.add_argument(
        "--run", type=Path, default=Path("var/runs/reranker"), help="the run's folder"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("artifacts/reranker"), help="the folder to write"
    )
    parser.add_argument("--init", type=Path, help="a reranker's folder, or a run's state.pt")
    parser.add_argument("--note", default="", help="kept in the manifest, beside the command")
    parser.add_argument("--base", default="auto", help="auto, a folder or a hub id")
    parser.add_argument("--minutes", type=float, default=60.0, help="of training, over all resumes")
    parser.add_argument(
        "--steps", type=int, default=0, help="so many steps instead: the same weights again"
    )
    parser.add_argument(
        "--head-lists", type=int, default=14000, help="lists that the head starts from"
    )
    parser.add_argument("--bf16", action="store_true", help="products in bf16, where it is quick")
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    parser.add_argument("--seed", type=int, default=7, help="of what is drawn, and of new weights")
    options = parser.parse_args(words)
    if options.minutes <= 0 or options.steps < 0:
        parser.error("--minutes must be above 0, --steps at least 0")
    if not (options.data / "dialogs").is_dir():
        parser.error(f"--data: there is no {options.data / 'dialogs'}")
    return options
