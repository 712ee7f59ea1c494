"""QA-LSTM with an MLP: the baseline before BERT (Tan et al. 2015, arXiv:1511.04108).

One bidirectional LSTM reads context and response apart, each is max-pooled over time, and a small
network judges the two vectors where the paper had their cosine alone. With 60 + 20 tokens and
BERT's vocabulary of 30,522 it has about 7 million weights, six of them word embeddings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from models.training.reranker.family.networks import Output
from models.training.reranker.family.recurrent import Recurrent
from models.training.reranker.family.tokens import Limits

LIMITS = Limits(60, 20, 80)


class QaLstm(Recurrent):
    """Two texts read alike, max-pooled, judged by an MLP."""

    family: ClassVar[str] = "qa-lstm"

    def __init__(
        self, vocabulary: int, heads: int, *, width: int = 200, hidden: int = 192, mlp: int = 256
    ) -> None:
        super().__init__(vocabulary, heads, width=width, hidden=hidden, mlp=mlp)

    def forward(self, batch: Mapping[str, Tensor]) -> Output:
        """Logits of pairs that are given apart."""
        context = self._pooled(batch["context_ids"], batch["context_lengths"])
        response = self._pooled(batch["response_ids"], batch["response_lengths"])
        return Output(self.head([context], response))

    def _pooled(self, ids: Tensor, lengths: Tensor) -> Tensor:
        states = self.reader(ids, lengths).states
        inside = torch.arange(ids.shape[1], device=ids.device)[None] < lengths[:, None]
        pooled: Tensor = states.masked_fill(~inside[:, :, None], float("-inf")).amax(dim=1)
        return pooled


def own_tokenizer(texts: Iterable[str], size: int) -> Any:
    """A WordPiece tokenizer with a vocabulary of at most `size`, learned from the texts alone.

    For a baseline that owes nothing to a pretrained model; deterministic in the texts' order.
    """
    from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors, trainers
    from tokenizers.models import WordPiece
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=special, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
