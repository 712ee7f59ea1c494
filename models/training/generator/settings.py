"""What the options of the command say a run is: its size, its rates, the judged replies in it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from models.training.examples import Example, read_examples
from models.training.generator.config import TrainConfig
from models.training.generator.replies import choose
from models.training.generator.sizes import (
    DEFAULT_SIZE,
    FINE_TUNING_SHARE,
    FINE_TUNING_TOKENS_PER_BATCH,
    SIZES,
    Size,
    nearest,
)
from models.training.splits import learnable

_TYPED = (
    "layers", "width", "heads", "vocabulary", "learning_rate", "matrix_rate", "warmup_tokens",
    "tokens_per_batch",
)  # fmt: skip


Reactions = Callable[[], Sequence[Example]]


def no_reactions() -> Sequence[Example]:
    """For runs without a dataset of reactions."""
    return ()


def size_of(options: argparse.Namespace, shape: Mapping[str, Any]) -> Size:
    """The row that a run takes its rates from: the one typed, else the one that suits the base."""
    if options.size:
        return SIZES[options.size]
    return SIZES[nearest(shape["layers"], shape["width"]) if shape else DEFAULT_SIZE]


def config_of(options: argparse.Namespace, shape: Mapping[str, Any]) -> TrainConfig:
    """The run's configuration: what was typed, else the base's shape, else the size's row.

    shape: the BASE_FIELDS of given weights, empty for a model from scratch. Given weights are
    trained at a tenth of the row's rates, in updates that are not as large as the row's.
    """
    size = size_of(options, shape)
    share = FINE_TUNING_SHARE if shape else 1.0
    at_most = FINE_TUNING_TOKENS_PER_BATCH if shape else size.tokens_per_batch
    config = TrainConfig(
        layers=size.layers,
        width=size.width,
        heads=size.heads,
        vocabulary=size.vocabulary,
        learning_rate=share * size.learning_rate,
        matrix_rate=share * size.matrix_rate,
        warmup_tokens=size.warmup_tokens,
        tokens_per_batch=min(size.tokens_per_batch, at_most),
        finish_share=options.finish_share,
        seed=options.seed,
    )
    typed = {name: getattr(options, name) for name in _TYPED}
    given = {name: value for name, value in typed.items() if value is not None}
    return replace(config, **{**given, **shape})


def judged_of(options: argparse.Namespace, reactions: Reactions = no_reactions) -> list[Example]:
    """The judged replies to learn: of `--examples` files, and those that the caller read.

    Of the files all but the test part (`models.training.splits`), by which the model is judged;
    the caller has left it out of `reactions` already.

    Raises BadExample, OSError.
    """
    given = [example for path in options.examples for example in read_examples(path)]
    found = learnable(given)
    sources = frozenset(options.source)
    return choose([*found, *reactions()], only_upvoted=options.only_upvoted, sources=sources)
