"""Which pages of a paged cache each sequence has: plain numbers, no tensors of the model.

A context's whole pages are shared by its candidates; the page that it only began is copied for
each of them, since each writes its own tokens behind it. Sequences only grow and end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]


def pages_needed(lengths: Sequence[int], counts: Sequence[int], steps: int, page: int) -> int:
    """Pages that a batch takes at most: contexts, and what each candidate has of its own."""
    total = 0
    for length, count in zip(lengths, counts, strict=True):
        whole = length // page
        own = -(-(length + steps) // page) - whole
        total += -(-length // page) + count * own
    return total


class PageTable:
    """The pages of S sequences: `table` [S, W] (row r is filled up to its length), `lengths` [S].

    The pages of one batch are handed out in order and never given back: the next batch begins
    anew.
    """

    def __init__(self, lengths: Sequence[int], page: int, first: int = 0) -> None:
        """Pages from number `first` on for contexts of these lengths, each at least 1."""
        self.page = page
        self.lengths: Ints = np.asarray(lengths, np.int32)
        counts = -(-self.lengths // page)
        ends = first + np.cumsum(counts)
        column = np.arange(int(counts.max()), dtype=np.int32)[None, :]
        held = column < counts[:, None]
        self.table: Ints = np.where(held, (ends - counts)[:, None] + column, 0).astype(np.int32)
        self.next = int(ends[-1])

    def fork(self, counts: Sequence[int]) -> tuple[Ints, Ints]:
        """Context r becomes `counts[r]` candidates; (from, to): the pages that must be copied."""
        parents = np.repeat(np.arange(len(self.lengths)), counts)
        self.table, self.lengths = self.table[parents], self.lengths[parents]
        begun = np.flatnonzero(self.lengths % self.page)
        column = self.lengths[begun] // self.page
        source = self.table[begun, column]
        own = np.arange(self.next, self.next + len(begun), dtype=np.int32)
        self.next += len(begun)
        self.table[begun, column] = own
        return source, own

    def grow(self) -> None:
        """Room for one more token of each sequence; `lengths` then counts it."""
        full = np.flatnonzero(self.lengths % self.page == 0)
        if len(full):
            column = self.lengths[full] // self.page
            if int(column.max()) >= self.table.shape[1]:
                wider = np.zeros((len(self.table), 1), np.int32)
                self.table = np.concatenate([self.table, wider], axis=1)
            self.table[full, column] = np.arange(self.next, self.next + len(full), dtype=np.int32)
            self.next += len(full)
        self.lengths = self.lengths + 1

    def keep(self, rows: Ints) -> None:
        """Only these sequences go on."""
        self.table, self.lengths = self.table[rows], self.lengths[rows]

    def flat(self) -> tuple[Ints, Ints]:
        """(pages of all sequences, one after the other; where each begins, with the end)."""
        counts = -(-self.lengths // self.page)
        held = np.arange(self.table.shape[1])[None, :] < counts[:, None]
        begins = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        return self.table[held], begins
