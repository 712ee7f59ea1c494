"""The options of the family's trainings, checked before anything heavy is loaded."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from models.training.help import Help

FAMILIES = ("cross-encoder", "qa-lstm", "bilstm")
SOURCES = ("accentor", "selection", "diasafety", "dialogue_eval")
KEEP = ("even", "bottom", "top")
RUNS = Path("var/runs")


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command line; a wrong one ends the process with status 2 and a line that says why."""
    parser = _parser()
    options = parser.parse_args(words)
    if (options.data is None) == (options.examples is None):
        parser.error("one of --data and --examples is needed")
    options.sources = tuple(name for name in options.sources.split(",") if name)
    unknown = sorted(set(options.sources) - set(SOURCES))
    if unknown or not options.sources:
        parser.error(f"--sources: {unknown or 'none'}: of {', '.join(SOURCES)}")
    if options.family != "cross-encoder":
        for name in ("layers", "frozen", "mlm"):
            if getattr(options, name):
                parser.error(f"--{name} is for the cross-encoder")
    if options.family == "cross-encoder" and options.vocabulary:
        parser.error("--vocabulary is for qa-lstm and bilstm")
    if options.family == "qa-lstm" and options.teacher is not None:
        parser.error("--teacher is for cross-encoder and bilstm: qa-lstm is the plain baseline")
    if options.out is None:
        options.out = Path("var/models/rerankers") / options.family
    if options.run is None:
        options.run = RUNS / f"reranker-{options.out.name}"
    if options.bf16 is None:
        import torch

        options.bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/train_reranker",
        description="Train a reranker of the family. The same command resumes a stopped run.",
        formatter_class=Help,
    )
    parser.add_argument("--family", choices=FAMILIES, required=True)
    _add_data(parser)
    _add_model(parser)
    _add_teacher(parser)
    _add_training(parser)
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("data").add_argument
    add("--data", type=Path, help="folder with dialogs/ and reactions/: the common subset of it")
    add("--examples", type=Path, help="a file of examples instead, split by conversation and rater")
    add("--pairs", type=_count, default=40_000, help="size of the subset; 0: all judgements")
    add("--sources", default=",".join(SOURCES), help="those of the subset to learn from")
    add("--held-out", type=_positive, default=3000, help="pairs a source to measure on")


def _add_model(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("model").add_argument
    add("--base", help="encoder: auto (MiniLM), a folder or a hub id; with a teacher, its own")
    add("--layers", type=_positive, help="keep so many of the encoder's layers")
    add("--keep", choices=KEEP, default="even", help="which of them")
    add("--frozen", type=_count, default=0, help="embeddings and lowest layers left as they are")
    add("--max-tokens", type=_positive, help="of a pair; 80, or what the teacher reads")
    add("--vocabulary", type=_count, default=0, help="learn a WordPiece vocabulary of this size")
    add("--out", type=Path, help="the model's folder; below var/models/rerankers")
    add("--name", default="", help="as it stands in tables; the folder's name")


def _add_teacher(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("distillation").add_argument
    add("--teacher", type=Path, help="a folder that an earlier run wrote")
    add("--alpha", type=_share, help="share of the soft term: 0.5, for a BiLSTM 1")
    add("--temperature", type=_above_zero, default=2.0, help="of the soft term")
    add("--cosine", type=_at_least_zero, default=0.5, help="weight of the hidden states' cosine")
    add("--mlm", type=_at_least_zero, default=0.0, help="weight of masked language modelling")


def _add_training(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("training").add_argument
    add("--epochs", type=_positive, default=1, help="passes over the pairs")
    add("--batch", type=_positive, default=64, help="pairs a batch")
    add("--accumulate", type=_positive, default=1, help="batches a step")
    add("--lr", type=_above_zero, help="of the encoder: 1e-4 up to 512 wide, else 3e-5")
    add("--head-lr", type=_above_zero, default=1e-3, help="of everything that begins at random")
    add("--head-start", type=_share, default=0.0, help="share of steps for the head alone")
    add("--pairwise", type=_at_least_zero, default=0.5, help="weight of pairs within a group")
    add("--bf16", action=argparse.BooleanOptionalAction, help="autocast; on where a GPU has it")
    add("--threads", type=_positive, default=1, help="of the processor")
    add("--seed", type=int, default=7, help="of the order of pairs, and of new weights")
    add("--save-minutes", type=_at_least_zero, default=3.0, help="between two saved states")
    add("--run", type=Path, help="the run's folder; below var/runs")


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must be at least 0")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _at_least_zero(text: str) -> float:
    value = float(text)
    if not 0.0 <= value < float("inf"):
        raise argparse.ArgumentTypeError("must be at least 0")
    return value


def _above_zero(text: str) -> float:
    value = float(text)
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError("must lie in [0, 1]")
    return value
