"""GPT-2 on OpenVINO: a context is computed once, its candidates share its pages of the cache.

The same contract as `TorchGpt2`: `start` gives the first logits, then `step` and `keep` by turns.
Shapes that come again are cheap and new ones are not, so rows are filled up to a multiple of
eight with sequences of one token that nobody reads.

Not thread-safe: one request object and one cache, used again by every batch. A call leaves the
GIL while it computes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.runtimes import signal_stack
from models.runtimes.gpt2_weights import Gpt2Weights
from models.runtimes.openvino_gpt2_graph import PAGE, gpt2_graph, key_name, value_name
from models.runtimes.pages import Ints, PageTable, pages_needed

PRECISIONS: Mapping[str, str] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}
"""Number format → what is not a product is computed in."""
_PAGES: Mapping[str, str] = {**PRECISIONS, "int8": "f16"}
_GROUP = 256  # inputs that share a scale in int8; larger groups were no faster
_ROWS = 8  # rows of a step, and of a prefill times eight, are filled up to a multiple of this
_PAGES_STEP = 64  # pages by which the cache grows
_SPARE = 0  # the page that filling rows write to


class OpenVinoGpt2:
    """A compiled GPT-2 and its cache.

    Raises ValueError for an architecture or a precision that it does not know.
    """

    device = torch.device("cpu")

    def __init__(self, model: Any, *, dtype: str = "fp32", threads: int | None = None) -> None:
        """`model`: a transformers `GPT2LMHeadModel`, not kept. dtype: one of `PRECISIONS`.

        int8: weights and, as they come, activations; norms and attention in fp32.
        """
        if dtype not in PRECISIONS:
            raise ValueError(f"dtype {dtype!r} is not one of {', '.join(PRECISIONS)}")
        weights = Gpt2Weights.of(model)
        self.positions, self.vocabulary = weights.positions, weights.vocabulary
        self.dtype = dtype
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": PRECISIONS[dtype],
            "KV_CACHE_PRECISION": _PAGES[dtype],
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
        }
        if threads is not None:
            options["INFERENCE_NUM_THREADS"] = threads
        if dtype == "int8":
            options["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = group_size(weights.width)
        graph = gpt2_graph(weights, compressed=dtype == "int8")
        with signal_stack.kept():
            compiled = ov.Core().compile_model(graph, "CPU", options)
        self._request = compiled.create_infer_request()
        self._caches = _cache_inputs(compiled, len(weights.blocks))
        self._pages: dict[str, ov.Tensor] = {}

    def start(self, contexts: Sequence[Sequence[int]], counts: Sequence[int], steps: int) -> Decode:
        """Prefill `contexts` (each not empty); room for `steps` tokens of `counts[b]` candidates.

        Raises ValueError if a context is empty or leaves no position for one new token.
        """
        lengths = [len(ids) for ids in contexts]
        for length in lengths:
            if not 0 < length < self.positions:
                raise ValueError(f"a context of {length} tokens; 1 to {self.positions - 1} can be")
        self._reserve(1 + pages_needed(lengths, counts, steps, PAGE))
        return Decode(self, contexts, counts)

    def copy_pages(self, source: Ints, target: Ints) -> None:
        """Copy pages of every layer's keys and values."""
        if len(source):
            for tensor in self._pages.values():
                data = tensor.data
                data[target] = data[source]

    def forward(self, inputs: Mapping[str, Ints]) -> NDArray[np.float32]:
        """Logits [R, vocabulary]: a view, overwritten by the next call."""
        for name, values in inputs.items():
            self._request.set_tensor(name, ov.Tensor(values))
        self._request.infer()
        logits: NDArray[np.float32] = self._request.get_output_tensor(0).data
        return logits

    def _reserve(self, pages: int) -> None:
        """A cache of at least so many pages, kept for the batches to come."""
        first = next(iter(self._pages.values()), None)
        if first is not None and first.shape[0] >= pages:
            return
        size = -(-pages // _PAGES_STEP) * _PAGES_STEP
        self._pages = {
            name: ov.Tensor(kind, ov.Shape([size, *shape]))
            for name, (kind, shape) in self._caches.items()
        }
        for name, tensor in self._pages.items():
            self._request.set_tensor(name, tensor)


class Decode:
    """One batch being decoded: `first` logits, then `step(...)` and `keep(...)` by turns."""

    first: Tensor
    """float32 [B, vocabulary]: the distribution of each item's first new token."""

    def __init__(
        self, model: OpenVinoGpt2, contexts: Sequence[Sequence[int]], counts: Sequence[int]
    ) -> None:
        self.model = model
        self._table = PageTable([len(ids) for ids in contexts], PAGE, first=_SPARE + 1)
        self.first = self._prefill(contexts)
        model.copy_pages(*self._table.fork(counts))

    def _prefill(self, contexts: Sequence[Sequence[int]]) -> Tensor:
        lengths = self._table.lengths
        ids = np.concatenate([np.asarray(context, np.int32) for context in contexts])
        places = np.concatenate([np.arange(length, dtype=np.int32) for length in lengths])
        logits = self._forward(ids, places, lengths, past=np.zeros_like(lengths), step=8 * _ROWS)
        return torch.from_numpy(logits).clone()

    def step(self, ids: Tensor) -> Tensor:
        """Append token `ids[r]` to living candidate r; float32 logits [living, vocabulary].

        The logits are overwritten by the next step.
        """
        places = self._table.lengths
        self._table.grow()
        new = np.ones_like(places)
        logits = self._forward(ids.to(torch.int32).numpy(), places, new, past=places, step=_ROWS)
        return torch.from_numpy(logits)

    def keep(self, rows: Tensor) -> None:
        """Only the living candidates `rows` (ascending indices) go on."""
        self._table.keep(rows.numpy().astype(np.int32))

    def _forward(
        self, ids: Ints, places: Ints, lengths: Ints, *, past: Ints, step: int
    ) -> NDArray[np.float32]:
        """The last row of each sequence: logits [S, vocabulary]."""
        pages, begins = self._table.flat()
        ends = np.cumsum(lengths, dtype=np.int32)
        filling = -int(ends[-1]) % step
        zeros, ones = np.zeros(filling, np.int32), np.ones(filling, np.int32)
        spare = np.full(filling, _SPARE, np.int32)
        rows = ends - 1
        inputs = {
            "ids": np.concatenate([ids, zeros]),
            "places": np.concatenate([places, zeros]),
            "past_lens": np.concatenate([past, zeros]),
            "subsequence_begins": _begins(np.concatenate([lengths, ones])),
            "block_indices": np.concatenate([pages, spare]),
            "block_indices_begins": np.concatenate([begins, begins[-1] + np.cumsum(ones)]),
            "max_context_len": np.asarray((past + lengths).max(), np.int32),
            "rows": np.concatenate([rows, np.zeros(-len(rows) % _ROWS, np.int32)]),
        }
        logits = self.model.forward({name: _ints(values) for name, values in inputs.items()})
        return logits[: len(rows)]


def group_size(width: int) -> int:
    """The largest multiple of 32 up to `_GROUP` that divides `width`, else `width` itself.

    A group that does not divide the inputs of a product turns its 8-bit kernel off.
    """
    return next((size for size in range(_GROUP, 0, -32) if width % size == 0), width)


def _begins(lengths: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(lengths)])


def _ints(values: NDArray[Any]) -> Ints:
    return np.asarray(values, np.int32, order="C")


def _cache_inputs(compiled: Any, layers: int) -> dict[str, tuple[Any, list[int]]]:
    """The element type and the shape of one page, for each input that holds pages."""
    caches = {}
    for layer in range(layers):
        for name in (key_name(layer), value_name(layer)):
            port = compiled.input(name)
            sizes = [port.partial_shape[axis].get_length() for axis in range(1, 4)]
            caches[name] = (port.element_type, sizes)
    return caches
