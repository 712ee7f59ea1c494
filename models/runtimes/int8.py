"""Linear layers with int8 weights and inputs, for CPUs without bf16."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

SMOOTHING = 0.8


class Int8Linear(nn.Module):
    """A linear layer with int8 weights (one scale a row) and inputs scaled at run time.

    Some columns of a BERT's inputs are ten times larger than the rest and would take the few
    steps that int8 has, so their size is moved into the weights first (SmoothQuant, Xiao et al.
    2023). Inputs use 7 bits (`reduce_range`): without VNNI, 8-bit products saturate 16 bits.
    """

    def __init__(self, linear: nn.Linear, largest: Tensor) -> None:
        """`largest` (in,) is the largest absolute input of each column in typical use."""
        super().__init__()
        weight = linear.weight.detach().float()
        columns = weight.abs().amax(0).clamp_min(1e-5)
        shift = (largest.clamp_min(1e-5) ** SMOOTHING / columns ** (1 - SMOOTHING)).clamp_min(1e-4)
        weight = weight * shift
        self.register_buffer("shrink", 1.0 / shift)
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
        y: Tensor = torch.ops.quantized.linear_dynamic(shrunk, self._packed, True)
        return y
