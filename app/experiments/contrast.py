"""Can a log tell two policies apart? What it saw exactly where they differ.

The effective sample size of one policy does not say: where both mostly agree and nobody was ever
shown what only the new one prefers, all weights are near 1 and the log looks rich. A doubly robust
estimate then is the reward model's opinion, with an interval around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from app.experiments.choices import Array, Choices, check_same
from app.experiments.off_policy import check, standard_error

_MATERIAL = 2.0  # a target prefers a reply that it shows so many times as often as the other


@dataclass(frozen=True, slots=True)
class Contrast:
    """What the log says of two targets where they differ.

    `candidate` and `serving`: choices that showed what that one would show at least twice as often
    as the other, as an effective number (Kish) over the differences of their weights: one choice of
    weight 100 among many of weight 1 is one. `means`: interval of the mean weight of each, which
    holds 1 unless what the target prefers was shown less often than its propensities say.
    """

    candidate: float
    serving: float
    means: tuple[tuple[float, float], tuple[float, float]]

    def supports(self, least: float) -> bool:
        """Whether both sides were seen often enough, and neither's weights miss anything."""
        seen = min(self.candidate, self.serving) >= least
        return seen and all(low <= 1.0 <= high for low, high in self.means)


def contrast(candidate: Choices, serving: Choices, *, confidence: float = 0.95) -> Contrast:
    """How far the log can tell two targets apart, over the same logged choices.

    Raises:
        ValueError: they are not of the same choices.
    """
    check(None, confidence)
    check_same(candidate, serving)
    ours, theirs = candidate.weights(), serving.weights()
    return Contrast(
        _seen(ours, theirs, candidate.trust),
        _seen(theirs, ours, serving.trust),
        (_mean_weight(candidate, confidence), _mean_weight(serving, confidence)),
    )


def _seen(mine: Array, other: Array, trust: Array) -> float:
    """Effective number of the choices that speak for the first target."""
    gap = np.where(mine >= _MATERIAL * other, mine - other, 0.0) * trust
    square = float((gap**2).sum())
    return float(gap.sum()) ** 2 / square if square > 0 else 0.0


def _mean_weight(choices: Choices, confidence: float) -> tuple[float, float]:
    """The normal interval of the mean weight, over units."""
    weights = choices.weights()
    mean = float(np.average(weights, weights=choices.trust))
    total = float(choices.trust.sum())
    influence = np.bincount(choices.unit, weights=choices.trust * (weights - mean)) / total
    # Weights that never vary are off by rounding alone.
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * standard_error(influence) + 1e-9
    return mean - reach, mean + reach
