"""Losses of pairs with one label each, under one of several heads.

Every example trains its own head alone: labels that are missing are masked by construction.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def own_logits(logits: Tensor, head: Tensor) -> Tensor:
    """(n, heads) and head numbers (n,) → the logit (n,) that each example is about."""
    own: Tensor = logits.gather(1, head[:, None])[:, 0]
    return own


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Mean of (n,) by weights (n,); zero where nothing weighs anything."""
    return (values * weights).sum() / weights.sum().clamp_min(1e-9)


def judged_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Binary cross-entropy of own logits (n,) with labels in [0, 1]."""
    losses = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    return weighted_mean(losses, weights)


def pairwise_loss(logits: Tensor, better: Tensor, worse: Tensor, weights: Tensor) -> Tensor:
    """RankNet (Burges et al. 2005) over the pairs (better[i], worse[i]) of one group; 0 without.

    What people say beside each other compares more surely than what they say apart. A pair weighs
    as little as the lighter of its two.
    """
    if not len(better):
        return logits.sum() * 0.0
    losses = F.softplus(logits[worse] - logits[better])
    return weighted_mean(losses, torch.minimum(weights[better], weights[worse]))


def group_pairs(groups: list[str], labels: list[float]) -> tuple[list[int], list[int]]:
    """(better, worse) rows of all pairs of one group with different labels; "" is no group."""
    members: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        if group:
            members.setdefault(group, []).append(row)
    better: list[int] = []
    worse: list[int] = []
    for rows in members.values():
        for a in rows:
            for b in rows:
                if labels[a] > labels[b]:
                    better.append(a)
                    worse.append(b)
    return better, worse
