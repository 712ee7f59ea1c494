"""A BiLSTM student of a cross-encoder (Tang et al. 2019, arXiv:1903.12136).

One bidirectional LSTM reads context and response apart; the last states of both directions are
compared as in the paper (u, v, u·v, |u - v|) by one hidden layer. It learns the teacher's logits by
their squared distance, for every head that the teacher has: an unlabelled head teaches too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from models.training.reranker.family.networks import Output
from models.training.reranker.family.recurrent import Recurrent


class BiLstm(Recurrent):
    """Two texts read alike, their last states compared."""

    family: ClassVar[str] = "bilstm"

    def __init__(
        self, vocabulary: int, heads: int, *, width: int = 128, hidden: int = 150, mlp: int = 200
    ) -> None:
        super().__init__(vocabulary, heads, width=width, hidden=hidden, mlp=mlp)

    def forward(self, batch: Mapping[str, Tensor]) -> Output:
        """Logits of pairs that are given apart."""
        context = self.reader(batch["context_ids"], batch["context_lengths"]).last
        response = self.reader(batch["response_ids"], batch["response_lengths"]).last
        return Output(self.head([context], response))

    @torch.no_grad()
    def start_from(self, words: Tensor) -> None:
        """Begin with a teacher's word embeddings (vocabulary, w), reduced to this width.

        Where the paper had word2vec: the leading principal directions, scaled to unit variance over
        the whole, since an LSTM wants inputs of about that size.
        """
        target = self.reader.words.weight
        if words.shape[0] != target.shape[0]:
            raise ValueError("the teacher's vocabulary is not the student's")
        centred = words.float() - words.float().mean(0)
        width = min(target.shape[1], centred.shape[1])
        _, vectors = torch.linalg.eigh(centred.T @ centred)
        reduced = centred @ vectors[:, -width:]
        target[:, :width] = reduced / reduced.std().clamp_min(1e-6)
