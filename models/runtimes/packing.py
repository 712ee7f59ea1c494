"""Sequences of different lengths as packed rows, and where those rows lie.

A padded batch spends a third of its arithmetic on padding; packed rows spend none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """Where the packed rows of one kind of sequence lie, and how to pad them for attention.

    `pad` (n, L) holds for each padded place its packed row (row 0 of the kind where padding),
    `keep` (n, L) is true at real tokens, `flat` (T,) the padded place of each packed row.
    """

    pad: Tensor
    keep: Tensor
    flat: Tensor
    lengths: Tensor

    @classmethod
    def of(cls, lengths: Sequence[int], offset: int, device: torch.device) -> Rows:
        """Rows of sequences of these lengths, packed one after the other from row `offset`."""
        size = torch.tensor(lengths, dtype=torch.long)
        longest = int(size.max())
        start = torch.cumsum(size, 0) - size + offset
        place = torch.arange(longest)
        keep = place[None, :] < size[:, None]
        pad = torch.where(keep, start[:, None] + place[None, :], start[:, None])
        flat = keep.flatten().nonzero().squeeze(1)
        return cls(pad.to(device), keep.to(device), flat.to(device), size.to(device))

    def within(self, spans: Sequence[tuple[int, int]]) -> Rows:
        """Rows of the part [start, end) of each sequence, for pooling only."""
        start = torch.tensor([s for s, _ in spans], device=self.pad.device)
        end = torch.tensor([e for _, e in spans], device=self.pad.device)
        place = torch.arange(self.pad.shape[1], device=self.pad.device)[None, :]
        keep = (place >= start[:, None]) & (place < end[:, None])
        return Rows(self.pad, keep, self.flat, end - start)


@dataclass(frozen=True)
class Batch:
    """Contexts and responses as packed ids; `owner[i]` is the context of response i."""

    ids: Tensor
    positions: Tensor
    contexts: Rows
    responses: Rows | None
    owner: Tensor | None

    @classmethod
    def of(
        cls,
        contexts: Sequence[Sequence[int]],
        responses: Sequence[Sequence[int]] = (),
        owner: Sequence[int] = (),
        device: torch.device | None = None,
    ) -> Batch:
        """Pack ids: first all contexts, then all responses; every sequence starts at position 0."""
        device = device or torch.device("cpu")
        lengths = [len(ids) for ids in (*contexts, *responses)]
        ids = torch.tensor([i for seq in (*contexts, *responses) for i in seq], dtype=torch.long)
        positions = torch.cat([torch.arange(length) for length in lengths])
        n = len(contexts)
        rows = Rows.of(lengths[:n], 0, device)
        if not responses:
            return cls(ids.to(device), positions.to(device), rows, None, None)
        replies = Rows.of(lengths[n:], sum(lengths[:n]), device)
        whose = torch.tensor(owner, dtype=torch.long, device=device)
        return cls(ids.to(device), positions.to(device), rows, replies, whose)


def mean_rows(x: Tensor, rows: Rows) -> Tensor:
    """The mean of each sequence's rows: (T, width) → (n, width)."""
    padded = x.index_select(0, rows.pad.flatten()).view(*rows.pad.shape, -1)
    kept = padded * rows.keep[:, :, None].to(x.dtype)
    return kept.sum(1) / rows.lengths[:, None].to(x.dtype)
