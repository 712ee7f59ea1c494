"""The packed-row BERT of `torch_bert.py` as an OpenVINO graph, for x86 and Arm CPUs.

The graph is built operation by operation, so that it takes what `Packed` holds (any number of rows,
contexts and responses) and so that attention stays in the form that the CPU plugin fuses. The
plugin prepares primitives for each shape that it meets first and keeps them, a quarter of a
megabyte each: rows, lengths and numbers of sequences are rounded up, and few shapes are left.
Linear layers see rows only, never padding.

A compiled model releases the GIL while it runs. One caller at a time: there is one request.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import openvino as ov
import openvino.opset13 as op
from numpy.typing import NDArray
from torch import Tensor, nn

from models.runtimes import signal_stack
from models.runtimes.rows import Packed
from models.runtimes.rows_networks import feed
from models.runtimes.torch_bert import Bert, Layer

HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
ROWS, LENGTH = 16, 8  # the least that packed rows and padded lengths are rounded up to


class OpenVinoRows:
    """A compiled `RowsModel`."""

    def __init__(
        self, model: ov.Model, bert: Bert, *, dtype: str, threads: int | None = None
    ) -> None:
        """`model` as `build_graph` makes it of `bert`, of which only the sizes are kept.

        dtype: what the linear layers compute in. An int8 graph is int8 where it was quantised,
        and elsewhere bf16 where this CPU has it.
        """
        config = bert.config
        self.width, self.vocabulary = config.hidden_size, config.vocab_size
        self.positions = config.max_position_embeddings
        rest = dtype
        if dtype == "int8":
            rest = "bf16" if able("bf16") else "fp32"
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": HINTS[rest],
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
            **({"INFERENCE_NUM_THREADS": threads} if threads else {}),
        }
        with signal_stack.kept():
            compiled = ov.Core().compile_model(model, "CPU", options)
        self._names = [port.any_name for port in compiled.inputs]
        self._request = compiled.create_infer_request()

    def rows(self, packed: Packed) -> NDArray[np.float32]:
        """Hidden states (T, width); overwritten by the next call."""
        inputs = feed(packed.rounded(ROWS, LENGTH))
        found = self._request.infer(
            {name: inputs[name] for name in self._names}, share_inputs=True, share_outputs=True
        )
        states: NDArray[np.float32] = found[0][: len(packed.ids)]
        return states


def able(dtype: str) -> bool:
    """Whether this CPU computes in `dtype` by instructions of its own."""
    found = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return {"fp32": "FP32", "bf16": "BF16", "fp16": "FP16", "int8": "INT8"}[dtype] in found


def read_graph(path: Path) -> ov.Model:
    """A graph that was saved, an int8 one for example."""
    return ov.Core().read_model(path)


def build_graph(bert: Bert, *, responses: bool) -> ov.Model:
    """`bert` in fp32 as a graph; without `responses` it is the sentence encoder's."""
    ids, positions = _input("ids", [-1]), _input("positions", [-1])
    kinds = ["context", "response"] if responses else ["context"]
    places = [
        (_input(f"{kind}_pad", [-1, -1]), _input(f"{kind}_flat", [-1]),
         _input(f"{kind}_bias", [-1, 1, 1, -1], ov.Type.f32))
        for kind in kinds
    ]  # fmt: skip
    owner = _input("owner", [-1]) if responses else None
    words = op.gather(_constant(bert.word.weight), ids, _int(0))
    spots = op.gather(_constant(bert.position.weight), positions, _int(0))
    x = op.add(op.add(words, spots), _constant(bert.segment.weight[0]))
    x = _norm(x, bert.norm)
    for number, layer in enumerate(cast("Iterable[Layer]", bert.layers)):
        attention = _Attention(layer, bert.config.hidden_size)
        qkv = _linear(x, layer.qkv, f"layers.{number}.qkv")
        mixed = attention.mixed(qkv, places, owner if number >= bert.join else None)
        x = _norm(op.add(x, _linear(mixed, layer.out, f"layers.{number}.out")), layer.norm1)
        up = op.gelu(_linear(x, layer.up, f"layers.{number}.up"), "erf")
        x = _norm(op.add(x, _linear(up, layer.down, f"layers.{number}.down")), layer.norm2)
    inputs = [ids, positions, *(node for kind in places for node in kind)]
    return ov.Model([op.result(x)], [*inputs, *([] if owner is None else [owner])], "bert")


