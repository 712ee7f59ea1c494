"""Int8 graphs are made once, kept under what made them, and named when NNCF is missing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("openvino")

from models.runtimes import openvino_int8
from models.runtimes.openvino_bert import OpenVinoRows, build_graph
from models.runtimes.rows import Packed
from models.runtimes.torch_bert import Bert, BertConfig

needs_nncf = pytest.mark.skipif(
    importlib.util.find_spec("nncf") is None, reason="nncf is not installed"
)
SAMPLE = [Packed.of([[1, 5, 7, 2]]), Packed.of([[1, 9, 2]]), Packed.of([[1, 3, 4, 5, 6, 2]])]


@pytest.fixture(scope="module")
def bert() -> Bert:
    torch.manual_seed(0)
    return Bert(BertConfig(50, 32, 2, 2, 64, 16)).eval()


def test_without_nncf_the_package_is_named(bert: Bert, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_int8.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match="optional package nncf"):
        openvino_int8.int8_graph(build_graph(bert, responses=False), SAMPLE, None)


@needs_nncf
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_graph_is_made_once(bert: Bert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = build_graph(bert, responses=False)
    first = openvino_int8.int8_graph(graph, SAMPLE, tmp_path)
    kinds = [node.get_type_name() for node in first.get_ops()]
    assert "FakeQuantize" in kinds, "inputs of linear layers are quantised"
    assert len(list(tmp_path.iterdir())) == 2, "an .xml and its .bin, and nothing half made"

    def again(*_: object) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr(openvino_int8, "quantise", again)
    kept = openvino_int8.int8_graph(build_graph(bert, responses=False), SAMPLE, tmp_path)
    packed = Packed.of([[1, 5, 7, 2], [1, 9, 2]])
    ours, theirs = (OpenVinoRows(g, bert, dtype="int8", threads=1) for g in (first, kept))
    assert np.allclose(ours.rows(packed), theirs.rows(packed), atol=1e-6)
    with pytest.raises(AssertionError, match="made again"):
        openvino_int8.int8_graph(graph, SAMPLE[:2], tmp_path)
    with torch.no_grad():
        other = Bert(bert.config).eval()
    with pytest.raises(AssertionError, match="made again"):
        openvino_int8.int8_graph(build_graph(other, responses=False), SAMPLE, tmp_path)
