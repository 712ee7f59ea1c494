"""What rerankers are compared on: one subset of judged pairs, the same for every family.

The training part takes half of its pairs from ACCENTOR, three tenths from response selection (a
true next turn beside one that is not) and a tenth each from DiaSafety and dialogue_eval. Parts are
drawn from shuffled orders of fixed seed, so that a smaller subset is a part of a larger one. What
is held out here is held out of the served reranker's training too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from models.training.examples import Example, read_examples
from models.training.reranker.family.judged import (
    Examples,
    accentor,
    dialogue_eval,
    diasafety,
    visible,
)
from models.training.reranker.family.next_turns import selection

PAIRS = 40_000
SEED = 7


class Source(NamedTuple):
    """A kind of judgement; `load` reads its parts from (data, pairs to train on, seed)."""

    share: float
    files: tuple[str, ...]
    load: Callable[[Path, int | None, int], dict[str, Examples]]


SOURCES: Mapping[str, Source] = {
    "accentor": Source(
        0.5, tuple(f"reactions/accentor_{part}" for part in ("train", "dev", "test")), accentor
    ),
    "selection": Source(
        0.3,
        ("dialogs/self_dialogue", "dialogs/topical_chat", "dialogs/synthetic_persona_chat"),
        selection,
    ),
    "diasafety": Source(0.1, ("reactions/diasafety",), diasafety),
    "dialogue_eval": Source(0.1, ("reactions/dialogue_eval",), dialogue_eval),
}


@dataclass(frozen=True)
class Subset:
    """Examples by source; no conversation of one part is in another."""

    train: Mapping[str, Examples]
    dev: Mapping[str, Examples]
    test: Mapping[str, Examples]

    def heads(self) -> tuple[str, ...]:
        """The heads that the training part has both kinds of labels for, in order."""
        seen: dict[str, set[bool]] = {}
        for example in flat(self.train):
            seen.setdefault(example.head, set()).add(example.label > 0.5)
        return tuple(head for head, kinds in seen.items() if len(kinds) == 2)


def flat(part: Mapping[str, Examples]) -> Examples:
    """All examples of a part, source by source."""
    return [example for examples in part.values() for example in examples]


def common_subset(
    data: Path, size: int = PAIRS, seed: int = SEED, sources: Sequence[str] = tuple(SOURCES)
) -> Subset:
    """The common subset: about `size` pairs to train on (0: all judgements), less what is left out.

    `sources` leaves whole sources out without giving the others more: what is learned of one
    kind of judgement from the others is then measured at equal numbers. dev has at most 3,000 pairs
    a source; test is whole, as published or as held out, for whoever measures to cut.

    Raises FileNotFoundError, and ValueError for a source that there is not.
    """
    unknown = sorted(set(sources) - set(SOURCES))
    if unknown:
        raise ValueError(f"unknown source {unknown[0]!r}: one of {', '.join(SOURCES)}")
    parts: dict[str, dict[str, Examples]] = {"train": {}, "dev": {}, "test": {}}
    for source in sources:
        wanted = round(size * SOURCES[source].share) if size else None
        for name, examples in SOURCES[source].load(data, wanted, seed).items():
            parts[name][source] = examples
    return Subset(parts["train"], parts["dev"], parts["test"])


def data_files(data: Path, sources: Sequence[str] = tuple(SOURCES)) -> list[Path]:
    """The files that `common_subset` reads, for a run's record."""
    names = [name for source in sources for name in SOURCES[source].files]
    return [data / f"{name}.jsonl.gz" for name in names]


def from_examples(path: Path) -> Subset:
    """Examples of a file (see `models.training.examples`), split by conversation and rater.

    Raises BadExample, naming the line; FileNotFoundError.
    """
    from models.training.splits import split

    examples = [e for e in read_examples(path) if visible(e.context[-1], e.response)]
    parts = split(examples)
    by_source = {name: _by_source(rows) for name, rows in parts.items()}
    return Subset(by_source["train"], by_source["dev"], by_source["test"])


def _by_source(examples: Iterable[Example]) -> dict[str, Examples]:
    grouped: dict[str, Examples] = {}
    for example in examples:
        grouped.setdefault(example.source, []).append(example)
    return grouped
