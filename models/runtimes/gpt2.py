"""What a local GPT-2 runtime has to be able to do, and which one a name stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from models.runtimes.hardware import choose_device, choose_dtype

LONG_NAMES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


class Decoding(Protocol):
    """One batch being decoded: `first` logits, then `step` and `keep` by turns."""

    @property
    def first(self) -> Tensor:
        """float32 [B, vocabulary]: the distribution of each context's first new token."""

    def step(self, ids: Tensor) -> Tensor:
        """Append token `ids[r]` to living candidate r; float32 logits [living, vocabulary].

        The logits may be overwritten by the next step.
        """

    def keep(self, rows: Tensor) -> None:
        """Only the living candidates `rows` (ascending indices) go on."""


class Gpt2Runtime(Protocol):
    """A GPT-2 that computes each context once for all of its candidates.

    Used by one thread at a time; one batch is decoded after the other.
    """

    @property
    def device(self) -> torch.device:
        """Where logits are, and where `step` and `keep` want their tensors."""

    @property
    def vocabulary(self) -> int:
        """Ids that the output layer knows."""

    @property
    def positions(self) -> int:
        """Tokens that a sequence may have."""

    def start(
        self, contexts: Sequence[Sequence[int]], counts: Sequence[int], steps: int
    ) -> Decoding:
        """Compute `contexts`; room for `steps` tokens of each of `counts[b]` candidates.

        Raises ValueError if a context is empty or leaves no position for one new token.
        """


def make_runtime(
    model: Any, name: str, *, device: str = "auto", dtype: str = "auto", threads: int | None = None
) -> Gpt2Runtime:
    """A runtime with the weights of a transformers `GPT2LMHeadModel`.

    name: torch, openvino or onnx. dtype: auto, fp32, bf16, fp16. On CUDA torch's steps have
    static shapes and are captured once each.
    Raises ValueError for what a runtime cannot do, ImportError where its library is missing.
    """
    # Each runtime's library is imported only where it is used: not every machine has them all.
    where = choose_device(device)
    if name == "torch":
        from models.runtimes.torch_gpt2 import TorchGpt2

        kind = choose_dtype(LONG_NAMES.get(dtype, dtype), where)
        plain = TorchGpt2(model, device=where, dtype=kind)
        if where.type != "cuda":
            return plain
        from models.runtimes.torch_static import StaticGpt2

        return StaticGpt2(plain)
    if name == "openvino":
        from models.runtimes.openvino_gpt2 import OpenVinoGpt2

        if where.type != "cpu":
            raise ValueError("the openvino runtime of the generator runs on the CPU")
        fast = choose_dtype("auto", where) is torch.bfloat16
        chosen = ("bf16" if fast else "fp32") if dtype == "auto" else dtype
        return OpenVinoGpt2(model, dtype=chosen, threads=threads)
    if name == "onnx":
        from models.runtimes.onnx_gpt2 import OnnxGpt2

        return OnnxGpt2(model, device=where, dtype=dtype, threads=threads)
    raise ValueError(f"runtime {name!r} is none of torch, openvino, onnx")
