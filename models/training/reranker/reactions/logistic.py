"""Logistic regression with a prior: few judgements move little, many move much.

The weights have a Gaussian prior around `mean`, so the maximum a posteriori estimate starts from
what is believed already (Bishop, Pattern Recognition and Machine Learning, 2006, 4.5). Convex, no
learning rate, no seed; Newton's method in float64. How strong the prior is, folds decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

STRENGTHS = (3000.0, 1000.0, 300.0, 100.0, 30.0)
"""Of the prior, strongest first, for columns of about unit variance."""
_STEPS = 30
_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Problem:
    """Rows (n, d), labels (n,) in [0, 1], weights (n,), and the prior of the d coefficients.

    The prior's precision of coefficient j is strength · held[j] + firm[j]: `strength` is what folds
    choose, `firm` is not theirs to choose.
    """

    rows: Array
    labels: Array
    weights: Array
    mean: Array
    held: Array
    firm: Array

    def part(self, chosen: NDArray[np.bool_]) -> Problem:
        """The same with some of the rows."""
        return replace(
            self,
            rows=self.rows[chosen],
            labels=self.labels[chosen],
            weights=self.weights[chosen],
        )


@dataclass(frozen=True)
class Choice:
    """The strength that folds chose, the logits (n,) of rows when they were left out."""

    strength: float
    left_out: Array
    losses: dict[float, float]


def fit(problem: Problem, strength: float, start: Array | None = None) -> Array:
    """Coefficients (d,): Newton with halved steps, from `start` or the prior's mean."""
    beta = problem.mean.copy() if start is None else start.copy()
    penalty = strength * problem.held + problem.firm
    value = _objective(problem, beta, penalty)
    for _ in range(_STEPS):
        p = sigmoid(problem.rows @ beta)
        slope = problem.rows.T @ (problem.weights * (p - problem.labels))
        slope += penalty * (beta - problem.mean)
        bend = problem.weights * np.maximum(p * (1 - p), 1e-9)
        curve = (problem.rows * bend[:, None]).T @ problem.rows
        step = np.linalg.solve(curve + np.diag(penalty), slope)
        share = 1.0
        while (new := _objective(problem, beta - share * step, penalty)) > value and share > 1e-4:
            share /= 2
        if new > value:
            break
        beta, gained, value = beta - share * step, value - new, new
        if gained < _TOLERANCE * max(1.0, abs(value)):
            break
    return beta


def choose(problem: Problem, folds: NDArray[Any], strengths: Sequence[float] = STRENGTHS) -> Choice:
    """The strength with the least weighted log loss on rows that were left out.

    Args:
        folds: (n,) number of the fold that each row is left out with.
    """
    logits = {strength: np.zeros(len(problem.labels)) for strength in strengths}
    for fold in np.unique(folds):
        out = folds == fold
        train, beta = problem.part(~out), None
        for strength in strengths:
            beta = fit(train, strength, beta)
            logits[strength][out] = problem.rows[out] @ beta
    losses = {s: log_loss(z, problem.labels, problem.weights) for s, z in logits.items()}
    best = min(losses, key=lambda strength: losses[strength])
    return Choice(best, logits[best], losses)


def log_loss(logits: Array, labels: Array, weights: Array) -> float:
    """Weighted mean cross-entropy in nats."""
    losses = np.logaddexp(0.0, logits) - labels * logits
    return float((weights * losses).sum() / weights.sum())


def sigmoid(x: Array) -> Array:
    """In a form in which a large negative number does not overflow."""
    values: Array = 0.5 * (np.tanh(0.5 * x) + 1.0)
    return values


def _objective(problem: Problem, beta: Array, penalty: Array) -> float:
    z = problem.rows @ beta
    losses = np.logaddexp(0.0, z) - problem.labels * z
    away = beta - problem.mean
    return float((problem.weights * losses).sum() + 0.5 * (penalty * away * away).sum())
