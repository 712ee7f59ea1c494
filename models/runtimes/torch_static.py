"""GPT-2 decoding with static shapes, for CUDA graphs and `torch.compile`.

Launching some hundred small kernels takes the host longer than the GPU needs to run them. Here a
step is one replay of a captured graph: every tensor has its place for the whole batch, the cache
is as long as it will ever be, and where a step writes is itself a tensor on the device. Candidates
that have ended are computed along; nothing is compacted.

Shapes are rounded up (`Shape.around`) so that few graphs serve all batches; the `KEPT` that were
used last are kept, each with its cache. On a CPU the same code runs without capture, which is how
it is tested; `TorchGpt2`'s own decoding is faster there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.runtimes.slots import Slots, additive
from models.runtimes.torch_gpt2 import TorchGpt2

KEPT = 6
_CONTEXT_STEP = 64
_NEW_STEP = 20
_WARM_RUNS = 3


@dataclass(frozen=True)
class Shape:
    """What a captured step is made for: items, slots of each, context tokens, new tokens."""

    batch: int
    slots: int
    context: int
    steps: int

    @classmethod
    def around(cls, batch: int, slots: int, context: int, steps: int) -> Shape:
        """The smallest shape of the grid that holds these: powers of two, and multiples."""
        return cls(
            1 << (batch - 1).bit_length(),
            1 << (slots - 1).bit_length(),
            -(-context // _CONTEXT_STEP) * _CONTEXT_STEP,
            -(-steps // _NEW_STEP) * _NEW_STEP,
        )

    @property
    def room(self) -> int:
        """Keys of one item."""
        return self.context + self.slots * self.steps


class StaticStep:
    """The tensors of one shape, and the step over them; captured on CUDA."""

    def __init__(self, model: TorchGpt2, shape: Shape, *, compiled: bool) -> None:
        self.model, self.shape = model, shape
        device, rows = model.device, shape.batch * shape.slots
        cache = (shape.batch, model.heads, shape.room, model.width // model.heads)
        layers = range(len(model.blocks))
        self.keys = [torch.zeros(cache, device=device, dtype=model.dtype) for _ in layers]
        self.values = [torch.zeros(cache, device=device, dtype=model.dtype) for _ in layers]
        seen = torch.zeros((shape.batch, 1, shape.slots, shape.room), dtype=torch.bool)
        self.mask = additive(seen, model.dtype).to(device)
        self.ids = torch.zeros(rows, dtype=torch.long, device=device)
        self.places = torch.zeros(rows, dtype=torch.long, device=device)
        self.columns = torch.arange(shape.slots, device=device)
        own = torch.eye(shape.slots, dtype=torch.bool)
        self._own = (
            additive(own, model.dtype).to(device)[None, None].expand(shape.batch, -1, -1, -1)
        )
        self._body: Callable[[], Tensor] = self._forward
        if compiled:
            self._body = torch.compile(self._forward, dynamic=False)
        self._replay: Callable[[], None] | None = None
        self._logits: Tensor | None = None

    def reset(self, slots: Slots, keys: Sequence[Tensor], values: Sequence[Tensor]) -> None:
        """Begin a batch: the contexts' keys and values [b, heads, T, size], right-aligned."""
        shape, count = self.shape, slots.batch
        begin = shape.context - slots.context
        for mine, theirs in ((self.keys, keys), (self.values, values)):
            for cache, prefilled in zip(mine, theirs, strict=True):
                cache[:count, :, begin : shape.context] = prefilled
        index = torch.arange(shape.context, device=self.model.device)
        seen = index[None, :] >= (begin + slots.padding)[:, None]
        self.mask.fill_(float("-inf"))
        context = additive(seen, self.model.dtype)[:, None, None].expand(-1, -1, shape.slots, -1)
        self.mask[:count, :, :, : shape.context] = context
        # What fills the batch up sees one key, so that its softmax is a number.
        self.mask[count:, :, :, 0] = 0.0
        torch.arange(shape.context, shape.context + shape.slots, out=self.columns)
        lengths = (slots.context - slots.padding).repeat_interleave(shape.slots)
        self.places.zero_()
        self.places[: len(lengths)] = lengths

    def run(self) -> Tensor:
        """One step of every slot; float32 logits [batch * slots, vocabulary], overwritten next."""
        if self.model.device.type != "cuda":
            return self._body()
        if self._replay is None:
            self._capture()
        if self._replay is None or self._logits is None:
            raise RuntimeError("nothing was recorded")
        self._replay()
        return self._logits

    def _forward(self) -> Tensor:
        model, shape = self.model, self.shape
        x = model.tokens[self.ids] + model.places[self.places]
        self.mask.index_copy_(3, self.columns, self._own)
        for number, block in enumerate(model.blocks):
            qkv = model.block_input(x, block)
            parts = qkv.view(shape.batch, shape.slots, 3, model.heads, -1)
            q, k, v = parts.permute(2, 0, 3, 1, 4)
            self.keys[number].index_copy_(2, self.columns, k)
            self.values[number].index_copy_(2, self.columns, v)
            out = F.scaled_dot_product_attention(
                q,
                self.keys[number],
                self.values[number],
                attn_mask=self.mask,
                scale=block.scale,
            )
            x = model.block_output(x, out.transpose(1, 2).reshape(-1, model.width), block)
        self.columns.add_(shape.slots)
        # What fills a batch up stays within the positions, whatever its place.
        self.places.add_(1).clamp_(max=model.positions - 1)
        return model.logits(x)

    def _capture(self) -> None:
        """Record the step; running it to warm up must not count as steps of the batch."""
        kept = [tensor.clone() for tensor in (self.mask, self.places, self.columns)]
        with torch.cuda.device(self.model.device):
            self._record(kept)

    def _record(self, kept: Sequence[Tensor]) -> None:
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_RUNS):
                self.columns.copy_(kept[2])
                self._body()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # The other models allocate and copy in their own threads meanwhile.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._logits = self._body()
        for tensor, before in zip((self.mask, self.places, self.columns), kept, strict=True):
            tensor.copy_(before)
        self._replay = graph.replay


