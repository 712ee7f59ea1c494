"""Pairs of response selection: a true next turn of a dialog beside one that is not."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from models.training.examples import Example
from models.training.judgements import Dialog, is_held_out, load_dialogs
from models.training.reranker.family.judged import DEV_PAIRS, Examples, is_dev, shuffled, take

TEST_PAIRS = 4000
CONTEXT_TURNS = 5
# Of the negatives: turns of another dialog of the topic, any turn, another turn of the same dialog.
NEAR, ANY = 0.6, 0.2
# Turns to select are there by the hundred thousand: "all" keeps them at their share of ACCENTOR.
MOST = 90_000


def selection(data: Path, count: int | None, seed: int) -> dict[str, Examples]:
    """Pairs by part: about `count` to train on, MOST where it is None."""
    parts: dict[str, list[Dialog]] = {"train": [], "dev": [], "test": []}
    for dialog in load_dialogs(data):
        if not is_held_out(dialog.name):
            parts["train"].append(dialog)
        else:
            parts["dev" if is_dev(dialog.name) else "test"].append(dialog)
    wanted = MOST if count is None else count
    limits = {"train": wanted, "dev": DEV_PAIRS, "test": TEST_PAIRS}
    return {
        part: take(_drawn(shuffled(dialogs, seed, f"selection:{part}"), seed), limits[part])
        for part, dialogs in parts.items()
    }


def _drawn(dialogs: Sequence[Dialog], seed: int) -> Iterator[Examples]:
    """True next turns beside one negative each: first one of every dialog, then a second, …"""
    targets = [
        shuffled(filter(dialog.is_target, range(1, len(dialog.turns))), seed, dialog.name)
        for dialog in dialogs
    ]
    topics: dict[str, list[Dialog]] = {}
    for dialog in dialogs:
        topics.setdefault(dialog.topic, []).append(dialog)
    for turn in range(max(map(len, targets), default=0)):
        for dialog, mine in zip(dialogs, targets, strict=True):
            if turn < len(mine):
                rng = random.Random(f"{seed}:{dialog.name}:{turn}")
                yield _pair(dialog, mine[turn], topics[dialog.topic], dialogs, rng)


def _pair(
    dialog: Dialog,
    i: int,
    near: Sequence[Dialog],
    all_of_them: Sequence[Dialog],
    rng: random.Random,
) -> Examples:
    # Conversations begin with one turn, so short contexts are met as often as long ones.
    seen = rng.choice((1, 1, 2, 3, CONTEXT_TURNS))
    context = dialog.turns[max(0, i - seen) : i]
    wrong = _negative(dialog, i, near, all_of_them, rng)
    if not wrong:
        return []
    name = f"{dialog.source}:{dialog.name}"
    return [
        Example("selection", "selection", context, text, label, f"{name}:{i}", name)
        for text, label in ((dialog.turns[i], 1.0), (wrong, 0.0))
    ]


def _negative(
    dialog: Dialog,
    i: int,
    near: Sequence[Dialog],
    all_of_them: Sequence[Dialog],
    rng: random.Random,
) -> str:
    """A turn that is not the true one; empty where a few draws find none."""
    for _ in range(8):
        draw = rng.random()
        if draw < NEAR + ANY:
            other = rng.choice(near if draw < NEAR else all_of_them)
            text = rng.choice(other.turns) if other is not dialog else ""
        else:
            text = rng.choice(dialog.turns[:i] + dialog.turns[i + 1 :])
        if text and text != dialog.turns[i]:
            return text
    return ""
