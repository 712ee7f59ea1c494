"""What the shipped figures of the served reranker are measured on; nothing in it was trained on."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models.training.judgements import (
    Judged,
    is_held_out,
    load_accentor,
    load_liking,
    load_safety,
    load_topical_ratings,
)
from models.training.reranker.asymmetric.reacted import Reacted
from models.training.reranker.asymmetric.sources import Sources, liking
from models.training.selection import DialogSampler, ExchangeSampler


@dataclass(frozen=True)
class HeldOut:
    """What the shipped figures come from; nothing in it was trained on.

    `calibration[h]` fits the probabilities of a judged head, `test[h]` measures them. `arbiter`
    choose the heads of P(upvote): judgements of a source without a head, or people's reactions
    that no head was fitted to. `second` are then measured beside them.
    """

    selection: Mapping[str, DialogSampler | ExchangeSampler]
    calibration: Mapping[str, Sequence[Judged]]
    test: Mapping[str, Sequence[Judged]]
    arbiter: Sequence[Judged]
    witness: Sequence[Judged] = ()
    lists: int = 100
    arbiter_source: str = "ieval"
    second: Sequence[Judged] = ()


def load_held_out(data: Path, own: Path, reacted: Reacted | None = None) -> HeldOut:
    """Everything that the shipped figures are measured on.

    Where people's own reactions are enough, they choose the heads of P(upvote), and `ieval` is
    measured beside them.
    """
    sources = Sources(data, own, held_out=True)
    judged = {
        "accentor": ("dev", "test", load_accentor),
        "offensive": ("val", "test", load_safety),
    }
    calibration = {head: _some(load(data, a), 450) for head, (a, _, load) in judged.items()}
    test = {head: _some(load(data, b), 900) for head, (_, b, load) in judged.items()}
    # Liking was trained on dialogue_eval: its probabilities are fitted there, and its worth is
    # judged by ieval, whose users and bots are others.
    liked = liking(data, held_out=True)
    calibration["liking"], test["liking"] = liked[::2], liked[1::2]
    units = {j.unit for j in _some(load_liking(data, "ieval"), 900)}
    arbiter = [j for j in load_liking(data, "ieval") if j.unit in units]
    ratings = [j for j in load_topical_ratings(data) if is_held_out(j.unit)]
    found = HeldOut(sources.samplers, calibration, test, arbiter, ratings)
    if reacted is None:
        return found
    found = replace(
        found,
        calibration={**calibration, **reacted.dev},
        test={**test, **reacted.test},
    )
    own_arbiter = reacted.arbiter()
    if not own_arbiter:
        return found
    return replace(found, arbiter=own_arbiter, arbiter_source="reactions", second=arbiter)


def _some(rows: list[Judged], count: int) -> list[Judged]:
    return random.Random(3).sample(rows, min(count, len(rows)))
