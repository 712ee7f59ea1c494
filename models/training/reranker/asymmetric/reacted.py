"""People's reactions as heads of the served reranker, beside those of the public sources.

Each kind of reaction that has labels enough becomes a head, `reaction_upvote` and so on: what the
public sources call offensive is another kind of judgement than a person's own reaction. Reactions
are split by conversation and person; what a person is trusted with decides how often a reaction of
theirs is drawn.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models.prompt import normalise
from models.training.examples import REACTION_HEADS, Example, read_examples
from models.training.judgements import Judged

PREFIX = "reaction_"
UPVOTE = f"{PREFIX}upvote"
LEAST = 10
"""Labels of either kind that a head needs to learn from; a fifth of it to be calibrated."""
ARBITER_LEAST = 20
"""Held-out likes, and dislikes, with which reactions themselves choose the heads of P(upvote)."""
PER_STEP = {UPVOTE: 6}
PER_STEP_OTHER = 2


@dataclass(frozen=True)
class Reacted:
    """Judged responses by head and part; `trust[h]` are running sums of the weights to draw by.

    `people` are the keyed hashes of those who judged, in whichever part.
    """

    train: Mapping[str, list[Judged]]
    dev: Mapping[str, list[Judged]]
    test: Mapping[str, list[Judged]]
    trust: Mapping[str, list[float]]
    sources: Mapping[str, int]
    people: frozenset[str] = frozenset()

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads that reactions have labels enough for."""
        return tuple(self.train)

    def per_step(self) -> dict[str, int]:
        """How many of each head a step draws."""
        return {head: PER_STEP.get(head, PER_STEP_OTHER) for head in self.heads}

    def arbiter(self) -> list[Judged]:
        """Held-out upvotes that can choose the heads of P(upvote), each on its own; or none."""
        rows = self.dev.get(UPVOTE, [])
        if min(_kinds(rows)) < ARBITER_LEAST:
            return []
        return [replace(row, unit=str(i)) for i, row in enumerate(rows)]


def read_reacted(path: Path) -> Reacted:
    """The reactions of a file of examples; heads of few labels are left out.

    Raises BadExample, naming the line; ValueError where no head is left.
    """
    from models.training.splits import split

    known = [
        example
        for example in read_examples(path)
        if example.head in REACTION_HEADS and example.weight > 0 and _visible(example)
    ]
    parts = split(known)
    by_head = {part: _by_head(rows) for part, rows in parts.items()}
    heads = [
        head
        for head in by_head["train"]
        if min(_kinds(_judged(by_head["train"][head]))) >= LEAST
        and all(
            min(_kinds(_judged(by_head[p].get(head, [])))) >= LEAST // 5 for p in ("dev", "test")
        )
    ]
    if not heads:
        raise ValueError(f"{path.name}: no kind of reaction has {LEAST} labels of either sort")
    train, dev, test = (
        {head: _judged(by_head[part][head]) for head in heads} for part in ("train", "dev", "test")
    )
    trust = {
        head: list(itertools.accumulate(e.weight for e in by_head["train"][head])) for head in heads
    }
    sources: dict[str, int] = {}
    for example in known:
        sources[example.source] = sources.get(example.source, 0) + 1
    people = frozenset(example.rater for example in known)
    return Reacted(train, dev, test, trust, sources, people)


def _by_head(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """In the order of REACTION_HEADS, each under the name that it has in the model."""
    return {
        f"{PREFIX}{head}": mine
        for head in REACTION_HEADS
        if (mine := [example for example in examples if example.head == head])
    }


def _judged(examples: Sequence[Example]) -> list[Judged]:
    return [
        Judged(
            f"{PREFIX}{e.head}",
            e.source,
            e.context,
            (e.response,),
            (float(e.label),),
            e.group or str(i),
            e.facts,
        )
        for i, e in enumerate(examples)
    ]


def _kinds(rows: Sequence[Judged]) -> tuple[int, int]:
    """How many liked and how many not."""
    liked = sum(row.labels[0] > 0.5 for row in rows)
    return liked, len(rows) - liked


def _visible(example: Example) -> bool:
    return bool(normalise(example.response)) and any(map(normalise, example.context))