class StaticGpt2:
    """A `TorchGpt2` whose steps have static shapes."""

    def __init__(self, model: TorchGpt2, *, compiled: bool = False) -> None:
        self.model = model
        self.device = model.device
        self.vocabulary, self.positions = model.vocabulary, model.positions
        self._compiled = compiled
        self._steps: OrderedDict[Shape, StaticStep] = OrderedDict()

    def start(
        self, contexts: Sequence[Sequence[int]], counts: Sequence[int], steps: int
    ) -> StaticDecode:
        """Prefill `contexts` (each not empty); room for `steps` tokens of `counts[b]` candidates.

        Raises ValueError if a context is empty or leaves no position for one new token.
        """
        shape = Shape.around(len(contexts), max(counts), max(map(len, contexts), default=1), steps)
        prefill = self.model.start(contexts, counts, 0)
        if shape not in self._steps:
            while len(self._steps) >= KEPT:  # first, so that there is room for the new one
                self._steps.popitem(last=False)
            self._steps[shape] = StaticStep(self.model, shape, compiled=self._compiled)
        self._steps.move_to_end(shape)
        step = self._steps[shape]
        step.reset(prefill.slots, prefill.keys, prefill.values)
        return StaticDecode(step, prefill.slots, prefill.first)


class StaticDecode:
    """One batch being decoded: `first` logits, then `step(...)` and `keep(...)` by turns."""

    def __init__(self, step: StaticStep, slots: Slots, first: Tensor) -> None:
        self.first = first
        self._step = step
        # Slots of the static batch, whose rows are wider than the batch's own.
        item, slot = slots.live // slots.slots, slots.live % slots.slots
        self._live = item * step.shape.slots + slot

    def step(self, ids: Tensor) -> Tensor:
        """Append token `ids[r]` to living candidate r; float32 logits [living, vocabulary]."""
        self._step.ids.index_copy_(0, self._live, ids)
        return self._step.run()[self._live]

    def keep(self, rows: Tensor) -> None:
        """Only the living candidates `rows` (ascending indices) go on."""
        self._live = self._live[rows]
