"""The packed-row BERT of `torch_bert.py` for ONNX Runtime, on the CPU or CUDA.

The graph is written out with ONNX Runtime's own fused operators: the sum, bias and norm after a
linear layer are one (`SkipLayerNormalization`), bias and GELU are one (`BiasGelu`), the rest is
fused when the session is made. In fp16 all but the inputs and the output is half precision. Needs
the packages onnx and onnxruntime (onnxruntime-gpu for CUDA). One caller at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto
from torch import nn

from models.runtimes.onnx_graph import MICROSOFT, OnnxGraph, open_session, quantised
from models.runtimes.rows import Packed
from models.runtimes.rows_networks import feed
from models.runtimes.torch_bert import Bert, Layer

DTYPES = ("fp32", "fp16", "int8")


class OnnxRows:
    """An ONNX Runtime session as a `RowsModel`."""

    def __init__(
        self,
        bert: Bert,
        *,
        responses: bool,
        dtype: str = "fp32",
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        """Export `bert` and open it. dtype: one of `DTYPES`, int8 on the CPU alone.

        Raises ValueError for another dtype, and where this build of ONNX Runtime has no CUDA.
        """
        if dtype not in DTYPES or (dtype == "int8" and device != "cpu"):
            raise ValueError(f"onnx has no {dtype} on {device}; fp32, fp16, and int8 on the CPU")
        config = bert.config
        self.width, self.vocabulary = config.hidden_size, config.vocab_size
        self.positions = config.max_position_embeddings
        graph = export(bert, responses=responses, half=dtype == "fp16")
        # The second linear layer of each feed-forward block stays as it is: see `torch_bert`.
        content = (
            quantised(graph, lambda name: name.endswith(".down"))
            if dtype == "int8"
            else graph.SerializeToString()
        )
        self._session = open_session(content, device, threads)
        self._names = [entry.name for entry in self._session.get_inputs()]

    def rows(self, packed: Packed) -> NDArray[np.float32]:
        """Hidden states (T, width)."""
        inputs = feed(packed)
        found = self._session.run(None, {name: inputs[name] for name in self._names})
        states: NDArray[np.float32] = found[0]
        return states


def export(bert: Bert, *, responses: bool, half: bool = False) -> onnx.ModelProto:
    """`bert` as an ONNX model; without `responses` it is the sentence encoder's."""
    graph = OnnxGraph(np.dtype(np.float16 if half else np.float32))
    kinds = ["context", "response"] if responses else ["context"]
    graph.input("ids", ["T"])
    graph.input("positions", ["T"])
    for kind in kinds:
        graph.input(f"{kind}_pad", [kind, f"{kind}_length"])
        graph.input(f"{kind}_flat", [f"{kind}_rows"])
        graph.input(f"{kind}_bias", [kind, 1, 1, f"{kind}_length"], TensorProto.FLOAT)
    if responses:
        graph.input("owner", ["response"])
    biases = [graph.cast(f"{kind}_bias") for kind in kinds]
    words = graph.node("Gather", [graph.weight(bert.word.weight), "ids"])
    spots = graph.node("Gather", [graph.weight(bert.position.weight), "positions"])
    summed = graph.node(
        "Add", [graph.node("Add", [words, spots]), graph.weight(bert.segment.weight[0])]
    )
    norm = [graph.weight(bert.norm.weight), graph.weight(bert.norm.bias)]
    x = graph.node("LayerNormalization", [summed, *norm], axis=-1, epsilon=bert.norm.eps)
    for number, layer in enumerate(cast("Iterable[Layer]", bert.layers)):
        owner = "owner" if responses and number >= bert.join else None
        x = _layer(graph, x, layer, f"layers.{number}", kinds, biases, owner)
    states = graph.cast(x, np.dtype(np.float32))
    graph.output(states, "states", ["T", bert.config.hidden_size], TensorProto.FLOAT)
    return graph.model("bert")


