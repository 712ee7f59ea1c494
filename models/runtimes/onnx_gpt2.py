"""GPT-2 for ONNX Runtime, on the CPU or CUDA: the talk's own route, with the context shared.

One graph for the prefill and for every step: [B, L] new tokens attend to the keys and values that
came before and to each other, as an additive mask allows (`models.runtimes.slots` has the
layout). It is written out with ONNX Runtime's fused operators: residual sum, bias and norm are one
(`SkipLayerNormalization`), bias and GELU are one, attention with its cache is one
(`MultiHeadAttention`). In fp16 everything but the logits is half precision. The caches stay where
the session keeps them (`OrtValue`), so on CUDA they never visit the host.

Needs the packages onnx and onnxruntime (onnxruntime-gpu for CUDA). Not thread-safe.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from onnx import TensorProto
from torch import Tensor

from models.runtimes.gpt2_weights import Affine, Block, Gpt2Weights
from models.runtimes.onnx_graph import MICROSOFT, OnnxGraph, open_session, quantised
from models.runtimes.slots import Slots, additive, gathered

DTYPES = ("fp32", "fp16", "int8")
_MOST_BYTES = 2**31 - 1


class OnnxGpt2:
    """A session over the weights of a `GPT2LMHeadModel`, which is not kept.

    Raises ValueError for an architecture or a format that it does not know, and for CUDA where
    this build of ONNX Runtime has none.
    """

    device = torch.device("cpu")
    """Where its logits are: samplers run on the host."""

    def __init__(
        self,
        model: Any,
        *,
        device: torch.device,
        dtype: str = "fp32",
        threads: int | None = None,
    ) -> None:
        """dtype: one of `DTYPES`; int8 is for the CPU alone."""
        self._on = device.type
        if dtype not in DTYPES or (dtype == "int8" and self._on != "cpu"):
            raise ValueError(f"onnx has no {dtype} on {self._on}; fp32, fp16, int8 on the CPU")
        weights = Gpt2Weights.of(model)
        self.heads, self.size = weights.heads, weights.width // weights.heads
        self.positions, self.vocabulary = weights.positions, weights.vocabulary
        self.layers = len(weights.blocks)
        self.kind = np.dtype(np.float16 if dtype == "fp16" else np.float32)
        graph = export(weights, self.kind)
        if graph.ByteSize() >= _MOST_BYTES:
            raise ValueError("onnx keeps weights of 2 GiB and more apart, which is not done here")
        content = graph.SerializeToString()
        if dtype == "int8":
            content = quantised(graph, exact=lambda name: name == "logits")
        self._session = open_session(content, self._on, threads)

    def start(self, contexts: Sequence[Sequence[int]], counts: Sequence[int], steps: int) -> Decode:
        """Prefill `contexts` (each not empty); `steps` tokens of `counts[b]` candidates follow.

        Raises ValueError if a context is empty or leaves no position for one new token.
        """
        for ids in contexts:
            if not 0 < len(ids) < self.positions:
                most = self.positions - 1
                raise ValueError(f"a context of {len(ids)} tokens; 1 to {most} can be")
        return Decode(self, contexts, counts, steps)

    def forward(
        self, ids: Tensor, places: Tensor, mask: Tensor, rows: Tensor, caches: Sequence[Any]
    ) -> tuple[Tensor, list[Any]]:
        """Logits [len(rows), vocabulary], and the caches with what `ids` [B, L] added."""
        binding = self._session.io_binding()
        for name, value in (("ids", ids), ("places", places), ("rows", rows)):
            binding.bind_cpu_input(name, np.ascontiguousarray(value.numpy()))
        binding.bind_cpu_input("mask", mask.numpy().astype(self.kind))
        for name, cache in zip(cache_names(self.layers, "past"), caches, strict=True):
            binding.bind_ortvalue_input(name, cache)
        binding.bind_output("logits", "cpu")
        for name in cache_names(self.layers, "present"):
            binding.bind_output(name, self._on)
        self._session.run_with_iobinding(binding)
        logits, *present = binding.get_outputs()
        return torch.from_numpy(logits.numpy()), present

    def cache(self, values: NDArray[Any]) -> Any:
        """Keys or values [B, heads, tokens, size] where the session reads them."""
        return ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(values), self._on, 0)

    def no_past(self, batch: int) -> list[Any]:
        """Caches of no tokens."""
        empty = np.zeros((batch, self.heads, 0, self.size), self.kind)
        return [self.cache(empty) for _ in range(2 * self.layers)]


class Decode:
    """One batch being decoded: `first` logits, then `step(...)` and `keep(...)` by turns."""

    first: Tensor
    """float32 [B, vocabulary]: the distribution of each item's first new token."""

    def __init__(
        self,
        model: OnnxGpt2,
        contexts: Sequence[Sequence[int]],
        counts: Sequence[int],
        steps: int,
    ) -> None:
        self.model = model
        self.slots = slots = Slots(contexts, counts, model.device)
        self._steps = steps
        ids, places = slots.prefill(contexts)
        last = torch.arange(1, slots.batch + 1) * slots.context - 1
        mask = additive(slots.prefill_seen(), torch.float32)[:, None]
        self.first, self._caches = model.forward(
            ids, places, mask, last, model.no_past(slots.batch)
        )
        self._mask = self._own_mask()

    def step(self, ids: Tensor) -> Tensor:
        """Append token `ids[r]` to living candidate r; float32 logits [living, vocabulary]."""
        slots = self.slots
        shape = (slots.batch, slots.slots)
        new, places = torch.zeros((2, slots.batch * slots.slots), dtype=torch.long)
        new[slots.live], places[slots.live] = ids, slots.place
        end = slots.context + slots.slots * (slots.done + 1)
        logits, self._caches = self.model.forward(
            new.view(shape), places.view(shape), self._mask[..., :end], slots.live, self._caches
        )
        slots.stepped()
        return logits

    def keep(self, rows: Tensor) -> None:
        """Only the living candidates `rows` (ascending indices) go on."""
        slots, before = self.slots, self.slots.slots
        slots.keep(rows)
        shrunk = slots.compaction()
        if shrunk is not None:
            for number, cache in enumerate(self._caches):
                whole = torch.from_numpy(cache.numpy())
                kept = gathered(whole, slots.context, before, *shrunk)
                self._caches[number] = self.model.cache(kept.numpy())
            self._mask = self._own_mask()

    def _own_mask(self) -> Tensor:
        return additive(self.slots.own_seen(self._steps), torch.float32)[:, None]


