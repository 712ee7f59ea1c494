"""From dialogs to training batches: windows of whole turns, of like length together.

A window starts at a turn and holds as many whole turns as its token budget allows. The loss is
on responses: all turns after the window's first, or only those of the target speaker. A window
of a persona dialog may begin with a facts segment (the rendering of `models.prompt`); then only
the turns of the one who is told these facts are learned.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from models.prompt import MAX_FACT_TOKENS, Encode, fact_ids
from models.training.corpora import Dialog

# Budgets that windows draw from: serving has 100 of context and 40 of reply; a few are
# longer, so that the positions of the longest replies are learned too.
WINDOW_BUDGETS = (96, 128, 144, 144, 144, 200)
FACTS_SHARE = 0.6
IGNORED = -100
# Up to this many tokens an update is made of windows of like length; larger ones are computed in
# parts, which are then what little padding matters for.
LIKE_LENGTH_TOKENS = 32_768


@dataclass(frozen=True)
class EncodedDialog:
    """A dialog with its turns as ids, without end-of-text tokens."""

    dialog: Dialog
    turns: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Window:
    """`ids` and, for each, whether predicting it is learned."""

    ids: tuple[int, ...]
    learned: tuple[bool, ...]

    @property
    def targets(self) -> int:
        """How many tokens are learned; the first is never predicted."""
        return sum(self.learned[1:])


@dataclass(frozen=True)
class Batch:
    """`inputs` and `targets` int64 [rows, length]; targets are IGNORED where nothing is learned."""

    inputs: torch.Tensor
    targets: torch.Tensor

    @property
    def tokens(self) -> int:
        """How many target tokens are learned."""
        return int((self.targets != IGNORED).sum())

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return Batch(self.inputs.to(device), self.targets.to(device))


def encode_dialogs(dialogs: Sequence[Dialog], encode: Encode) -> list[EncodedDialog]:
    """Encode every turn once."""
    return [EncodedDialog(d, tuple(tuple(encode(t)) for t in d.turns)) for d in dialogs]


def windows_of(
    item: EncodedDialog, encode: Encode, eos: int, rng: random.Random
) -> Iterator[Window]:
    """Cut one dialog into windows; each but the first starts at the last turn of the one before.

    So every turn but the dialog's first is learned once, and always with some context.
    """
    start = 0
    while start < len(item.turns) - 1:
        budget = rng.choice(WINDOW_BUDGETS)
        prefix, told = _facts_prefix(item.dialog, encode, eos, rng)
        window, stop = _window(item, start, budget, eos, prefix, told)
        if any(window.learned):
            yield window
        start = max(stop - 1, start + 1)


def _facts_prefix(
    dialog: Dialog, encode: Encode, eos: int, rng: random.Random
) -> tuple[list[int], int | None]:
    """(facts segment of one speaker, the other speaker), or ([], None)."""
    if not any(dialog.facts) or rng.random() >= FACTS_SHARE:
        return [], None
    about = rng.randrange(2)
    facts = list(dialog.facts[about])
    rng.shuffle(facts)
    ids = fact_ids(encode, facts, MAX_FACT_TOKENS)
    return ([*ids, eos], 1 - about) if ids else ([], None)


def _window(
    item: EncodedDialog, start: int, budget: int, eos: int, prefix: list[int], told: int | None
) -> tuple[Window, int]:
    """The window from turn `start` on, and the turn after its last."""
    dialog = item.dialog
    target = told if told is not None else dialog.target
    ids = list(prefix)
    learned = [False] * len(prefix)
    number = start
    while number < len(item.turns):
        segment = [*item.turns[number], eos]
        # The first two turns always go in, cut if they must be: a window without a response
        # would be nothing, and a monologue must not hide what follows it.
        if len(ids) + len(segment) > budget:
            if number - start > 1:
                break
            segment = segment[-(budget // 2) :] if number == start else segment[: budget // 2]
        answers = number > start and target in (None, dialog.speaker(number))
        ids += segment
        learned += [answers] * len(segment)
        number += 1
    return Window(tuple(ids), tuple(learned)), number


def make_batches(
    windows: Sequence[Window], tokens_per_batch: int, rng: random.Random, pool: int = 64
) -> list[list[Window]]:
    """Batches of at most about `tokens_per_batch` padded tokens, in random order.

    Windows are sorted by length within pools of `pool` batches: little padding, still random.
    """
    order = list(windows)
    rng.shuffle(order)
    mean = max(1, sum(len(w.ids) for w in order) // max(1, len(order)))
    pool_size = max(1, pool * tokens_per_batch // mean)
    batches: list[list[Window]] = []
    for begin in range(0, len(order), pool_size):
        rows: list[Window] = []
        for window in sorted(order[begin : begin + pool_size], key=lambda w: -len(w.ids)):
            if rows and (len(rows) + 1) * len(rows[0].ids) > tokens_per_batch:
                batches.append(rows)
                rows = []
            rows.append(window)
        if rows:
            batches.append(rows)
    rng.shuffle(batches)
    return batches


def make_updates(
    windows: Sequence[Window], tokens_per_update: int, rng: random.Random
) -> list[list[Window]]:
    """What each step of an optimizer learns from: about `tokens_per_update` tokens of windows.

    Small updates are `make_batches`; large ones windows at random, the longest first.
    """
    if tokens_per_update <= LIKE_LENGTH_TOKENS:
        return make_batches(windows, tokens_per_update, rng)
    order = list(windows)
    rng.shuffle(order)
    updates: list[list[Window]] = []
    room = 0
    for window in order:
        if room <= 0:
            updates.append([])
            room = tokens_per_update
        updates[-1].append(window)
        room -= len(window.ids)
    return [sorted(rows, key=lambda w: -len(w.ids)) for rows in updates]


def parts_of(
    rows: Sequence[Window], rank: int, count: int, tokens_at_once: int
) -> list[list[Window]]:
    """What process `rank` of `count` computes of an update, in parts of few padded tokens.

    A part has at least one row and at most `tokens_at_once` tokens, if one row fits. The rows of
    an update are the same for any number of processes and parts, and so is the sum of their
    gradients.
    """
    parts: list[list[Window]] = []
    for window in sorted(rows[rank::count], key=lambda w: -len(w.ids)):
        if not parts or (len(parts[-1]) + 1) * len(parts[-1][0].ids) > tokens_at_once:
            parts.append([])
        parts[-1].append(window)
    return parts


def collate(rows: Sequence[Window], eos: int) -> Batch:
    """Right-padded inputs and next-token targets. Padding is never attended by what is learned."""
    length = max(len(window.ids) for window in rows) - 1
    inputs = torch.full((len(rows), length), eos, dtype=torch.long)
    targets = torch.full((len(rows), length), IGNORED, dtype=torch.long)
    for row, window in enumerate(rows):
        ids = torch.tensor(window.ids, dtype=torch.long)
        size = len(ids) - 1
        inputs[row, :size] = ids[:-1]
        learned = torch.tensor(window.learned[1:])
        targets[row, :size] = torch.where(learned, ids[1:], IGNORED)
    return Batch(inputs, targets)