def _layer(
    graph: OnnxGraph,
    x: str,
    layer: Layer,
    name: str,
    kinds: Sequence[str],
    biases: Sequence[str],
    owner: str | None,
) -> str:
    qkv = graph.node(
        "Add", [_product(graph, x, layer.qkv, f"{name}.qkv"), graph.weight(layer.qkv.bias)]
    )
    mixed = _attend(graph, qkv, layer, kinds, biases, owner)
    x = _skip(graph, _product(graph, mixed, layer.out, f"{name}.out"), x, layer.out, layer.norm1)
    up = _product(graph, x, layer.up, f"{name}.up")
    up = graph.node("BiasGelu", [up, graph.weight(layer.up.bias)], domain=MICROSOFT)
    down = _product(graph, up, layer.down, f"{name}.down")
    return _skip(graph, down, x, layer.down, layer.norm2)


def _product(graph: OnnxGraph, x: str, linear: nn.Linear, name: str) -> str:
    return graph.node("MatMul", [x, graph.weight(linear.weight.t())], name)


def _skip(graph: OnnxGraph, x: str, skip: str, linear: nn.Linear, norm: nn.LayerNorm) -> str:
    """norm(x + skip + the linear layer's bias)."""
    parts = [graph.weight(t) for t in (norm.weight, norm.bias, linear.bias)]
    return graph.node(
        "SkipLayerNormalization", [x, skip, *parts], domain=MICROSOFT, epsilon=norm.eps
    )


def _attend(
    graph: OnnxGraph,
    qkv: str,
    layer: Layer,
    kinds: Sequence[str],
    biases: Sequence[str],
    owner: str | None,
) -> str:
    """Packed (T, 3·width) → (T, width); with an owner, responses attend to their contexts."""
    q, k, v = _split(graph, qkv, kinds[0], layer.heads)
    rows = [_flat(graph, _mix(graph, q, k, v, biases[0], layer), kinds[0])]
    for kind, own in zip(kinds[1:], biases[1:], strict=True):
        rq, rk, rv = _split(graph, qkv, kind, layer.heads)
        if owner is not None:
            gate = graph.weight(layer.gate.reshape(1, -1, 1, 1))
            seen = graph.node("Gather", [graph.node("Add", [biases[0], gate]), owner])
            wide = graph.array(np.array([1, layer.heads, 1, 1]))
            own = graph.node("Concat", [seen, graph.node("Expand", [own, wide])], axis=3)
            rk = graph.node("Concat", [graph.node("Gather", [k, owner]), rk], axis=2)
            rv = graph.node("Concat", [graph.node("Gather", [v, owner]), rv], axis=2)
        rows.append(_flat(graph, _mix(graph, rq, rk, rv, own, layer), kind))
    return graph.node("Concat", rows, axis=0) if len(rows) > 1 else rows[0]


def _split(graph: OnnxGraph, qkv: str, kind: str, heads: int) -> list[str]:
    """q, k, v of shape (n, heads, L, width / heads)."""
    padded = graph.node("Gather", [qkv, f"{kind}_pad"])
    parted = graph.node("Reshape", [padded, graph.array(np.array([0, 0, 3, heads, -1]))])
    turned = graph.node("Transpose", [parted], perm=[2, 0, 3, 1, 4])
    parts = graph.nodes_out("Split", [turned], 3, axis=0, num_outputs=3)
    return [graph.node("Squeeze", [part, graph.array(np.array([0]))]) for part in parts]


def _mix(graph: OnnxGraph, q: str, k: str, v: str, bias: str, layer: Layer) -> str:
    """Softmax attention → (n · L, width)."""
    width = layer.out.in_features
    scale = graph.array(np.array((width // layer.heads) ** -0.5, dtype=graph.kind))
    keys = graph.node("Transpose", [k], perm=[0, 1, 3, 2])
    scores = graph.node("MatMul", [graph.node("Mul", [q, scale]), keys])
    shares = graph.node("Softmax", [graph.node("Add", [scores, bias])], axis=-1)
    turned = graph.node("Transpose", [graph.node("MatMul", [shares, v])], perm=[0, 2, 1, 3])
    return graph.node("Reshape", [turned, graph.array(np.array([-1, width]))])


def _flat(graph: OnnxGraph, mixed: str, kind: str) -> str:
    return graph.node("Gather", [mixed, f"{kind}_flat"])