class _Attention:
    """One layer's attention over packed rows."""

    def __init__(self, layer: Layer, width: int) -> None:
        self.heads, self.width = layer.heads, width
        self.gate = op.constant(layer.gate.detach().float().numpy().reshape(1, -1, 1, 1))
        self.scale = op.constant(np.float32((width // layer.heads) ** -0.5))
        # Broadcasting to this shape gives a bias (n, 1, 1, L) one number a head.
        self._wide = op.constant(np.array([1, self.heads, 1, 1]))

    def mixed(self, qkv: Any, places: Sequence[tuple[Any, Any, Any]], owner: Any | None) -> Any:
        """Packed (T, 3·width) → (T, width); with an owner, responses attend to their contexts."""
        pad, flat, bias = places[0]
        q, k, v = self._split(qkv, pad)
        rows = [op.gather(self._mix(q, k, v, bias), flat, _int(0))]
        for pad, flat, own in places[1:]:
            rq, rk, rv = self._split(qkv, pad)
            if owner is not None:
                seen, theirs_k, theirs_v = (
                    op.gather(node, owner, _int(0)) for node in (op.add(bias, self.gate), k, v)
                )
                own = op.concat(
                    [seen, op.broadcast(own, self._wide, broadcast_spec="BIDIRECTIONAL")], 3
                )
                rk, rv = op.concat([theirs_k, rk], 2), op.concat([theirs_v, rv], 2)
            rows.append(op.gather(self._mix(rq, rk, rv, own), flat, _int(0)))
        return op.concat(rows, 0) if len(rows) > 1 else rows[0]

    def _split(self, qkv: Any, pad: Any) -> list[Any]:
        """q, k, v of shape (n, heads, L, width / heads)."""
        padded = op.gather(qkv, pad, _int(0))
        parted = op.reshape(padded, op.constant(np.array([0, 0, 3, self.heads, -1])), True)
        turned = op.transpose(parted, op.constant(np.array([2, 0, 3, 1, 4])))
        return [op.squeeze(part, _int(0)) for part in op.split(turned, _int(0), 3).outputs()]

    def _mix(self, q: Any, k: Any, v: Any, bias: Any) -> Any:
        """Softmax attention → (n · L, width)."""
        scores = op.add(op.matmul(op.multiply(q, self.scale), k, False, True), bias)
        mixed = op.matmul(op.softmax(scores, -1), v, False, False)
        turned = op.transpose(mixed, op.constant(np.array([0, 2, 1, 3])))
        return op.reshape(turned, op.constant(np.array([-1, self.width])), False)


def _input(name: str, shape: Sequence[int], kind: Any = ov.Type.i64) -> Any:
    node = op.parameter(ov.PartialShape(list(shape)), kind, name)
    node.output(0).set_names({name})
    return node


def _int(value: int) -> Any:
    return op.constant(np.int64(value))


def _constant(tensor: Tensor) -> Any:
    return op.constant(tensor.detach().float().cpu().numpy())


def _linear(x: Any, linear: nn.Linear, name: str) -> Any:
    product = op.matmul(x, _constant(linear.weight), False, True)
    product.set_friendly_name(name)
    return op.add(product, _constant(linear.bias))


def _norm(x: Any, norm: nn.LayerNorm) -> Any:
    scaled = op.mvn(x, op.constant(np.array([-1])), True, norm.eps, "inside_sqrt")
    return op.add(op.multiply(scaled, _constant(norm.weight)), _constant(norm.bias))
