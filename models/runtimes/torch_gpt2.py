"""A lean GPT-2 forward for generation: one prefill a context, candidates share its KV cache.

The keys and values of a context are computed and stored once; its N candidates are N queries of
one attention call (`models.runtimes.slots` has the layout). The linear layers, nearly all of the
work, run on living candidates only; the padded [B, N] layout exists for attention alone, and is
compacted when half of it has ended.

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
from models.runtimes.slots import Slots, additive, gathered


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
        self.slots = Slots(contexts, counts, model.device)
        self._steps = steps
        room = self.slots.context + self.slots.slots * steps
        shape = (self.slots.batch, model.heads, room, model.width // model.heads)
        layers = range(len(model.blocks))
        self.keys = [model.memory(2 * i, shape) for i in layers]
        self.values = [model.memory(2 * i + 1, shape) for i in layers]
        self.first = self._prefill(contexts)
        self.mask = self._own_mask()

    def _prefill(self, contexts: Sequence[Sequence[int]]) -> Tensor:
        model, B, T = self.model, self.slots.batch, self.slots.context
        ids, at = self.slots.prefill(contexts)
        x = (model.tokens[ids] + model.places[at]).view(B * T, model.width)
        mask = None
        if self.slots.ragged:
            mask = additive(self.slots.prefill_seen(), model.dtype)[:, None]
        for number, block in enumerate(model.blocks):
            q, k, v = self._split(model.block_input(x, block), B, T)
            self.keys[number][:, :, :T] = k
            self.values[number][:, :, :T] = v
            out = F.scaled_dot_product_attention(
                q, k, v, attn_mask=mask, is_causal=mask is None, scale=block.scale
            )
            x = model.block_output(x, self._join(out), block)
        return model.logits(x.view(B, T, model.width)[:, -1])

    def _own_mask(self) -> Tensor:
        """[B or 1, 1, N, T + N * steps] additive: the context, and one's own past."""
        return additive(self.slots.own_seen(self._steps), self.model.dtype)[:, None]

    def _split(self, qkv: Tensor, batch: int, rows: int) -> tuple[Tensor, Tensor, Tensor]:
        heads = self.model.heads
        parts = qkv.view(batch, rows, 3, heads, -1).permute(2, 0, 3, 1, 4)
        return parts[0], parts[1], parts[2]

    def _join(self, attended: Tensor) -> Tensor:
        return attended.transpose(1, 2).reshape(-1, self.model.width)

    def step(self, ids: Tensor) -> Tensor:
        """Append token `ids[r]` to living candidate r; float32 logits [living, vocabulary]."""
        model, slots = self.model, self.slots
        B, N = slots.batch, slots.slots
        begin = slots.context + N * slots.done
        end = begin + N
        full, live = slots.full, slots.live
        x = model.tokens[ids] + model.places[slots.place]
        mask = self.mask[..., :end]
        for number, block in enumerate(model.blocks):
            qkv = model.block_input(x, block)
            if not full:
                qkv = qkv.new_zeros((B * N, qkv.shape[1])).index_copy_(0, live, qkv)
            q, k, v = self._split(qkv, B, N)
            keys, values = self.keys[number], self.values[number]
            keys[:, :, begin:end] = k
            values[:, :, begin:end] = v
            out = F.scaled_dot_product_attention(
                q, keys[:, :, :end], values[:, :, :end], attn_mask=mask, scale=block.scale
            )
            joined = self._join(out)
            x = model.block_output(x, joined if full else joined[live], block)
        slots.stepped()
        return model.logits(x)

    def keep(self, rows: Tensor) -> None:
        """Only the living candidates `rows` (ascending indices) go on."""
        slots, before = self.slots, self.slots.slots
        slots.keep(rows)
        shrunk = slots.compaction()
        if shrunk is not None:
            for caches in (self.keys, self.values):
                caches[:] = [gathered(cache, slots.context, before, *shrunk) for cache in caches]
            self.mask = self._own_mask()