def cache_names(layers: int, when: str) -> list[str]:
    """The inputs ("past") or outputs ("present") that hold keys and values, layer by layer."""
    return [f"{when}_{part}_{layer}" for layer in range(layers) for part in ("key", "value")]


def export(weights: Gpt2Weights, kind: np.dtype[Any]) -> Any:
    """The graph: ids, places [B, L], mask [B or 1, 1, L, P + L], rows [R], caches → logits."""
    graph = OnnxGraph(kind)
    ids, places = graph.input("ids", ["B", "L"]), graph.input("places", ["B", "L"])
    graph.input("mask", ["Bm", 1, "L", "P+L"], graph.element)
    graph.input("rows", ["R"])
    size = weights.width // weights.heads
    for name in cache_names(len(weights.blocks), "past"):
        graph.input(name, ["B", weights.heads, "P", size], graph.element)
    tokens = graph.weight(weights.tokens)
    x = graph.node(
        "Add",
        [
            graph.node("Gather", [tokens, ids]),
            graph.node("Gather", [graph.weight(weights.places), places]),
        ],
    )
    normal = _norm(graph, x, weights.blocks[0].ln_1, weights.eps)
    norms = [*(block.ln_1 for block in weights.blocks[1:]), weights.norm]
    for number, (block, after) in enumerate(zip(weights.blocks, norms, strict=True)):
        mixed = _attention(graph, normal, number, block, weights)
        normal, x = _sum_norm(graph, mixed, x, block.out, block.ln_2, weights.eps)
        down = _product(graph, _activated(graph, normal, block, weights), block.down)
        normal, x = _sum_norm(graph, down, x, block.down, after, weights.eps)
    flat = graph.node("Reshape", [normal, graph.array(np.array([-1, weights.width]))])
    chosen = graph.node("Gather", [flat, "rows"])
    logits = graph.node("MatMul", [chosen, graph.weight(weights.head.T)], "logits")
    logits = graph.cast(logits, np.dtype(np.float32))
    graph.output(logits, "logits", ["R", weights.vocabulary], TensorProto.FLOAT)
    for number in range(len(weights.blocks)):
        for part, value in (("key", 1), ("value", 2)):
            shape: list[str | int] = ["B", weights.heads, "P+L", size]
            made = f"attention_{number}:{value}"
            graph.output(made, f"present_{part}_{number}", shape, graph.element)
    return graph.model("gpt2")


def _attention(graph: OnnxGraph, x: str, number: int, block: Block, weights: Gpt2Weights) -> str:
    """What attention gives, before its output layer's bias."""
    qkv = graph.node("Add", [_product(graph, x, block.qkv), graph.weight(block.qkv[1])])
    q, k, v = graph.nodes_out("Split", [qkv], 3, axis=-1, num_outputs=3)
    past = [f"past_key_{number}", f"past_value_{number}"]
    mixed = graph.nodes_out(
        "MultiHeadAttention",
        [q, k, v, "", "", "mask", *past],
        3,
        f"attention_{number}",
        domain=MICROSOFT,
        num_heads=weights.heads,
        scale=block.scale,
    )[0]
    return _product(graph, mixed, block.out)


def _activated(graph: OnnxGraph, x: str, block: Block, weights: Gpt2Weights) -> str:
    inner, bias = _product(graph, x, block.up), graph.weight(block.up[1])
    if weights.activation == "tanh":
        return graph.node("FastGelu", [inner, bias], domain=MICROSOFT)
    if weights.activation == "none":
        return graph.node("BiasGelu", [inner, bias], domain=MICROSOFT)
    return graph.node("Relu", [graph.node("Add", [inner, bias])])


def _sum_norm(
    graph: OnnxGraph, x: str, skip: str, linear: Affine, norm: Affine, eps: float
) -> tuple[str, str]:
    """(the norm of x + skip + the linear layer's bias, that sum itself)."""
    parts = [graph.weight(tensor) for tensor in (*norm, linear[1])]
    outputs = graph.nodes_out(
        "SkipLayerNormalization", [x, skip, *parts], 4, domain=MICROSOFT, epsilon=eps
    )
    return outputs[0], outputs[3]


def _norm(graph: OnnxGraph, x: str, norm: Affine, eps: float) -> str:
    parts = [graph.weight(tensor) for tensor in norm]
    return graph.node("LayerNormalization", [x, *parts], axis=-1, epsilon=eps)


def _product(graph: OnnxGraph, x: str, linear: Affine) -> str:
    return graph.node("MatMul", [x, graph.weight(linear[0].T)])
