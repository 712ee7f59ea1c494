"""The batches of a whole run, planned ahead: what each holds and what is to be learned of it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from models.training.examples import Example
from models.training.reranker.family.collator import Collator
from models.training.reranker.family.losses import group_pairs
from models.training.reranker.family.store import PairStore

MEGABATCH = 50
"""Batches among which pairs of like length are gathered; more pad less and mix less."""


class Batches(Dataset[dict[str, Tensor]]):
    """Item i is the i-th batch of the run: collated pairs and what is to be learned of them."""

    def __init__(
        self,
        store: PairStore,
        collate: Collator,
        examples: Sequence[Example],
        heads: Sequence[str],
        plan: Sequence[Sequence[int]],
        teacher: NDArray[np.float32] | None = None,
    ) -> None:
        self.plan = plan
        self._store, self._collate, self._examples = store, collate, examples
        self._heads = {head: i for i, head in enumerate(heads)}
        self._teacher = teacher

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, i: int) -> dict[str, Tensor]:
        rows = self.plan[i]
        examples = [self._examples[row] for row in rows]
        labels = [example.label for example in examples]
        better, worse = group_pairs(
            [f"{e.head}:{e.group}" if e.group else "" for e in examples], labels
        )
        batch = self._collate([self._store[row] for row in rows])
        batch["target"] = torch.tensor(labels, dtype=torch.float32)
        batch["weight"] = torch.tensor([e.weight for e in examples], dtype=torch.float32)
        batch["head"] = torch.tensor([self._heads[e.head] for e in examples])
        batch["better"] = torch.tensor(better, dtype=torch.long)
        batch["worse"] = torch.tensor(worse, dtype=torch.long)
        if self._teacher is not None:
            batch["teacher"] = torch.from_numpy(np.array(self._teacher[rows]))
        return batch


def units_of(examples: Sequence[Example]) -> list[list[int]]:
    """Rows that a batch keeps together: groups whose labels differ; every other row is alone."""
    groups: dict[tuple[str, str], list[int]] = {}
    for row, example in enumerate(examples):
        if example.group:
            groups.setdefault((example.head, example.group), []).append(row)
    together = {
        rows[0]: rows for rows in groups.values() if len({examples[r].label for r in rows}) > 1
    }
    members = {row for rows in together.values() for row in rows}
    return [
        together.get(row, [row])
        for row in range(len(examples))
        if row in together or row not in members
    ]


def plan_run(
    store: PairStore, examples: Sequence[Example], *, batch: int, epochs: int, seed: int
) -> list[list[int]]:
    """The rows of every batch of the run, in order."""
    lengths = store.lengths().tolist()
    return plan_batches(lengths, units_of(examples), batch, epochs, seed)


def plan_batches(
    lengths: Sequence[int],
    units: Sequence[Sequence[int]],
    batch: int,
    epochs: int,
    seed: int,
) -> list[list[int]]:
    """The rows of every batch of the whole run, in order; a pure function of its arguments.

    `units` are rows that stay together. Each epoch shuffles them, gathers like lengths within
    MEGABATCH batches, fills batches of at most `batch` rows and shuffles those.
    """
    batches: list[list[int]] = []
    longest = [max(lengths[row] for row in unit) for unit in units]
    for epoch in range(epochs):
        rng = random.Random(f"{seed}:{epoch}")
        order = list(range(len(units)))
        rng.shuffle(order)
        mine: list[list[int]] = []
        for start in range(0, len(order), batch * MEGABATCH):
            near = sorted(order[start : start + batch * MEGABATCH], key=longest.__getitem__)
            mine += _fill([units[i] for i in near], batch)
        rng.shuffle(mine)
        batches += mine
    return batches


def _fill(units: Iterable[Sequence[int]], batch: int) -> Iterator[list[int]]:
    rows: list[int] = []
    for unit in units:
        if rows and len(rows) + len(unit) > batch:
            yield rows
            rows = []
        rows.extend(unit)
    if rows:
        yield rows
