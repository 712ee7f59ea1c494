"""What a local GPT-2 runtime has to be able to do, and which one a name stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from models.runtimes.choice import Choice

_FORMATS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


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


def make_runtime(model: Any, choice: Choice, *, threads: int | None = None) -> Gpt2Runtime:
    """A runtime with the weights of a transformers `GPT2LMHeadModel`, which is not kept.

    On CUDA torch's steps have static shapes and are captured once each. Raises ValueError for a
    number format that the runtime does not have, and for an architecture that is not known.
    """
    # Each runtime's library is imported only where it is used: not every machine has them all.
    device = torch.device(choice.device)
    if choice.runtime == "openvino":
        from models.runtimes.openvino_gpt2 import OpenVinoGpt2

        return OpenVinoGpt2(model, dtype=choice.dtype, threads=threads)
    if choice.runtime == "onnx":
        from models.runtimes.onnx_gpt2 import OnnxGpt2

        return OnnxGpt2(model, device=device, dtype=choice.dtype, threads=threads)
    from models.runtimes.torch_gpt2 import TorchGpt2

    if choice.dtype not in _FORMATS:
        raise ValueError(f"torch's generator has no {choice.dtype}; fp32, bf16, fp16")
    plain = TorchGpt2(model, device=device, dtype=_FORMATS[choice.dtype])
    if device.type != "cuda":
        return plain
    from models.runtimes.torch_static import StaticGpt2

    return StaticGpt2(plain)
