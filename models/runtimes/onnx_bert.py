"""The packed-row BERT of `torch_bert.py` for ONNX Runtime, on the CPU or CUDA.

The graph is written out with ONNX Runtime's own fused operators: the sum, bias and norm after a
linear layer are one (`SkipLayerNormalization`), bias and GELU are one (`BiasGelu`), the rest is
fused when the session is made. In fp16 all but the inputs and the output is half precision. Needs
the packages onnx and onnxruntime (onnxruntime-gpu for CUDA). One caller at a time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

from models.runtimes.rows import Packed
from models.runtimes.rows_networks import feed
from models.runtimes.torch_bert import Bert, Layer

OPSET = 18
MICROSOFT = "com.microsoft"
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
        content = quantised(graph) if dtype == "int8" else graph.SerializeToString()
        self._session = ort.InferenceSession(content, _options(threads), _providers(device))
        self._names = [entry.name for entry in self._session.get_inputs()]

    def rows(self, packed: Packed) -> NDArray[np.float32]:
        """Hidden states (T, width)."""
        inputs = feed(packed)
        found = self._session.run(None, {name: inputs[name] for name in self._names})
        states: NDArray[np.float32] = found[0]
        return states


def export(bert: Bert, *, responses: bool, half: bool = False) -> onnx.ModelProto:
    """`bert` as an ONNX model, checked; without `responses` it is the sentence encoder's."""
    graph = _Graph(np.dtype(np.float16 if half else np.float32))
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
    for number, layer in enumerate(bert.layers):
        assert isinstance(layer, Layer)
        owner = "owner" if responses and number >= bert.join else None
        x = _layer(graph, x, layer, f"layers.{number}", kinds, biases, owner)
    return graph.model(x, bert.config.hidden_size)


def quantised(model: onnx.ModelProto) -> bytes:
    """Linear layers with int8 weights, a scale a column, and inputs scaled at run time.

    The second one of each feed-forward block stays as it is: see `torch_bert`.
    """
    downs = [node.name for node in model.graph.node if node.name.endswith(".down")]
    with tempfile.TemporaryDirectory(prefix="kindred-onnx-") as folder:
        path = Path(folder) / "int8.onnx"
        quantize_dynamic(
            model,
            str(path),
            op_types_to_quantize=["MatMul"],
            nodes_to_exclude=downs,
            per_channel=True,
            weight_type=QuantType.QInt8,
            # Shapes and types are not inferred through the fused operators.
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
        )
        return path.read_bytes()


class _Graph:
    """An ONNX graph while it grows; every method returns the name of a value."""

    def __init__(self, kind: np.dtype[Any]) -> None:
        self.kind = kind
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, shape: Sequence[str | int], kind: int = TensorProto.INT64) -> None:
        self.inputs.append(helper.make_tensor_value_info(name, kind, list(shape)))

    def array(self, values: NDArray[Any]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def weight(self, tensor: Tensor) -> str:
        return self.array(tensor.detach().float().cpu().numpy().astype(self.kind))

    def node(self, kind: str, inputs: Sequence[str], name: str = "", **attributes: Any) -> str:
        return self.nodes_out(kind, inputs, 1, name, **attributes)[0]

    def nodes_out(
        self, kind: str, inputs: Sequence[str], count: int, name: str = "", **attributes: Any
    ) -> list[str]:
        name = name or f"{kind}_{len(self.nodes)}"
        outputs = [f"{name}:{i}" for i in range(count)]
        node = helper.make_node(kind, list(inputs), outputs, name=name, **attributes)
        self.nodes.append(node)
        return outputs

    def cast(self, value: str, kind: np.dtype[Any] | None = None) -> str:
        to = helper.np_dtype_to_tensor_dtype(kind or self.kind)
        return self.node("Cast", [value], to=to)

    def model(self, value: str, width: int) -> onnx.ModelProto:
        self.cast(value, np.dtype(np.float32))
        self.nodes[-1].output[0] = "states"
        out = helper.make_tensor_value_info("states", TensorProto.FLOAT, ["T", width])
        graph = helper.make_graph(self.nodes, "bert", self.inputs, [out], self.constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="kindred")
        model.ir_version = 9
        return model


def _layer(
    graph: _Graph,
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


def _product(graph: _Graph, x: str, linear: nn.Linear, name: str) -> str:
    return graph.node("MatMul", [x, graph.weight(linear.weight.t())], name)


def _skip(graph: _Graph, x: str, skip: str, linear: nn.Linear, norm: nn.LayerNorm) -> str:
    """norm(x + skip + the linear layer's bias)."""
    parts = [graph.weight(t) for t in (norm.weight, norm.bias, linear.bias)]
    return graph.node(
        "SkipLayerNormalization", [x, skip, *parts], domain=MICROSOFT, epsilon=norm.eps
    )


def _attend(
    graph: _Graph,
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


def _split(graph: _Graph, qkv: str, kind: str, heads: int) -> list[str]:
    """q, k, v of shape (n, heads, L, width / heads)."""
    padded = graph.node("Gather", [qkv, f"{kind}_pad"])
    parted = graph.node("Reshape", [padded, graph.array(np.array([0, 0, 3, heads, -1]))])
    turned = graph.node("Transpose", [parted], perm=[2, 0, 3, 1, 4])
    parts = graph.nodes_out("Split", [turned], 3, axis=0, num_outputs=3)
    return [graph.node("Squeeze", [part, graph.array(np.array([0]))]) for part in parts]


def _mix(graph: _Graph, q: str, k: str, v: str, bias: str, layer: Layer) -> str:
    """Softmax attention → (n · L, width)."""
    width = layer.out.in_features
    scale = graph.array(np.array((width // layer.heads) ** -0.5, dtype=graph.kind))
    keys = graph.node("Transpose", [k], perm=[0, 1, 3, 2])
    scores = graph.node("MatMul", [graph.node("Mul", [q, scale]), keys])
    shares = graph.node("Softmax", [graph.node("Add", [scores, bias])], axis=-1)
    turned = graph.node("Transpose", [graph.node("MatMul", [shares, v])], perm=[0, 2, 1, 3])
    return graph.node("Reshape", [turned, graph.array(np.array([-1, width]))])


def _flat(graph: _Graph, mixed: str, kind: str) -> str:
    return graph.node("Gather", [mixed, f"{kind}_flat"])


def _options(threads: int | None) -> Any:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    # Other models share the cores: a thread that waits must not spin.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options


def _providers(device: str) -> list[str]:
    if device == "cpu":
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        raise ValueError("this build of onnxruntime has no CUDA; onnxruntime-gpu has")
    return ["CUDAExecutionProvider", "CPUExecutionProvider"]
