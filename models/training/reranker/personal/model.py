"""The small model on top of the reranker's score, learned from pairs of one person's judgements.

A linear term and a few hidden units; the loss is the logistic one on differences of scores
(RankNet, Burges et al. 2005). Whatever is the same for both of a pair, such as how lenient the
person is, cancels in the linear term and counts only together with what differs. People are few, so
how strongly weights are drawn to zero is chosen by raters whom the model has not met.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

Floats = NDArray[np.float64]
HIDDEN = 8
STEPS = 120
RATE = 0.03
STRENGTHS = (0.003, 0.03, 0.3)
"""Penalties on the squared weights to choose from."""
INNER_FOLDS = 4
PAIRS_PER_RATER = 30.0
"""A person with more pairs weighs as much as one with this many."""


@dataclass(frozen=True)
class Pairs:
    """Features (k, f) of the better and of the worse reply, and whose pair each is, (k,)."""

    better: Floats
    worse: Floats
    raters: NDArray[np.int64]


class PairModel(nn.Module):
    """Scores (n,) of features (n, f), standardised by `mean` and `scale`."""

    def __init__(self, mean: Floats, scale: Floats) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
        self.linear = nn.Linear(len(mean), 1, bias=False)
        self.hidden = nn.Linear(len(mean), HIDDEN)
        self.out = nn.Linear(HIDDEN, 1, bias=False)
        nn.init.zeros_(self.linear.weight)
        nn.init.normal_(self.out.weight, std=0.01)

    def forward(self, rows: Tensor) -> Tensor:
        """(n,) from (n, f)."""
        x = (rows - self.get_buffer("mean")) / self.get_buffer("scale")
        total: Tensor = self.linear(x) + self.out(torch.tanh(self.hidden(x)))
        return total.squeeze(-1)

    def scores(self, rows: Floats) -> Floats:
        """(n,) from (n, f), without gradients."""
        with torch.inference_mode():
            found: Floats = self(torch.tensor(rows, dtype=torch.float32)).double().numpy()
        return found


def fit(pairs: Pairs, *, seed: int, steps: int = STEPS) -> PairModel:
    """Learn from these pairs; the same seed gives the same model.

    Raises ValueError without pairs.
    """
    if not len(pairs.better):
        raise ValueError("there are no pairs to learn from")
    return _fit(pairs, _strength(pairs, seed, steps), seed, steps)


def _strength(pairs: Pairs, seed: int, steps: int) -> float:
    """The penalty that serves raters best who were kept apart; the largest where there are none."""
    names = np.unique(pairs.raters)
    part = np.random.default_rng(seed).permutation(len(names)) % INNER_FOLDS
    apart = np.isin(pairs.raters, names[part == 0])
    if apart.all() or not apart.any():
        return STRENGTHS[-1]
    kept, judged = _some(pairs, ~apart), _some(pairs, apart)
    losses = {s: _loss_of(_fit(kept, s, seed, steps), judged) for s in STRENGTHS}
    return min(losses, key=losses.__getitem__)


def _some(pairs: Pairs, chosen: NDArray[np.bool_]) -> Pairs:
    return Pairs(pairs.better[chosen], pairs.worse[chosen], pairs.raters[chosen])


def _loss_of(model: PairModel, pairs: Pairs) -> float:
    margin = model.scores(pairs.better) - model.scores(pairs.worse)
    return float((np.logaddexp(0.0, -margin) * _weights(pairs.raters)).sum())


def _fit(pairs: Pairs, strength: float, seed: int, steps: int) -> PairModel:
    rows = np.vstack([pairs.better, pairs.worse])
    scale = rows.std(axis=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = PairModel(rows.mean(axis=0), np.where(scale > 1e-9, scale, 1.0))
    better, worse = (torch.tensor(x, dtype=torch.float32) for x in (pairs.better, pairs.worse))
    weights = torch.tensor(_weights(pairs.raters), dtype=torch.float32)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (F.softplus(model(worse) - model(better)) * weights).sum()
        penalty = torch.stack([(p**2).sum() for p in model.parameters()]).sum()
        (loss + strength * penalty).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return model


def _weights(raters: NDArray[np.int64]) -> Floats:
    """(k,) of sum 1; none of the raters weighs more than PAIRS_PER_RATER pairs do."""
    _, place, counts = np.unique(raters, return_inverse=True, return_counts=True)
    weights = np.minimum(1.0, PAIRS_PER_RATER / counts)[place]
    scaled: Floats = weights / weights.sum()
    return scaled
