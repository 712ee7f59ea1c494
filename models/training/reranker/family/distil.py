"""Distillation: a student learns what a trained reranker says, not only what people said.

For a smaller cross-encoder, DistilBERT's three terms (Sanh et al. 2019, arXiv:1910.01108): the
teacher's probabilities at a temperature (Hinton et al. 2015), the labels, and the cosine of hidden
states; the student begins as every other layer of its teacher, and masked language modelling may be
added. For a BiLSTM, the squared distance of logits (Tang et al. 2019). The teacher's logits are
computed once and kept in the run's folder.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor, nn

from models.training.reranker.family.collator import Collator
from models.training.reranker.family.cross_encoder import CrossEncoder, words_of
from models.training.reranker.family.losses import own_logits, weighted_mean
from models.training.reranker.family.networks import PairNetwork, logits_of
from models.training.reranker.family.reduce import reduce_layers
from models.training.reranker.family.store import PairStore

KEEP_EVERY = 1024
MASKED = 0.15
TO_MASK, TO_RANDOM = 0.8, 0.1


@dataclass(frozen=True)
class DistilConfig:
    """`alpha` is the soft term's share, the labels have the rest; `cosine`, `mlm` are added on top.

    `squared`: the soft term is the squared distance of all logits, else cross-entropy at
    `temperature` on the head that an example is about.
    """

    alpha: float = 0.5
    temperature: float = 2.0
    cosine: float = 0.5
    mlm: float = 0.0
    squared: bool = False


def soft_loss(
    student: Tensor, teacher: Tensor, head: Tensor, weights: Tensor, config: DistilConfig
) -> Tensor:
    """The soft term of logits (n, heads); NaN columns of the teacher are heads that it lacks."""
    if config.squared:
        known = ~teacher.isnan()
        distance = ((student - teacher.nan_to_num()) ** 2 * known).sum(1)
        return weighted_mean(distance / known.sum(1).clamp_min(1), weights)
    mine, theirs = own_logits(student, head), own_logits(teacher, head)
    known = ~theirs.isnan()
    t = config.temperature
    losses = F.binary_cross_entropy_with_logits(
        mine / t, torch.sigmoid(theirs.nan_to_num() / t), reduction="none"
    )
    # T² keeps the gradient's size as T grows (Hinton et al. 2015).
    return t * t * weighted_mean(losses, weights * known)


def cosine_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """1 - cosine of last hidden states (n, L, width), over the tokens of `mask` (n, L)."""
    near = F.cosine_similarity(student, teacher, dim=-1)
    return weighted_mean(1.0 - near, mask.to(near.dtype))


def student_of(teacher: CrossEncoder, layers: int, how: str) -> CrossEncoder:
    """A copy of the teacher, head and all, with `layers` of its layers."""
    student = copy.deepcopy(teacher)
    reduce_layers(student.encoder, layers, how)
    return student.train().requires_grad_(True)


def fitted_heads(student: Sequence[str], teacher: Sequence[str]) -> list[int]:
    """For each head of the student the teacher's column, -1 where it has none."""
    return [teacher.index(head) if head in teacher else -1 for head in student]


def teacher_logits(
    path: Path,
    teacher: PairNetwork,
    store: PairStore,
    collate: Collator,
    columns: Sequence[int],
    *,
    stopping: Callable[[], bool] = lambda: False,
    done: Callable[[int], None] = lambda count: None,
) -> NDArray[np.float32] | None:
    """Logits (n, len(columns)) of the teacher for every pair, kept in `path`; None if stopped.

    What a stopped or killed call had computed is there already when it is called again. A column
    of -1 stays NaN.
    """
    size = (len(store), len(columns) + 1)  # the last column says that a row is done
    if path.exists():
        kept = open_memmap(path, mode="r+")
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        half_written = path.with_name(f".{path.name}")
        kept = open_memmap(half_written, mode="w+", dtype=np.float32, shape=size)
        kept[:] = np.nan
        kept.flush()
        half_written.replace(path)
    if kept.shape != size:
        raise ValueError(f"{path}: holds the logits of other pairs or heads")
    # In order of length, so that the blocks pad little; the order is the same in every call.
    order = np.argsort(store.lengths(), kind="stable")
    for start in range(0, len(order), KEEP_EVERY):
        rows = order[start : start + KEEP_EVERY]
        rows = rows[np.isnan(kept[rows, -1])]
        if not len(rows):
            continue
        if stopping():
            return None
        logits = logits_of(teacher, [store[int(row)] for row in rows], collate)
        for column, theirs in enumerate(columns):
            if theirs >= 0:
                kept[rows, column] = logits[:, theirs]
        kept.flush()
        kept[rows, -1] = 1.0
        done(len(rows))
    kept.flush()
    logits_alone: NDArray[np.float32] = kept[:, :-1]
    return logits_alone


class MlmHead(nn.Module):
    """Masked language modelling beside a reranker (Devlin et al. 2019): only in training.

    The decoder's weights are the encoder's word embeddings.
    """

    def __init__(self, width: int, vocabulary: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, hidden: Tensor, words: Tensor) -> Tensor:
        """Logits (m, vocabulary) of hidden states (m, width)."""
        return F.linear(self.norm(F.gelu(self.dense(hidden))), words, self.bias)


def mlm_loss(
    network: CrossEncoder, head: MlmHead, batch: Mapping[str, Tensor], mask_id: int
) -> Tensor:
    """Cross-entropy of the masked tokens of a joint batch, masked anew in every call."""
    ids, hidden_ones = mask_tokens(
        batch["ids"], batch["context"] + batch["response"], mask_id, len(words_of(network.encoder))
    )
    if not hidden_ones.any():
        return head.bias.sum() * 0.0
    hidden = network.read(ids, batch["mask"], batch["types"])[hidden_ones]
    words: Any = network.encoder.get_input_embeddings().weight
    if words.shape[1] != hidden.shape[1]:
        raise ValueError("the MLM term needs word embeddings as wide as the encoder")
    return F.cross_entropy(head(hidden, words), batch["ids"][hidden_ones])


def mask_tokens(
    ids: Tensor, candidates: Tensor, mask_id: int, vocabulary: int
) -> tuple[Tensor, Tensor]:
    """(ids with 15 % of the candidates hidden: 80 % masked, 10 % random, 10 % kept; which ones)."""
    draw = torch.rand(ids.shape, device=ids.device)
    chosen = (draw < MASKED) & candidates.bool()
    how = torch.rand(ids.shape, device=ids.device)
    anything = torch.randint(vocabulary, ids.shape, device=ids.device)
    out = torch.where(chosen & (how < TO_MASK), torch.full_like(ids, mask_id), ids)
    out = torch.where(chosen & (how >= TO_MASK) & (how < TO_MASK + TO_RANDOM), anything, out)
    return out, chosen
