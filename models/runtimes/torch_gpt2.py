"""A lean GPT-2 forward for generation: one prefill a context, candidates share its KV cache.

A batch holds B contexts with up to N candidates each. The keys and values of a context are
computed and stored once; its N candidates are N queries of one attention call. What a candidate
generates is stored behind the context, step after step, and a mask keeps candidates from seeing
each other::

    keys of item b:  [ padding | context (T) | step 0: N slots | step 1: N slots | ... ]

The linear layers, nearly all of the work, run on living candidates only; the padded [B, N]
layout exists for attention alone, and is compacted when half of it has ended.

Not thread-safe: the cache's memory is kept between runs. Numbers agree with transformers'
`GPT2LMHeadModel` to float accuracy (tests/models/test_torch_gpt2.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from models.runtimes.gpt2_weights import Block, Gpt2Weights


class TorchGpt2:
    """The weights of a `GPT2LMHeadModel` (which is not kept) and the forward passes over them.

    Raises ValueError for an architecture that it does not know.
    """

    def __init__(self, model: Any, *, device: torch.device, dtype: torch.dtype) -> None:
        weights = Gpt2Weights.of(model).to(device, dtype)
        self.device, self.dtype = device, dtype
        self.heads, self.width, self.eps = weights.heads, weights.width, weights.eps
        self.positions, self.vocabulary = weights.positions, weights.vocabulary
        self.gelu = weights.activation
        self.tokens, self.places, self.head = weights.tokens, weights.places, weights.head
        self.norm, self.blocks = weights.norm, weights.blocks
        self._memory: list[Tensor] = []

    def start(self, contexts: Sequence[Sequence[int]], counts: Sequence[int], steps: int) -> Decode:
        """Prefill `contexts` (each not empty); room for `steps` tokens of `counts[b]` candidates.

        Raises ValueError if a context is empty or leaves no position for one new token.
        """
        for ids in contexts:
            if not 0 < len(ids) < self.positions:
                raise ValueError(
                    f"a context of {len(ids)} tokens; 1 to {self.positions - 1} can be"
                )
        return Decode(self, contexts, counts, steps)

    def block_input(self, x: Tensor, block: Block) -> Tensor:
        """Queries, keys and values [rows, 3 * width] of states [rows, width]."""
        return F.linear(F.layer_norm(x, (self.width,), *block.ln_1, self.eps), *block.qkv)

    def block_output(self, x: Tensor, attended: Tensor, block: Block) -> Tensor:
        """The residual stream after one layer, from what attention gave; both [rows, width]."""
        x = x + F.linear(attended, *block.out)
        hidden = F.linear(F.layer_norm(x, (self.width,), *block.ln_2, self.eps), *block.up)
        if self.gelu == "relu":
            hidden = F.relu(hidden)
        else:
            hidden = F.gelu(hidden, approximate=self.gelu)
        return x + F.linear(hidden, *block.down)

    def logits(self, x: Tensor) -> Tensor:
        """float32 logits [rows, vocabulary] of final states [rows, width]."""
        return F.linear(F.layer_norm(x, (self.width,), *self.norm, self.eps), self.head).float()

    def memory(self, number: int, shape: tuple[int, ...]) -> Tensor:
        """A view of buffer `number` of this shape; the buffer grows and is used again.

        Fresh memory would be paid for in page faults at every run.
        """
        while len(self._memory) <= number:
            self._memory.append(torch.empty(0, device=self.device, dtype=self.dtype))
        size = torch.Size(shape).numel()
        if self._memory[number].numel() < size:
            self._memory[number] = torch.empty(size, device=self.device, dtype=self.dtype)
        return self._memory[number][:size].view(shape)


class Decode:
    """One batch being decoded: `first` logits, then `step(...)` and `keep(...)` by turns."""

    first: Tensor
    """float32 [B, vocabulary]: the distribution of each item's first new token."""

    def __init__(
        self,
        model: TorchGpt2,
        contexts: Sequence[Sequence[int]],
        counts: Sequence[int],
        steps: int,
    ) -> None:
        self.model = model
        self.batch, self.slots = len(contexts), max(counts)
        self.context = max(len(ids) for ids in contexts)
        self.done = 0
        self._ragged = any(len(ids) != self.context for ids in contexts)
        room = self.context + self.slots * steps
        head = model.width // model.heads
        shape = (self.batch, model.heads, room, head)
        layers = range(len(model.blocks))
        self.keys = [model.memory(2 * i, shape) for i in layers]
        self.values = [model.memory(2 * i + 1, shape) for i in layers]
        lengths = torch.tensor([len(ids) for ids in contexts], device=model.device)
        self.padding = self.context - lengths
        self.first = self._prefill(contexts)
        self.mask = self._own_mask(steps)
        # Living candidates as slots of [B, N], and the position of each one's next token.
        alive = torch.arange(self.slots)[None, :] < torch.tensor(list(counts))[:, None]
        self.live = alive.flatten().nonzero().flatten().to(model.device)
        self.place = lengths[self.live // self.slots]

    def _prefill(self, contexts: Sequence[Sequence[int]]) -> Tensor:
        model, B, T = self.model, self.batch, self.context
        ids = torch.zeros((B, T), dtype=torch.long)
        for row, context in enumerate(contexts):
            ids[row, T - len(context) :] = torch.tensor(context, dtype=torch.long)
        ids = ids.to(model.device)
        at = (torch.arange(T, device=model.device)[None, :] - self.padding[:, None]).clamp(min=0)
        x = (model.tokens[ids] + model.places[at]).view(B * T, model.width)
        mask = self._prefill_mask() if self._ragged else None
        for number, block in enumerate(model.blocks):
            q, k, v = self._split(model.block_input(x, block), B, T)
            self.keys[number][:, :, :T] = k
            self.values[number][:, :, :T] = v
            out = F.scaled_dot_product_attention(
                q, k, v, attn_mask=mask, is_causal=mask is None, scale=block.scale
            )
            x = model.block_output(x, self._join(out), block)
        return model.logits(x.view(B, T, model.width)[:, -1])

    def _prefill_mask(self) -> Tensor:
        """[B, 1, T, T] additive: causal, padding unseen; a padded query sees only itself."""
        T, device = self.context, self.model.device
        index = torch.arange(T, device=device)
        seen = (index[None, :] <= index[:, None])[None] & (
            index[None, None, :] >= self.padding[:, None, None]
        )
        seen |= torch.eye(T, dtype=torch.bool, device=device)
        return self._additive(seen)[:, None]

    def _own_mask(self, steps: int) -> Tensor:
        """[B or 1, 1, N, T + N * steps] additive: the context, and one's own past."""
        N, T, device = self.slots, self.context, self.model.device
        own = torch.eye(N, dtype=torch.bool, device=device).repeat(1, steps)
        if not self._ragged:
            context = torch.ones((1, N, T), dtype=torch.bool, device=device)
            return self._additive(torch.cat([context, own[None]], dim=2))[:, None]
        index = torch.arange(T, device=device)
        seen = (index[None, :] >= self.padding[:, None])[:, None].expand(-1, N, -1)
        return self._additive(torch.cat([seen, own.expand(self.batch, -1, -1)], dim=2))[:, None]

    def _additive(self, seen: Tensor) -> Tensor:
        mask = torch.zeros(seen.shape, dtype=self.model.dtype, device=seen.device)
        return mask.masked_fill_(~seen, float("-inf"))

    def _split(self, qkv: Tensor, batch: int, rows: int) -> tuple[Tensor, Tensor, Tensor]:
        heads = self.model.heads
        parts = qkv.view(batch, rows, 3, heads, -1).permute(2, 0, 3, 1, 4)
        return parts[0], parts[1], parts[2]

    def _join(self, attended: Tensor) -> Tensor:
        return attended.transpose(1, 2).reshape(-1, self.model.width)

    def step(self, ids: Tensor) -> Tensor:
        """Append token `ids[r]` to living candidate r; float32 logits [living, vocabulary]."""
        model, B, N = self.model, self.batch, self.slots
        begin = self.context + N * self.done
        end = begin + N
        full = len(self.live) == B * N
        x = model.tokens[ids] + model.places[self.place]
        mask = self.mask[..., :end]
        for number, block in enumerate(model.blocks):
            qkv = model.block_input(x, block)
            if not full:
                qkv = qkv.new_zeros((B * N, qkv.shape[1])).index_copy_(0, self.live, qkv)
            q, k, v = self._split(qkv, B, N)
            keys, values = self.keys[number], self.values[number]
            keys[:, :, begin:end] = k
            values[:, :, begin:end] = v
            out = F.scaled_dot_product_attention(
                q, keys[:, :, :end], values[:, :, :end], attn_mask=mask, scale=block.scale
            )
            joined = self._join(out)
            x = model.block_output(x, joined if full else joined[self.live], block)
        self.done += 1
        self.place = self.place + 1
        return model.logits(x)

    def keep(self, rows: Tensor) -> None:
        """Only the living candidates `rows` (ascending indices) go on."""
        self.live = self.live[rows]
        self.place = self.place[rows]
        if len(self.live) and 2 * len(self.live) <= self.batch * self.slots:
            self._compact()

    def _compact(self) -> None:
        """Leave out items that have ended, and slots that no item needs any more."""
        item, slot = self.live // self.slots, self.live % self.slots
        items, row, counts = torch.unique_consecutive(item, return_inverse=True, return_counts=True)
        slots = int(counts.max())
        if len(items) == self.batch and 2 * slots > self.slots:
            return  # one long item would be copied for little
        first = torch.cumsum(counts, 0) - counts
        place = torch.arange(len(item), device=item.device) - first[row]
        chosen = torch.zeros((len(items), slots), dtype=torch.long, device=item.device)
        chosen[row, place] = slot
        self.keys = [self._gathered(cache, items, chosen) for cache in self.keys]
        self.values = [self._gathered(cache, items, chosen) for cache in self.values]
        steps = (self.mask.shape[-1] - self.context) // self.slots
        self.padding = self.padding[items]
        self.batch, self.slots = len(items), slots
        self.mask = self._own_mask(steps)
        self.live = row * slots + place

    def _gathered(self, cache: Tensor, items: Tensor, chosen: Tensor) -> Tensor:
        """The cache of `items` with the slots `chosen` [items, slots] of each."""
        heads, head = cache.shape[1], cache.shape[3]
        count, slots = chosen.shape
        steps = (cache.shape[2] - self.context) // self.slots
        kept = cache[items]
        own = kept[:, :, self.context :].reshape(count, heads, steps, self.slots, head)
        index = chosen[:, None, None, :, None].expand(-1, heads, steps, -1, head)
        own = own.gather(3, index).view(count, heads, steps * slots, head)
        return torch.cat([kept[:, :, : self.context], own], dim=2)
