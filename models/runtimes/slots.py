"""Where the candidates of a batch live while they are decoded: the layout, masks and compaction.

A batch holds B contexts with up to N candidates each, its slots [B, N]. Contexts are padded on
the left to T tokens; what the candidates say is stored behind them, step after step::

    keys of item b:  [ padding | context (T) | step 0: N slots | step 1: N slots | ... ]

A mask keeps candidates from seeing each other. Tensors only; no model.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Slots:
    """The slots of one batch: which live, and what each may see."""

    def __init__(
        self, contexts: Sequence[Sequence[int]], counts: Sequence[int], device: torch.device
    ) -> None:
        self.device = device
        self.batch, self.slots = len(contexts), max(counts)
        self.context = max(len(ids) for ids in contexts)
        self.done = 0
        self.ragged = any(len(ids) != self.context for ids in contexts)
        lengths = torch.tensor([len(ids) for ids in contexts], device=device)
        self.padding = self.context - lengths
        # Living candidates as slots of [B, N], and the position of each one's next token.
        alive = torch.arange(self.slots)[None, :] < torch.tensor(list(counts))[:, None]
        self.live = alive.flatten().nonzero().flatten().to(device)
        self.place = lengths[self.live // self.slots]

    @property
    def full(self) -> bool:
        """Whether every slot has a living candidate."""
        return len(self.live) == self.batch * self.slots

    def prefill(self, contexts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """(ids, positions), both [B, T], of the contexts, padded on the left."""
        ids = torch.zeros((self.batch, self.context), dtype=torch.long)
        for row, context in enumerate(contexts):
            ids[row, self.context - len(context) :] = torch.tensor(context, dtype=torch.long)
        index = torch.arange(self.context, device=self.device)
        return ids.to(self.device), (index[None, :] - self.padding[:, None]).clamp(min=0)

    def prefill_seen(self) -> Tensor:
        """[B, T, T]: causal, padding unseen; a padded query sees only itself."""
        index = torch.arange(self.context, device=self.device)
        seen = (index[None, :] <= index[:, None])[None] & (
            index[None, None, :] >= self.padding[:, None, None]
        )
        return seen | torch.eye(self.context, dtype=torch.bool, device=self.device)

    def own_seen(self, steps: int) -> Tensor:
        """[B or 1, N, T + N * steps]: the context, and one's own past."""
        own = torch.eye(self.slots, dtype=torch.bool, device=self.device).repeat(1, steps)
        if not self.ragged:
            context = torch.ones(
                (1, self.slots, self.context), dtype=torch.bool, device=self.device
            )
            return torch.cat([context, own[None]], dim=2)
        index = torch.arange(self.context, device=self.device)
        seen = (index[None, :] >= self.padding[:, None])[:, None].expand(-1, self.slots, -1)
        return torch.cat([seen, own.expand(self.batch, -1, -1)], dim=2)

    def stepped(self) -> None:
        """Every living candidate has one more token."""
        self.done += 1
        self.place = self.place + 1

    def keep(self, rows: Tensor) -> None:
        """Only the living candidates `rows` (ascending indices) go on."""
        self.live = self.live[rows]
        self.place = self.place[rows]

    def compaction(self) -> tuple[Tensor, Tensor] | None:
        """(items [b], their slots [b, n]) to which the batch shrinks; None if that saves little.

        The caller must then leave out the rest of its cache (`gathered`).
        """
        if not len(self.live) or 2 * len(self.live) > self.batch * self.slots:
            return None
        item, slot = self.live // self.slots, self.live % self.slots
        items, row, counts = torch.unique_consecutive(item, return_inverse=True, return_counts=True)
        slots = int(counts.max())
        if len(items) == self.batch and 2 * slots > self.slots:
            return None  # one long item would be copied for little
        first = torch.cumsum(counts, 0) - counts
        place = torch.arange(len(item), device=item.device) - first[row]
        chosen = torch.zeros((len(items), slots), dtype=torch.long, device=item.device)
        chosen[row, place] = slot
        self.padding = self.padding[items]
        self.batch, self.slots = len(items), slots
        self.live = row * slots + place
        return items, chosen


def gathered(cache: Tensor, context: int, slots: int, items: Tensor, chosen: Tensor) -> Tensor:
    """A cache [B, heads, T + slots * steps, size] with the slots `chosen` [b, n] of `items`."""
    heads, size = cache.shape[1], cache.shape[3]
    count, wanted = chosen.shape
    steps = (cache.shape[2] - context) // slots
    kept = cache[items]
    own = kept[:, :, context:].reshape(count, heads, steps, slots, size)
    index = chosen[:, None, None, :, None].expand(-1, heads, steps, -1, size)
    own = own.gather(3, index).view(count, heads, steps * wanted, size)
    return torch.cat([kept[:, :, :context], own], dim=2)


def additive(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """A mask to add to attention scores: 0 where seen, minus infinity elsewhere."""
    mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return mask.masked_fill_(~seen, float("-inf"))
