"""What the machine could do at most, and what a model asks of it.

The limit is measured, not looked up: the best of several large matrix products in each number
format, through the same libraries that the sides use. Operations of a model are counted from its
shape (two for a multiplication and its addition; norms, softmax and embeddings are left out, as
they are below one percent).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

TORCH_FORMATS = ("fp32", "bf16")
OPENVINO_FORMATS = ("fp32", "bf16", "int8")


def best_seconds(work: Callable[[], Any], repeats: int, *, warm: int = 2) -> float:
    """The fastest of `repeats` runs after `warm` that do not count."""
    times = []
    for number in range(repeats + warm):
        began = time.perf_counter()
        work()
        if number >= warm:
            times.append(time.perf_counter() - began)
    return min(times)


def measure(
    size: int = 4096, repeats: int = 5, *, threads: int = 0, device: str = "cpu"
) -> dict[str, float]:
    """GFLOP/s of `size`³ products by library and format, and GB/s of memory copied.

    `threads` are OpenVINO's (0: all); torch's are the caller's. OpenVINO's products are left out
    where it is not installed, and on a GPU.
    """
    formats = TORCH_FORMATS if device == "cpu" else (*TORCH_FORMATS, "fp16")
    found = {f"torch {name}": torch_peak(name, size, repeats, device) for name in formats}
    if device == "cpu":
        for name in OPENVINO_FORMATS:
            peak = openvino_peak(name, size, repeats, threads)
            if peak is not None:
                found[f"openvino {name}"] = peak
        found["copy GB/s"] = copy_bandwidth(repeats)
    return found


def torch_peak(format_: str, size: int, repeats: int, device: str = "cpu") -> float:
    """GFLOP/s of a torch product."""
    import torch

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[format_]
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))

    def work() -> None:
        torch.matmul(a, b)
        if device != "cpu":
            torch.cuda.synchronize()

    return 2e-9 * size**3 / best_seconds(work, repeats)


def openvino_peak(format_: str, size: int, repeats: int, threads: int = 0) -> float | None:
    """GFLOP/s of an OpenVINO product with constant weights; None where there is no OpenVINO."""
    try:
        import openvino as ov
    except ImportError:
        return None
    hint = "bf16" if format_ == "bf16" else "f32"
    options = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    model = ov.Core().compile_model(_product(format_, size), "CPU", options)
    request = model.create_infer_request()
    request.set_input_tensor(ov.Tensor(np.random.default_rng(0).random((size, size), np.float32)))
    return 2e-9 * size**3 / best_seconds(request.infer, repeats)


def _product(format_: str, size: int) -> Any:
    """x · Wᵀ as an OpenVINO model; for int8 with inputs in 256 steps, as NNCF writes them."""
    import openvino as ov
    from openvino import opset13 as ops

    x = ops.parameter([size, size], np.float32)
    draw = np.random.default_rng(1)
    if format_ != "int8":
        weight = ops.constant(draw.standard_normal((size, size), dtype=np.float32))
        return ov.Model([ops.matmul(x, weight, False, True)], [x], "product")
    low, high = ops.constant(np.float32(0.0)), ops.constant(np.float32(1.0))
    steps = ops.fake_quantize(x, low, high, low, high, 256)
    whole = ops.constant(draw.integers(-127, 128, (size, size)).astype(np.int8))
    scale = ops.constant(np.full((size, 1), 0.01, dtype=np.float32))
    weight = ops.multiply(ops.convert(whole, np.float32), scale)
    return ov.Model([ops.matmul(steps, weight, False, True)], [x], "product")


def copy_bandwidth(repeats: int, megabytes: int = 256) -> float:
    """GB/s of a copy, bytes read and written counted once each."""
    source = np.ones(megabytes * 2**20, dtype=np.uint8)
    target = np.empty_like(source)
    return 2e-9 * source.size / best_seconds(lambda: np.copyto(target, source), repeats)


def bert_flop(config: Mapping[str, Any], tokens: int) -> float:
    """Operations of one sequence through a BERT or DistilBERT (`config`: its config.json)."""
    width = config.get("hidden_size") or config["dim"]
    inner = config.get("intermediate_size") or config["hidden_dim"]
    layers = config.get("num_hidden_layers") or config["n_layers"]
    linear = 2 * (4 * width * width + 2 * width * inner)
    return float(layers * tokens * (linear + 4 * tokens * width))


def gpt2_flop(config: Mapping[str, Any], context: int, n: int, steps: int) -> float:
    """Operations of `n` candidates of `steps` tokens after one context that they share.

    The first token of each comes from the context's last position, the rest from a step each.
    """
    width, layers = config["n_embd"], config["n_layer"]
    linear = 2 * layers * (4 * width * width + 2 * width * (config.get("n_inner") or 4 * width))
    head = 2 * width * config["vocab_size"]
    own = n * (steps - 1)
    seen = 2 * context * context + 4 * own * (context + steps / 2)  # causal: half of the square
    return float((context + own) * linear + (1 + own) * head + layers * width * seen)


def higher(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """The higher of two measurements, each: a limit is what was reached once."""
    return {name: max(value, after[name]) for name, value in before.items()}


def best_peak(limits: Mapping[str, float]) -> tuple[str, float]:
    """The fastest measured format and its GFLOP/s."""
    name = max((key for key in limits if "GB/s" not in key), key=lambda key: limits[key])
    return name, limits[name]


def describe(limits: Mapping[str, float]) -> str:
    """The limits in a line."""
    products = ", ".join(
        f"{name} {value:,.0f}" for name, value in limits.items() if "GB/s" not in name
    )
    copied = limits.get("copy GB/s")
    return f"Measured limits, GFLOP/s of a large matrix product: {products}" + (
        f"; memory copied at {copied:.0f} GB/s." if copied else "."
    )
