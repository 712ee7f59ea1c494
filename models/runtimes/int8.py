"""Linear layers with int8 weights and inputs."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

SMOOTHING = 0.8


class Int8Linear(nn.Module):
    """A linear layer with int8 weights (one scale a row) and inputs scaled at run time.

    Some columns of a BERT's inputs are ten times larger than the rest and would take the few
    steps that int8 has, so their size is moved into the weights first (SmoothQuant, Xiao et al.
    2023); and the largest of all can stay apart, in fp32 (LLM.int8, Dettmers et al. 2022).
    """

    def __init__(self, linear: nn.Linear, largest: Tensor, *, apart: int = 0, bits: int = 7):
        """`largest` (in,) is the largest absolute input of each column in typical use.

        apart: so many columns, the largest, are computed in fp32. bits: of inputs. Without VNNI
        products of 8 bits saturate 16, and inputs are to have 7.
        """
        super().__init__()
        weight = linear.weight.detach().float().clone()
        chosen = largest.topk(apart).indices
        self.register_buffer("chosen", chosen)
        self.register_buffer("exact", weight[:, chosen].t().contiguous())
        weight[:, chosen] = 0.0
        columns = weight.abs().amax(0).clamp_min(1e-5)
        shift = (largest.clamp_min(1e-5) ** SMOOTHING / columns ** (1 - SMOOTHING)).clamp_min(1e-4)
        weight = weight * shift
        shrink = 1.0 / shift
        shrink[chosen] = 0.0
        self.register_buffer("shrink", shrink)
        self._apart, self._reduced = apart > 0, bits < 8
        scale = weight.abs().amax(1).clamp_min(1e-12).double() / 127.0
        zero = torch.zeros(weight.shape[0], dtype=torch.long)
        with warnings.catch_warnings():
            # torch announces that these tensors will go; its version is pinned, and nothing else
            # of it is as fast on AVX2.
            warnings.simplefilter("ignore", UserWarning)
            rows = torch.quantize_per_channel(weight, scale, zero, 0, torch.qint8)
            self._packed = torch.ops.quantized.linear_prepack(rows, linear.bias.detach().float())

    def forward(self, x: Tensor) -> Tensor:
        """(T, in) → (T, out), fp32."""
        shrunk = x * self.get_buffer("shrink")
        y: Tensor = torch.ops.quantized.linear_dynamic(shrunk, self._packed, self._reduced)
        if self._apart:
            y = y.addmm(x.index_select(1, self.get_buffer("chosen")), self.get_buffer("exact"))
        return y


def able() -> bool:
    """Whether this CPU multiplies int8 by instructions of its own, and this torch uses them.

    Of the narrower ones of other CPUs (AVX-VNNI) its kernels know nothing.
    """
    quick = bool(torch.cpu.get_capabilities().get("avx512_vnni"))
    return quick and bool({"fbgemm", "x86"} & set(torch.backends.quantized.supported_engines))
