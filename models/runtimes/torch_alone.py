"""A sentence encoder for one text at a time, in int8: what a short message alone is quickest in.

The weights of a few layers are most of what a short text moves through the processor; in int8 they
are a quarter. No packing, no padding, no batch, and nothing is kept by shape: a text's vector is
its own, whatever is asked beside it. The layers are traced into one call, so that the GIL is given
back once, and not at each of a hundred operations, each of which would wait to have it again.
torch is to have one thread: to share so little work takes longer than to do it, four times as long
where the other core is busy.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from models.runtimes.int8 import Int8Linear, able
from models.runtimes.rows import Packed
from models.runtimes.torch_bert import Bert, Layer, quantise

_APART = 16  # inputs of a second feed-forward layer that stay exact: a few are huge


class Int8Encoder:
    """An `EncoderNetwork` on the CPU: mean pooling over Bert's last layer, text by text."""

    def __init__(self, bert: Bert, sample: Sequence[Sequence[int]]) -> None:
        """`bert` is changed; `sample` sequences of ids are what int8 is fitted to."""
        self._config = bert.config
        self.width = bert.config.hidden_size
        bert = bert.eval().requires_grad_(False)
        linear = partial(Int8Linear, bits=8 if able() else 7)
        down = partial(linear, apart=min(_APART, bert.config.intermediate_size))
        quantise(bert, sample, {"qkv": linear, "out": linear, "up": linear, "down": down})
        with torch.inference_mode(), warnings.catch_warnings():
            # torch announces that traces will go, and what it names instead needs a C++ compiler
            # where the service starts; its version is pinned.
            warnings.simplefilter("ignore", DeprecationWarning)
            trace: Callable[..., Any] = torch.jit.trace
            self._text = trace(_Text(bert), torch.tensor(sample[0]), check_trace=False)

    def embed(self, sequences: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """(n, width) float32 rows of length 1."""
        packed = Packed.of(sequences)
        packed.check(self._config.vocab_size, self._config.max_position_embeddings)
        with torch.inference_mode():
            rows = [self._text(torch.tensor(ids)) for ids in sequences]
            vectors: NDArray[np.float32] = torch.stack(rows).numpy()
        return vectors


class _Text(nn.Module):
    """Ids (T,) → a unit vector (width,)."""

    def __init__(self, bert: Bert) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, ids: Tensor) -> Tensor:
        bert = self.bert
        x = bert.word(ids) + bert.position.weight[: ids.size(0)] + bert.segment.weight[0]
        x = bert.norm(x)
        for layer in cast("Iterable[Layer]", bert.layers):
            x = layer.norm1(x + layer.out(_mixed(layer, x)))
            x = layer.norm2(x + layer.down(F.gelu(layer.up(x))))
        return F.normalize(x.mean(0), dim=0)


def _mixed(layer: Layer, x: Tensor) -> Tensor:
    """Attention of one text to itself, (T, width)."""
    length, width = x.size(0), x.size(1)
    q, k, v = layer.qkv(x).view(length, 3, layer.heads, -1).permute(1, 2, 0, 3).unbind(0)
    mixed = F.scaled_dot_product_attention(q[None], k[None], v[None])[0]
    return mixed.transpose(0, 1).reshape(length, width)
