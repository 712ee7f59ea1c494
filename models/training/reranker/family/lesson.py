"""What one batch teaches: labels, pairs within groups, and what a teacher says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.training.reranker.family.cross_encoder import CrossEncoder
from models.training.reranker.family.distil import (
    DistilConfig,
    MlmHead,
    cosine_loss,
    mlm_loss,
    soft_loss,
)
from models.training.reranker.family.losses import judged_loss, own_logits, pairwise_loss
from models.training.reranker.family.networks import Output, PairNetwork


@dataclass(frozen=True)
class Teaching:
    """What a student learns from: kept logits (n, heads), and the teacher for its hidden states.

    Without `network` there is no cosine term.
    """

    config: DistilConfig
    logits: NDArray[np.float32]
    network: CrossEncoder | None = None
    mask_id: int = 0


class Lesson(nn.Module):
    """A network with its losses: what the Trainer trains.

    Losses are computed in `forward`, where mixed precision and data parallelism reach them. The
    MLM head is trained and thrown away; the teacher is no submodule, so it is neither trained nor
    saved.
    """

    def __init__(
        self, network: PairNetwork, pairwise: float, teaching: Teaching | None = None, seed: int = 7
    ) -> None:
        super().__init__()
        self.network = network
        self.mlm = _mlm_head(network, teaching, seed)
        self._pairwise = pairwise
        self._teaching = teaching
        teacher = None if teaching is None else teaching.network
        self._teacher = () if teacher is None else (teacher.eval().requires_grad_(False),)

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The loss, and the terms that it is made of, by name."""
        output: Output = self.network(batch)
        mine, weight = own_logits(output.logits, batch["head"]), batch["weight"]
        terms = {"labels": judged_loss(mine, batch["target"], weight)}
        loss = terms["labels"]
        if self._pairwise:
            terms["pairs"] = pairwise_loss(mine, batch["better"], batch["worse"], weight)
            loss = loss + self._pairwise * terms["pairs"]
        if self._teaching is not None:
            loss = self._taught(self._teaching, batch, output, loss, terms)
        return {"loss": loss, **terms}

    def _taught(
        self,
        teaching: Teaching,
        batch: Mapping[str, Tensor],
        output: Output,
        hard: Tensor,
        terms: dict[str, Tensor],
    ) -> Tensor:
        config = teaching.config
        terms["soft"] = soft_loss(
            output.logits, batch["teacher"], batch["head"], batch["weight"], config
        )
        loss = (1.0 - config.alpha) * hard + config.alpha * terms["soft"]
        if config.cosine and self._teacher and output.hidden is not None:
            teacher = self._teacher[0].to(output.hidden.device)
            with torch.no_grad():
                theirs = teacher.read(batch["ids"], batch["mask"], batch["types"])
            terms["cosine"] = cosine_loss(output.hidden, theirs, batch["mask"])
            loss = loss + config.cosine * terms["cosine"]
        if self.mlm is not None and isinstance(self.network, CrossEncoder):
            terms["mlm"] = mlm_loss(self.network, self.mlm, batch, teaching.mask_id)
            loss = loss + config.mlm * terms["mlm"]
        return loss


def _mlm_head(network: PairNetwork, teaching: Teaching | None, seed: int) -> MlmHead | None:
    if teaching is None or not teaching.config.mlm:
        return None
    if not isinstance(network, CrossEncoder):
        raise ValueError("the MLM term is for a cross-encoder")
    torch.manual_seed(seed)
    return MlmHead(
        network.encoder.config.hidden_size, len(network.encoder.get_input_embeddings().weight)
    )
