"""Writing an ONNX graph node by node, and opening it with ONNX Runtime."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor

OPSET = 18
MICROSOFT = "com.microsoft"


class OnnxGraph:
    """A graph while it grows; weights are `kind`, every method returns the name of a value."""

    def __init__(self, kind: np.dtype[Any]) -> None:
        self.kind = kind
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    @property
    def element(self) -> int:
        """ONNX's number for `kind`."""
        return int(helper.np_dtype_to_tensor_dtype(self.kind))

    def input(self, name: str, shape: Sequence[str | int], element: int = TensorProto.INT64) -> str:
        """An input; named dimensions may differ from call to call."""
        self._inputs.append(helper.make_tensor_value_info(name, element, list(shape)))
        return name

    def output(self, value: str, name: str, shape: Sequence[str | int], element: int) -> None:
        """Give a value out under a name."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name=f"out_{name}"))
        self._outputs.append(helper.make_tensor_value_info(name, element, list(shape)))

    def array(self, values: NDArray[Any]) -> str:
        """A constant as it is."""
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def weight(self, tensor: Tensor) -> str:
        """A constant in the graph's own format."""
        return self.array(tensor.detach().float().cpu().numpy().astype(self.kind))

    def node(self, kind: str, inputs: Sequence[str], name: str = "", **attributes: Any) -> str:
        """One node with one output."""
        return self.nodes_out(kind, inputs, 1, name, **attributes)[0]

    def nodes_out(
        self, kind: str, inputs: Sequence[str], count: int, name: str = "", **attributes: Any
    ) -> list[str]:
        """One node with so many outputs."""
        name = name or f"{kind}_{len(self._nodes)}"
        outputs = [f"{name}:{i}" for i in range(count)]
        node = helper.make_node(kind, list(inputs), outputs, name=name, **attributes)
        self._nodes.append(node)
        return outputs

    def cast(self, value: str, kind: np.dtype[Any] | None = None) -> str:
        """A value in another format; the graph's own if none is named."""
        return self.node("Cast", [value], to=helper.np_dtype_to_tensor_dtype(kind or self.kind))

    def model(self, name: str) -> onnx.ModelProto:
        """All of it."""
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="kindred")
        model.ir_version = 9
        return model


def quantised(model: onnx.ModelProto, exact: Callable[[str], bool]) -> bytes:
    """int8 weights with a scale a column, inputs scaled at run time; `exact` names stay as is."""
    kept = [node.name for node in model.graph.node if exact(node.name)]
    with tempfile.TemporaryDirectory(prefix="kindred-onnx-") as folder:
        path = Path(folder) / "int8.onnx"
        quantize_dynamic(
            model,
            str(path),
            op_types_to_quantize=["MatMul"],
            nodes_to_exclude=kept,
            per_channel=True,
            weight_type=QuantType.QInt8,
            # Shapes and types are not inferred through the fused operators.
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
        )
        return path.read_bytes()


def open_session(content: bytes, device: str, threads: int | None) -> Any:
    """An ONNX Runtime session; ValueError where this build has no CUDA and CUDA is asked for."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    # Other models share the cores: a thread that waits must not spin.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    providers = ["CPUExecutionProvider"]
    if device != "cpu":
        if "CUDAExecutionProvider" not in ort.get_available_providers():
            raise ValueError("this build of onnxruntime has no CUDA; onnxruntime-gpu has")
        providers.insert(0, "CUDAExecutionProvider")
    session = ort.InferenceSession(content, options, providers)
    if session.get_providers()[0] != providers[0]:
        raise ValueError("onnxruntime cannot use CUDA here: its libraries do not load")
    return session
