"""Measures of a reranker: recall and AUC by source, calibration, and which heads make P(upvote)."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from models.reranker import Renderer, RerankItem, RerankNet
from models.training.judgements import Judged
from models.training.reranker import measures
from models.training.reranker.asymmetric.trainer import score_items
from models.training.reranker.measures import auc as auc
from models.training.reranker.measures import (
    expected_calibration_error as expected_calibration_error,
)
from models.training.selection import DialogSampler, ExchangeSampler

EVAL_SEED = 5


@dataclass(frozen=True)
class Scored:
    """Logits (n, heads) of judged pairs, their labels (n,) and the unit each belongs to."""

    logits: Tensor
    labels: Tensor
    units: tuple[str, ...]


def platt(logits: Tensor, labels: Tensor, weights: Tensor) -> tuple[float, float]:
    """Scale and shift that make sigmoid(scale · logit + shift) a probability (Platt 1999)."""
    fit = torch.tensor([1.0, 0.0], requires_grad=True)
    optimizer = torch.optim.LBFGS([fit], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(
            logits.float() * fit[0] + fit[1], labels.float(), weights.float()
        )
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return float(fit[0].detach()), float(fit[1].detach())


def balanced(labels: Tensor) -> Tensor:
    """Weights that give both classes the same mass."""
    share = labels.float().mean().clamp(1e-6, 1 - 1e-6)
    return torch.where(labels > 0.5, 0.5 / share, 0.5 / (1 - share))


def score_selection(
    net: RerankNet,
    render: Renderer,
    sampler: DialogSampler | ExchangeSampler,
    lists: int,
    negatives: int = 9,
) -> Tensor:
    """Logits (lists, 1 + negatives, heads) of held-out lists with same-topic negatives."""
    rng = random.Random(EVAL_SEED)
    items: list[RerankItem] = []
    for _ in range(lists):
        drawn = sampler.draw(rng, negatives, topic_only=True)
        items += render.items(drawn.context, drawn.responses, drawn.facts)
    logits = score_items(net, items)
    return logits.view(lists, negatives + 1, -1)


def selection_measures(logits: Tensor) -> dict[str, float]:
    """Recall@1 and AUC within lists from (lists, 1 + negatives) logits, the first one true."""
    true, wrong = logits[:, :1], logits[:, 1:]
    wins = (true > wrong).float() + 0.5 * (true == wrong).float()
    first = (true > wrong).all(dim=1).float()
    return {"recall_at_1": float(first.mean()), "auc": float(wins.mean()), "lists": len(logits)}


def score_judged(net: RerankNet, render: Renderer, rows: Sequence[Judged]) -> Scored:
    """Logits of judged pairs."""
    items: list[RerankItem] = []
    labels: list[float] = []
    units: list[str] = []
    for row in rows:
        items += render.items(row.context, row.responses, row.facts)
        labels += row.labels
        units += [row.unit] * len(row.responses)
    return Scored(score_items(net, items), torch.tensor(labels), tuple(units))


def unit_auc(scores: Tensor, scored: Scored) -> float:
    """AUC of mean scores of units (dialogs) whose label is above against below the middle."""
    return measures.unit_auc(scores, scored.labels, scored.units)


def within_group_accuracy(scores: Tensor, scored: Scored) -> float:
    """How often a good response beats a bad one of the same unit; ties count half."""
    return measures.pair_accuracy(scores, scored.labels, scored.units)


def choose_upvote(
    logits: Mapping[str, Tensor], truth: Scored, heads: Sequence[str]
) -> tuple[dict[str, float], dict[str, Any]]:
    """Weights of calibrated logits, by agreement with judgements that no head was trained on.

    `logits[h]` (n,) belong to the pairs of `truth`. A mix has to beat plain selection by 0.01
    in the dialogs' AUC: a smaller gain is within the noise of the measure.
    """
    tried: dict[str, Any] = {}
    best, best_auc = {"selection": 1.0}, unit_auc(logits["selection"], truth)
    tried["selection"] = best_auc
    others = [head for head in heads if head != "selection"]
    for size in (1, 2):
        for extra in itertools.combinations(others, size):
            for weight in (0.25, 0.5, 1.0):
                weights = {"selection": 1.0, **dict.fromkeys(extra, weight)}
                mixed = torch.stack([logits[h] * w for h, w in weights.items()]).sum(0)
                agreement = unit_auc(mixed, truth)
                tried["+".join(f"{w:g}*{h}" for h, w in weights.items())] = agreement
                if agreement > best_auc + 0.01 * size:
                    best, best_auc = weights, agreement
    return best, tried
