"""Which runtime and format are chosen, and that a choice that cannot be says why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models.runtimes import choice
from models.runtimes.bert_networks import Opening
from models.runtimes.choice import Choice, choose


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The packages that count as installed; a test takes some out."""
    packages = {"torch", "openvino", "onnx", "onnxruntime", "nncf"}
    monkeypatch.setattr(choice, "_installed", lambda name: name in packages)
    return packages


@pytest.fixture
def cpu(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The formats that OpenVINO has instructions for on this machine's CPU."""
    pytest.importorskip("openvino")
    from models.runtimes import openvino_bert

    able = {"fp32", "bf16", "int8"}
    monkeypatch.setattr(openvino_bert, "able", lambda dtype: dtype in able)
    monkeypatch.setattr(choice.platform, "machine", lambda: "x86_64")
    return able


@pytest.mark.parametrize("machine", ["x86_64", "AMD64", "aarch64", "arm64"])
def test_openvino_is_the_default_on_a_cpu(
    installed: set[str], cpu: set[str], monkeypatch: pytest.MonkeyPatch, machine: str
) -> None:
    monkeypatch.setattr(choice.platform, "machine", lambda: machine)
    assert choose(device="cpu").runtime == "openvino"


def test_torch_where_openvino_is_missing_or_has_no_build(
    installed: set[str], cpu: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed.remove("openvino")
    found = choose(device="cpu")
    assert found.runtime == "torch"
    assert "not installed" in found.why
    installed.add("openvino")
    monkeypatch.setattr(choice.platform, "machine", lambda: "riscv64")
    assert choose(device="cpu").runtime == "torch"


def test_the_format_is_what_the_cpu_multiplies(installed: set[str], cpu: set[str]) -> None:
    assert choose("openvino", "cpu").dtype == "bf16"
    assert choose("openvino", "cpu", ranks=True).dtype == "fp32"
    assert choose("torch", "cpu", ranks=True).dtype == "fp32"
    cpu.remove("bf16")
    assert choose("openvino", "cpu").dtype == "fp32"
    cpu.add("fp16")
    assert choose("openvino", "cpu").dtype == "fp16"
    assert choose("onnx", "cpu").dtype == "fp32"


def test_int8_without_nncf_is_torchs(installed: set[str], cpu: set[str]) -> None:
    assert choose(device="cpu", dtype="int8").runtime == "openvino"
    installed.remove("nncf")
    assert choose(device="cpu", dtype="int8").runtime == "torch"


def test_a_format_that_openvino_lacks_here_is_torchs(installed: set[str], cpu: set[str]) -> None:
    found = choose(device="cpu", dtype="fp16")
    assert (found.runtime, found.dtype) == ("torch", "fp16")
    assert "no fp16" in found.why


def test_cuda_is_torchs_half_precision(
    installed: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "choose_device", lambda _: torch.device("cuda:1"))
    monkeypatch.setattr(choice, "choose_dtype", lambda *_: torch.bfloat16)
    found = choose()
    assert (found.runtime, found.device, found.dtype) == ("torch", "cuda:1", "bf16")
    assert choose("onnx").dtype == "fp16"
    with pytest.raises(ValueError, match="CPU only"):
        choose("openvino")


def test_what_is_named_is_kept(installed: set[str], cpu: set[str]) -> None:
    found = choose("onnx", "cpu", "int8")
    assert found == Choice("onnx", "cpu", "int8", "as set")
    assert str(found) == "onnx int8 on cpu (as set)"


@pytest.mark.parametrize(
    ("runtime", "dtype", "message"),
    [
        ("tensorrt", "auto", "runtime 'tensorrt' is not one of"),
        ("auto", "float8", "dtype 'float8' is not one of"),
        ("onnx", "auto", "needs the package onnxruntime"),
        ("openvino", "fp16", "OpenVINO has no fp16"),
    ],
)
def test_what_cannot_be_is_refused(
    installed: set[str], cpu: set[str], runtime: str, dtype: str, message: str
) -> None:
    installed.remove("onnxruntime")
    with pytest.raises(ValueError, match=message):
        choose(runtime, "cpu", dtype)


def test_only_torch_is_compiled() -> None:
    with pytest.raises(ValueError, match=r"not compiled by torch\.compile"):
        Opening(Choice("openvino", "cpu", "fp32", ""), compiled=True)


ALONE = """
import sys

class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {forbidden}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Nowhere())
from models.runtimes import choice
installed = choice._installed
choice._installed = lambda name: name not in {forbidden} and installed(name)
from models.encoder import Encoder
from models.reranker import Reranker
encoder = Encoder.load(device="cpu", dtype="fp32", threads=1)
reranker = Reranker.load("artifacts/reranker", device="cpu", dtype="fp32", threads=1)
assert encoder.encode(["hello"]).shape == (1, encoder.dimension)
assert len(reranker.run(reranker.prepare(["hello"], ["hi", "no"]))) == 2
print(encoder.runtime)
"""


def test_torch_needs_no_server_and_no_other_runtime() -> None:
    """A GPU machine may have torch and transformers alone."""
    forbidden = {"flask", "gevent", "redis", "faiss", "openvino", "onnx", "onnxruntime", "nncf"}
    ran = subprocess.run(
        [sys.executable, "-c", ALONE.replace("{forbidden}", repr(forbidden))],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("torch fp32 on cpu (openvino is not installed")
