"""Sequences of different lengths as packed rows of ids, and where those rows lie: NumPy alone.

A padded batch spends a third of its arithmetic on padding; packed rows spend none. Every runtime
starts from these arrays; what torch makes of them is in `packing.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from models.contracts import RerankItem

Ints = NDArray[np.int64]
# Sizes of a like distance, before it doubles: of packed rows, which all layers see; of what
# attention alone is padded to, which is little of the work.
_ROWS, _PADDED = 16, 8


def rounded_up(size: int, step: int, steps: int) -> int:
    """`size` as a multiple of `step` up to `steps` of them, then of twice as much, and so on.

    At most 2 / `steps` is added: sizes from 1 to 2,048 by 16 and sixteen steps are 40, not 128.
    """
    while size > steps * step:
        step *= 2
    return -(-size // step) * step


@dataclass(frozen=True)
class Places:
    """Where the packed rows of one kind of sequence lie, and how to pad them for attention.

    `pad` (n, L) holds for each padded place its packed row (the sequence's first where padding),
    `keep` (n, L) is true at real tokens, `flat` (T,) the padded place of each packed row.
    """

    pad: Ints
    keep: NDArray[np.bool_]
    flat: Ints
    lengths: Ints

    @classmethod
    def of(cls, lengths: Ints, offset: int) -> Places:
        """Sequences of these lengths, packed one after the other from row `offset`."""
        starts = np.cumsum(lengths) - lengths + offset
        place = np.arange(lengths.max())
        keep = place[None, :] < lengths[:, None]
        pad = np.where(keep, starts[:, None] + place[None, :], starts[:, None])
        return cls(pad, keep, np.flatnonzero(keep), lengths)

    @property
    def starts(self) -> Ints:
        """(n,) the first packed row of each sequence."""
        return self.pad[:, 0]

    def widened(self, length: int, extra: int) -> Places:
        """As many sequences, and places of each, as `rounded_up` says; `extra` packed rows.

        Nobody reads what is added: it lies behind what there is, and is no token.
        """
        n, longest = self.pad.shape
        shape = rounded_up(n, 1, _PADDED), rounded_up(longest, length, _PADDED)
        keep, pad = np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.int64)
        keep[:n, :longest] = self.keep
        pad[:n] = self.pad[:, :1]
        pad[:n, :longest] = self.pad
        flat = np.concatenate([np.flatnonzero(keep), np.zeros(extra, dtype=np.int64)])
        return Places(pad, keep, flat, self.lengths)


@dataclass(frozen=True)
class Packed:
    """Contexts and responses as packed ids (T,); `owner[i]` is the context of response i."""

    ids: Ints
    positions: Ints
    contexts: Places
    responses: Places | None
    owner: Ints | None

    @classmethod
    def of(
        cls,
        contexts: Sequence[Sequence[int]],
        responses: Sequence[Sequence[int]] = (),
        owner: Sequence[int] = (),
    ) -> Packed:
        """Pack ids: first all contexts, then all responses; every sequence starts at position 0.

        Raises ValueError if there is no sequence, or one without ids.
        """
        sequences = (*contexts, *responses)
        lengths = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
        if not contexts or lengths.min() < 1:
            raise ValueError("a sequence without ids")
        total = int(lengths.sum())
        ids = np.fromiter(chain.from_iterable(sequences), dtype=np.int64, count=total)
        positions = np.arange(total) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        n = len(contexts)
        rows = Places.of(lengths[:n], 0)
        if not responses:
            return cls(ids, positions, rows, None, None)
        replies = Places.of(lengths[n:], int(lengths[:n].sum()))
        return cls(ids, positions, rows, replies, np.asarray(owner, dtype=np.int64))

    def check(self, vocabulary: int, positions: int) -> None:
        """Raise ValueError for what a model of this vocabulary and length cannot read."""
        if self.ids.min() < 0 or self.ids.max() >= vocabulary:
            raise ValueError(f"an id outside the vocabulary of {vocabulary}")
        longest = int(self.positions.max()) + 1
        if longest > positions:
            raise ValueError(f"a sequence of {longest} tokens; at most {positions} can be")

    def rounded(self, rows: int, length: int) -> Packed:
        """The same with T, the padded lengths and the numbers of sequences as `rounded_up` says.

        A runtime keeps something for each shape that it has met, for good: it meets few of them
        then. What is added comes last and means nothing.
        """
        extra = rounded_up(len(self.ids), rows, _ROWS) - len(self.ids)
        added = np.zeros(extra, dtype=np.int64)
        ids, positions = np.append(self.ids, added), np.append(self.positions, added)
        if self.responses is None or self.owner is None:
            return Packed(ids, positions, self.contexts.widened(length, extra), None, None)
        contexts = self.contexts.widened(length, 0)
        responses = self.responses.widened(length, extra)
        owner = np.append(self.owner, np.zeros(len(responses.pad) - len(self.owner), np.int64))
        return Packed(ids, positions, contexts, responses, owner)


@dataclass(frozen=True)
class PackedSlates:
    """Items packed for the reranker: distinct contexts once; `latest` (m,) is where, in each
    context, its last turn starts."""

    packed: Packed
    latest: Ints

    @classmethod
    def of(cls, items: Sequence[RerankItem]) -> PackedSlates:
        """Pack items; those of one request share a context, which is packed once.

        Raises ValueError if a last turn does not start within its context.
        """
        seen: dict[tuple[int, ...], int] = {}
        starts: list[int] = []
        owner: list[int] = []
        for item in items:
            if item.context not in seen:
                if not 0 <= item.latest < len(item.context):
                    raise ValueError(f"the last turn starts at {item.latest}, not in its context")
                seen[item.context] = len(seen)
                starts.append(item.latest)
            owner.append(seen[item.context])
        packed = Packed.of(list(seen), [item.response for item in items], owner)
        return cls(packed, np.asarray(starts, dtype=np.int64))


def mean_of(x: NDArray[np.float32], starts: Ints, lengths: Ints) -> NDArray[np.float32]:
    """The mean of rows [start, start + length) of x (T, width), for each pair: (n, width)."""
    # reduceat sums from each index to the next; every second sum is a stretch that nobody asked
    # for. The row of zeros lets the last stretch end where x does.
    closed = np.concatenate([x, np.zeros((1, x.shape[1]), dtype=x.dtype)])
    bounds = np.stack([starts, starts + lengths], axis=1).ravel()
    sums = np.add.reduceat(closed, bounds, axis=0)[::2]
    means: NDArray[np.float32] = np.divide(sums, lengths[:, None], dtype=np.float32)
    return means


def unit(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length 1; a row of zeros stays one."""
    size = np.sqrt(np.einsum("ij,ij->i", x, x))[:, None]
    rows: NDArray[np.float32] = np.divide(x, np.maximum(size, 1e-12), dtype=np.float32)
    return rows
