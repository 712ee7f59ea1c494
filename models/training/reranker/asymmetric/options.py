"""The options of `scripts/train_reranker` for the reranker that is served."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line; a wrong one ends the process with status 2 and a line that says why."""
    parser = argparse.ArgumentParser(
        prog="scripts/train_reranker",
        description="Train the served reranker: data, head start, training, export; resumable.",
        epilog="The others: --family cross-encoder, qa-lstm or bilstm, each with its own --help.",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with dialogs/, reactions/")
    parser.add_argument(
        "--own", type=Path, default=Path("data"), help="folder with bank/, dialogs/"
    )
    parser.add_argument("--reactions", type=Path, help="a file of examples: heads of reactions")
    parser.add_argument("--run", type=Path, default=Path("checkpoints/reranker"))
    parser.add_argument("--out", type=Path, default=Path("artifacts/reranker"))
    parser.add_argument("--init", type=Path, help="a reranker's folder, or a run's state.pt")
    parser.add_argument("--note", default="", help="kept in the manifest, beside the command")
    parser.add_argument("--base", default="auto", help="auto, a folder or a hub id")
    parser.add_argument("--minutes", type=float, default=60.0, help="of training, over all resumes")
    parser.add_argument("--head-lists", type=int, default=14000)
    parser.add_argument("--bf16", action="store_true", help="products in bf16, where it is quick")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(words)
    if not (options.data / "dialogs").is_dir():
        parser.error(f"--data: there is no {options.data / 'dialogs'}")
    return options
