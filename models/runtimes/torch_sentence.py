"""The sentence reader's network in torch: the first layers of BERT, mean pooling, linear heads.

Where the service runs it, any runtime of the sentence encoder computes the pooled vectors and the
heads follow in NumPy (`models/sentence_reader.py`); training uses the network as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.runtimes.packing import Batch, mean_rows
from models.runtimes.torch_bert import Bert, load_bert

SCALE = 16.0
"""What unit vectors are multiplied with before the heads: their numbers are near 1 / √width."""


class SentenceNet(nn.Module):
    """Bert, the mean of its last layer as a unit vector, and one logit a head."""

    def __init__(self, bert: Bert, outputs: int) -> None:
        super().__init__()
        self.bert = bert
        self.head = nn.Linear(bert.config.hidden_size, outputs)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, batch: Batch, dropout: float = 0.0, frozen: int = 0) -> Tensor:
        """Logits (n, outputs) of packed texts; `frozen` lower layers record nothing."""
        pooled = mean_rows(self.bert(batch, frozen).float(), batch.contexts)
        unit = F.normalize(pooled, dim=1)
        logits: Tensor = self.head(F.dropout(unit, dropout, self.training) * SCALE)
        return logits


def shallow_bert(base: str, depth: int) -> Bert:
    """The first `depth` layers of the base model; ValueError if it has fewer."""
    bert = load_bert(base)
    if not 1 <= depth <= len(bert.layers):
        raise ValueError(f"{base}: has {len(bert.layers)} layers, not {depth}")
    bert.layers = bert.layers[:depth]
    bert.config = replace(bert.config, num_hidden_layers=depth)
    bert.join = depth
    return bert


def new_net(base: str, depth: int, outputs: int) -> SentenceNet:
    """An untrained network over the base model."""
    return SentenceNet(shallow_bert(base, depth), outputs)


def base_state(base: str, depth: int) -> Mapping[str, Tensor]:
    """The base model's tensors, that a delta is taken from."""
    with torch.no_grad():
        return shallow_bert(base, depth).state_dict()
