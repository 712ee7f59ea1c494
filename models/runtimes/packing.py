"""Packed rows (`rows.py`) as torch tensors on a device, and pooling over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.contracts import RerankItem
from models.runtimes.rows import Packed, PackedSlates


@dataclass(frozen=True)
class Rows:
    """`Places` on a device: `pad` (n, L), `keep` (n, L), `flat` (T,), `lengths` (n,)."""

    pad: Tensor
    keep: Tensor
    flat: Tensor
    lengths: Tensor

    def within(self, start: Tensor, end: Tensor) -> Rows:
        """Rows of the part [start, end) of each sequence, for pooling only."""
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
        return cls.on(Packed.of(contexts, responses, owner), device)[0]

    @classmethod
    def on(
        cls, packed: Packed, device: torch.device | None = None, *more: NDArray[np.int64]
    ) -> tuple[Batch, list[Tensor]]:
        """`packed` on a device, and the arrays of `more` with it, in one transfer."""
        kinds = (
            [packed.contexts] if packed.responses is None else [packed.contexts, packed.responses]
        )
        whose = [] if packed.owner is None else [packed.owner]
        arrays: list[NDArray[Any]] = [packed.ids, packed.positions, *whose, *more]
        for places in kinds:
            arrays += [places.pad, places.keep, places.flat, places.lengths]
        tensors = iter(_moved(arrays, device or torch.device("cpu")))
        ids, positions = next(tensors), next(tensors)
        owner = next(tensors) if whose else None
        rest = [next(tensors) for _ in more]
        rows = [_rows(next(tensors), next(tensors), next(tensors), next(tensors)) for _ in kinds]
        responses = rows[1] if len(rows) > 1 else None
        return cls(ids, positions, rows[0], responses, owner), rest


@dataclass(frozen=True)
class RerankBatch:
    """Items packed for the network: distinct contexts once, `latest` their last turns' rows."""

    batch: Batch
    latest: Rows

    @classmethod
    def of(cls, items: Sequence[RerankItem], device: torch.device | None = None) -> RerankBatch:
        """Pack items; those of one request share a context, which is packed once."""
        return cls.on(PackedSlates.of(items), device)

    @classmethod
    def on(cls, slates: PackedSlates, device: torch.device | None = None) -> RerankBatch:
        """Packed items on a device."""
        batch, (starts,) = Batch.on(slates.packed, device, slates.latest)
        return cls(batch, batch.contexts.within(starts, batch.contexts.lengths))


def mean_rows(x: Tensor, rows: Rows) -> Tensor:
    """The mean of each sequence's rows: (T, width) → (n, width)."""
    padded = x.index_select(0, rows.pad.flatten()).view(*rows.pad.shape, -1)
    kept = padded * rows.keep[:, :, None].to(x.dtype)
    return kept.sum(1) / rows.lengths[:, None].to(x.dtype)


def _rows(pad: Tensor, keep: Tensor, flat: Tensor, lengths: Tensor) -> Rows:
    return Rows(pad, keep.bool(), flat, lengths)


def _moved(arrays: Sequence[NDArray[Any]], device: torch.device) -> list[Tensor]:
    if device.type != "cuda":
        return [torch.from_numpy(array).to(device) for array in arrays]
    # A dozen small copies would each wait for the device; one from page-locked memory does not.
    joined = np.concatenate([array.ravel().astype(np.int64, copy=False) for array in arrays])
    moved = torch.from_numpy(joined).pin_memory().to(device, non_blocking=True)
    parts = torch.split(moved, [array.size for array in arrays])
    return [part.view(array.shape) for part, array in zip(parts, arrays, strict=True)]
