"""Which runtime, device and number format the encoder and the reranker run in, and why.

A default has to be fast and faithful: one that changes more than 1 % of the best candidates against
torch in fp32 is none, however fast it is. docs/models/runtimes.md has the figures.
"""

from __future__ import annotations

import importlib.util
import platform
from dataclasses import dataclass

import torch

from models.runtimes import int8
from models.runtimes.hardware import choose_device, choose_dtype

RUNTIMES = ("openvino", "torch", "onnx")
DTYPES = ("fp32", "bf16", "fp16", "int8")
_PACKAGES = {"openvino": ("openvino",), "torch": ("torch",), "onnx": ("onnx", "onnxruntime")}
_NAMES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
_OPENVINO_MACHINES = ("x86_64", "amd64", "aarch64", "arm64")


@dataclass(frozen=True)
class Choice:
    """A runtime, a device (`cpu`, `cuda`, `cuda:1`) and one of `DTYPES`, with the reason."""

    runtime: str
    device: str
    dtype: str
    why: str

    def __str__(self) -> str:
        return f"{self.runtime} {self.dtype} on {self.device} ({self.why})"

    def set_threads(self, threads: int | None) -> None:
        """Where torch computes, have it use so many threads: they are the whole process's."""
        if threads is not None and self.runtime == "torch":
            torch.set_num_threads(threads)


def choose(
    runtime: str = "auto",
    device: str = "auto",
    dtype: str = "auto",
    *,
    ranks: bool = False,
    alone: bool = False,
) -> Choice:
    """Fill in what is "auto"; what is named is kept.

    ranks: the model's order of candidates decides. bf16, with 8 bits of a number's 24, changes 1.3
    to 1.7 % of the best responses, more than a default may; fp16, with 11, changed none.
    alone: short texts come one at a time, limits of their own decide and not an order, and torch
    may have one thread in this process.

    Raises ValueError for a name that there is not, a package that is not installed, a device that
    is not here, and a pair that does not go together.
    """
    if runtime not in ("auto", *RUNTIMES):
        raise ValueError(f"runtime {runtime!r} is not one of auto, {', '.join(RUNTIMES)}")
    if dtype not in ("auto", *DTYPES):
        raise ValueError(f"dtype {dtype!r} is not one of auto, {', '.join(DTYPES)}")
    where = choose_device(device)
    reasons = []
    if alone and (runtime, dtype, where.type) == ("auto", "auto", "cpu") and int8.able():
        return Choice("torch", str(where), "int8", "the fastest for a text alone on this CPU")
    if runtime == "auto":
        runtime, reason = _runtime(where, dtype)
        reasons.append(reason)
    missing = [name for name in _PACKAGES[runtime] if not _installed(name)]
    if missing:
        raise ValueError(f"runtime {runtime!r} needs the package {missing[0]}: not installed")
    if runtime == "openvino" and where.type != "cpu":
        raise ValueError("runtime 'openvino' runs on the CPU only")
    if dtype == "auto":
        dtype, reason = _dtype(runtime, where, ranks=ranks)
        reasons.append(reason)
    if runtime == "openvino" and not _able(dtype):
        raise ValueError(f"OpenVINO has no {dtype} on this CPU")
    return Choice(runtime, str(where), dtype, "; ".join(reasons) or "as set")


def _runtime(device: torch.device, dtype: str) -> tuple[str, str]:
    if device.type != "cpu":
        return "torch", f"torch is the default on {device.type}"
    if platform.machine().lower() not in _OPENVINO_MACHINES:
        return "torch", f"OpenVINO has no build for {platform.machine()}"
    if not _installed("openvino"):
        return "torch", "openvino is not installed"
    if dtype == "int8" and not _installed("nncf"):
        return "torch", "nncf, which makes int8 graphs for OpenVINO, is not installed"
    if dtype != "auto" and not _able(dtype):
        return "torch", f"OpenVINO has no {dtype} on this CPU"
    return "openvino", "the fastest on a CPU"


def _dtype(runtime: str, device: torch.device, *, ranks: bool) -> tuple[str, str]:
    if runtime == "onnx":
        if device.type == "cuda":
            return "fp16", "half precision is fast there"
        return "fp32", "ONNX Runtime has no fast bf16 on a CPU"
    if runtime == "openvino":
        for name in ("fp16",) if ranks else ("bf16", "fp16"):
            if _able(name):
                return name, f"this CPU multiplies {name}"
        if ranks:
            return "fp32", "bf16 changes too many of the best"
        return "fp32", "this CPU multiplies neither bf16 nor fp16"
    if ranks:
        if device.type == "cuda":
            return "fp16", "fast there, and keeps the order"
        return "fp32", "bf16 changes too many of the best"
    name = _NAMES[choose_dtype("auto", device)]
    return name, f"this {device.type} multiplies it fast"


def _able(dtype: str) -> bool:
    from models.runtimes.openvino_bert import able

    return able(dtype)


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
