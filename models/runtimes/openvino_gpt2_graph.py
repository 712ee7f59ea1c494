"""A GPT-2 as an OpenVINO graph over packed tokens and a paged cache of keys and values.

Built operation by operation around OpenVINO's paged attention (the kernel of vLLM, Kwon et al.
2023), so any checkpoint can be served without an exporter. The tokens of all sequences are one
row after the other; where each sequence begins, how much of it the cache holds and which pages
it has are inputs, so a prefill and a step of decoding are the same graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import torch
from openvino import Output, PartialShape, Type
from openvino.op import _PagedAttentionExtension as PagedAttention
from torch import Tensor

from models.runtimes.gpt2_weights import Affine, Block, Gpt2Weights

PAGE = 32
"""Tokens of one page: what the CPU kernel has."""

INPUTS = (
    "ids",  # [T] of all sequences, one after the other
    "places",  # [T] the position of each
    "past_lens",  # [S] tokens of each sequence that the cache holds already
    "subsequence_begins",  # [S + 1] where each sequence's rows begin among the T
    "block_indices",  # [P] the pages of all sequences, one sequence after the other
    "block_indices_begins",  # [S + 1] where each sequence's pages begin among the P
    "max_context_len",  # [] tokens of the longest sequence
    "rows",  # [R] which of the T rows are asked for their logits
)
_SCALARS = frozenset({"max_context_len"})


def key_name(layer: int) -> str:
    """The input that holds a layer's pages of keys."""
    return f"key_cache.{layer}"


def value_name(layer: int) -> str:
    """The input that holds a layer's pages of values."""
    return f"value_cache.{layer}"


def gpt2_graph(weights: Gpt2Weights, *, compressed: bool = False) -> ov.Model:
    """`INPUTS` (int32) and the pages of each layer → float32 logits [R, vocabulary].

    compressed: the matrices of the products in 8 bits, with a scale for each output.
    """
    return _Builder(weights, compressed=compressed).model()


class _Builder:
    def __init__(self, weights: Gpt2Weights, *, compressed: bool) -> None:
        self.weights, self.compressed = weights, compressed
        self.parameters: list[Any] = []
        self.inputs = {
            name: self._input(name, [] if name in _SCALARS else [-1], Type.i32) for name in INPUTS
        }

    def model(self) -> ov.Model:
        weights = self.weights
        tokens = constant(weights.tokens)
        x = ops.add(
            ops.gather(tokens, self.inputs["ids"], _int(0)),
            ops.gather(constant(weights.places), self.inputs["places"], _int(0)),
        )
        for number, block in enumerate(weights.blocks):
            x = self._layer(x, number, block)
        x = self._norm(ops.gather(x, self.inputs["rows"], _int(0)), weights.norm)
        tied = weights.head.data_ptr() == weights.tokens.data_ptr() and not self.compressed
        logits = ops.matmul(x, tokens if tied else self._matrix(weights.head), False, True)
        return ov.Model([ops.result(logits)], self.parameters, "gpt2")

    def _layer(self, x: Any, number: int, block: Block) -> Any:
        attended = self._attention(
            self._linear(self._norm(x, block.ln_1), block.qkv), number, block
        )
        x = ops.add(x, self._linear(attended, block.out))
        hidden = self._activated(self._linear(self._norm(x, block.ln_2), block.up))
        return ops.add(x, self._linear(hidden, block.down))

    def _attention(self, qkv: Any, number: int, block: Block) -> Output:
        weights = self.weights
        heads, size = weights.heads, weights.width // weights.heads
        thirds = np.full(3, weights.width, np.int64)
        q, k, v = ops.variadic_split(qkv, _long(-1), ops.constant(thirds)).outputs()
        shape = [-1, heads, -1, size]
        keys = self._input(key_name(number), shape, Type.dynamic)
        values = self._input(value_name(number), shape, Type.dynamic)
        known = [self.inputs[name] for name in INPUTS[2:6]]
        longest = self.inputs["max_context_len"]
        settings = [_float(block.scale), _int(0), _float([]), longest]
        given = [q, k, v, keys, values, *known, *settings, *_unused_features()]
        node = PagedAttention(_outputs(given))
        # The kernel wants to know the shape of the pages before it sees one.
        shown = node.get_rt_info()
        shown["num_k_heads"] = shown["num_v_heads"] = heads
        shown["k_head_size"] = shown["v_head_size"] = size
        return node.output(0)

    def _activated(self, x: Any) -> Any:
        if self.weights.activation == "relu":
            return ops.relu(x)
        return ops.gelu(x, "tanh" if self.weights.activation == "tanh" else "erf")

    def _norm(self, x: Any, affine: Affine) -> Any:
        axes = ops.constant(np.array([-1], np.int64))
        normal = ops.mvn(x, axes, True, self.weights.eps, "INSIDE_SQRT")
        return ops.add(ops.multiply(normal, constant(affine[0])), constant(affine[1]))

    def _linear(self, x: Any, affine: Affine) -> Any:
        return ops.add(ops.matmul(x, self._matrix(affine[0]), False, True), constant(affine[1]))

    def _matrix(self, tensor: Tensor) -> Any:
        return eight_bits(tensor) if self.compressed else constant(tensor)

    def _input(self, name: str, shape: Sequence[int], kind: Type) -> Any:
        parameter = ops.parameter(PartialShape(list(shape)), kind, name=name)
        parameter.output(0).set_names({name})
        self.parameters.append(parameter)
        return parameter


def constant(tensor: Tensor) -> Any:
    """A float32 constant of the graph."""
    return ops.constant(np.ascontiguousarray(tensor.detach().float().numpy()))


def eight_bits(tensor: Tensor) -> Any:
    """A matrix [outputs, inputs] as signed 8-bit steps of a scale for each output."""
    rows = tensor.detach().float()
    scale = (rows.abs().amax(1, keepdim=True) / 127.0).clamp_min(1e-12)
    steps = (rows / scale).round().to(torch.int8)
    whole = ops.convert(ops.constant(np.ascontiguousarray(steps.numpy())), "f32")
    return ops.multiply(whole, constant(scale))


def _unused_features() -> list[Any]:
    """The kernel's inputs from the 13th on: score windows, cache rotation, sparsity, sinks."""
    none, no_float = _int([]), _float([])
    rotation = [none, none, no_float]
    sparsity = [no_float, _int(0), _int(0)]
    eviction = [_int(0), none, none, none]
    tree = [none, ops.constant(np.array([], np.uint8)), none]
    return [none, *rotation, *sparsity, no_float, *eviction, *tree]


def _outputs(nodes: Sequence[Any]) -> list[Output]:
    return [node if isinstance(node, Output) else node.output(0) for node in nodes]


def _int(value: Any) -> Any:
    return ops.constant(np.array(value, np.int32))


def _long(value: int) -> Any:
    return ops.constant(np.array(value, np.int64))


def _float(value: Any) -> Any:
    return ops.constant(np.array(value, np.float32))
