"""A text read by a bidirectional LSTM: the part that the two recurrent rerankers share."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from models.training.reranker.family.networks import PairHead, PairNetwork


class Read(NamedTuple):
    """All states (n, L, 2·hidden), zero behind each text's end, and the last ones (n, 2·hidden)."""

    states: Tensor
    last: Tensor


class Reader(nn.Module):
    """Word embeddings under one bidirectional LSTM layer."""

    def __init__(self, vocabulary: int, width: int, hidden: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(width, hidden, batch_first=True, bidirectional=True)

    def forward(self, ids: Tensor, lengths: Tensor) -> Read:
        """Read ids (n, L) of `lengths` (n,), each at least 1."""
        # Packed, so that the backward direction begins at a text's end and not in its padding. A
        # recurrence gains little from bf16 and sums its rounding: it stays in fp32.
        with torch.autocast(ids.device.type, enabled=False):
            words = self.dropout(self.words(ids).float())
            packed = pack_padded_sequence(
                words, lengths.cpu(), batch_first=True, enforce_sorted=False
            )
            states, (last, _) = self.lstm(packed)
            padded, _ = pad_packed_sequence(states, batch_first=True, total_length=ids.shape[1])
        return Read(padded, torch.cat([last[0], last[1]], dim=-1))


class Recurrent(PairNetwork):
    """Two texts read alike, each by itself, and judged by one head."""

    joint: ClassVar[bool] = False

    def __init__(self, vocabulary: int, heads: int, *, width: int, hidden: int, mlp: int) -> None:
        super().__init__()
        self._shape = {
            "vocabulary": vocabulary,
            "heads": heads,
            "width": width,
            "hidden": hidden,
            "mlp": mlp,
        }
        self.reader = Reader(vocabulary, width, hidden)
        self.head = PairHead(2 * hidden, heads, hidden=mlp, latest=False)

    def shape(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return dict(self._shape)
