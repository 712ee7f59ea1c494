"""Measures of scores against human judgements, each with a bootstrap interval.

A measure is built once from its rows and is then a function of the rows' weights: a bootstrap over
whole groups (Efron 1979; clusters as in Davison and Hinkley 1997, §3.8) draws groups anew and
weighs their rows, so that a thousand resamples cost no more than a thousand weighted sums. Rows of
one group, conversation or rater are never drawn apart, since they are not independent.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], float]
"""A measure as a function of row weights (n,); NaN where it is not defined."""

RESAMPLES = 500
SEED = 7
ECE_BINS = 15


class Interval(NamedTuple):
    """A measure and its 95 % bootstrap interval; low and high are NaN with one cluster."""

    value: float
    low: float
    high: float


def interval(
    statistic: Statistic,
    clusters: Sequence[Hashable],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Interval:
    """The measure of all rows, and percentiles of it over resampled clusters.

    `clusters[i]` names what row i is drawn together with. Resamples on which the measure is not
    defined are left out.
    """
    numbers: dict[Hashable, int] = {}
    codes = np.array([numbers.setdefault(name, len(numbers)) for name in clusters], dtype=np.int64)
    value = statistic(np.ones(len(codes)))
    count = len(numbers)
    if count < 2 or resamples < 1 or math.isnan(value):
        return Interval(value, math.nan, math.nan)
    rng = np.random.default_rng(seed)
    drawn = [
        statistic(np.bincount(rng.integers(0, count, count), minlength=count)[codes].astype(float))
        for _ in range(resamples)
    ]
    defined = [figure for figure in drawn if not math.isnan(figure)]
    if not defined:
        return Interval(value, math.nan, math.nan)
    low, high = np.percentile(defined, [2.5, 97.5])
    return Interval(value, float(low), float(high))


def auc_of(scores: ArrayLike, labels: ArrayLike) -> Statistic:
    """AUC of scores (n,) for labels (n,) above against not above a half.

    Area under the ROC curve (Mann and Whitney 1947), ties counted half; NaN with one class.
    """
    score, truth = _floats(scores), _floats(labels) > 0.5
    order = np.argsort(score, kind="stable")
    ordered, positive = score[order], truth[order]
    # Equal scores form one step of the curve, whatever order the sort left them in.
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]][: len(ordered)])

    def statistic(weights: Floats) -> float:
        if not len(starts):
            return math.nan
        mine = weights[order]
        good = np.add.reduceat(np.where(positive, mine, 0.0), starts)
        bad = np.add.reduceat(np.where(positive, 0.0, mine), starts)
        below = np.cumsum(bad) - bad
        pairs = good.sum() * bad.sum()
        return float((good * (below + bad / 2)).sum() / pairs) if pairs else math.nan

    return statistic


def auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """`auc_of` with all rows alike."""
    return _plain(auc_of(scores, labels), scores)


def pair_accuracy_of(scores: ArrayLike, labels: ArrayLike, groups: Sequence[Hashable]) -> Statistic:
    """How often the better labelled of two rows of a group has the higher score; ties count half.

    The pairs of a group weigh what its first row weighs.
    """
    score, label = _floats(scores), _floats(labels)
    first: list[int] = []
    won: list[float] = []
    total: list[float] = []
    for rows in _members(groups).values():
        i, j = np.triu_indices(len(rows), 1)
        picked = np.array(rows)
        truth = np.sign(label[picked[i]] - label[picked[j]])
        guess = np.sign(score[picked[i]] - score[picked[j]])
        first.append(rows[0])
        won.append(float(((1 + truth * guess) / 2)[truth != 0].sum()))
        total.append(float((truth != 0).sum()))
    return _ratio_of(won, total, first)


def pair_accuracy(scores: ArrayLike, labels: ArrayLike, groups: Sequence[Hashable]) -> float:
    """`pair_accuracy_of` with all rows alike."""
    return _plain(pair_accuracy_of(scores, labels, groups), scores)


def recall_at_1_of(scores: ArrayLike, labels: ArrayLike, lists: Sequence[Hashable]) -> Statistic:
    """How often a list's true row (label above a half) scores above all its others; a tie loses."""
    score, truth = _floats(scores), _floats(labels) > 0.5
    first: list[int] = []
    hits: list[float] = []
    for rows in _members(lists).values():
        true = [score[i] for i in rows if truth[i]]
        wrong = [score[i] for i in rows if not truth[i]]
        if true and wrong:
            first.append(rows[0])
            hits.append(float(max(true) > max(wrong)))
    return _ratio_of(hits, [1.0] * len(hits), first)


def unit_auc_of(scores: ArrayLike, labels: ArrayLike, units: Sequence[Hashable]) -> Statistic:
    """AUC of the mean scores of units (dialogs), whose rows all carry the unit's one label.

    A unit weighs what its first row weighs.
    """
    score, label = _floats(scores), _floats(labels)
    members = list(_members(units).values())
    first = np.array([rows[0] for rows in members], dtype=np.int64)
    means = np.array([score[rows].mean() for rows in members])
    statistic = auc_of(means, label[first])
    return lambda weights: statistic(weights[first])


def unit_auc(scores: ArrayLike, labels: ArrayLike, units: Sequence[Hashable]) -> float:
    """`unit_auc_of` with all rows alike."""
    return _plain(unit_auc_of(scores, labels, units), scores)


def accuracy_of(probabilities: ArrayLike, labels: ArrayLike) -> Statistic:
    """Share of rows on the right side of a half."""
    right = (_floats(probabilities) > 0.5) == (_floats(labels) > 0.5)
    return mean_of(right.astype(float))


def brier_of(probabilities: ArrayLike, labels: ArrayLike) -> Statistic:
    """Mean squared distance of probability and label (Brier 1950)."""
    return mean_of((_floats(probabilities) - _floats(labels)) ** 2)


def calibration_error_of(
    probabilities: ArrayLike, labels: ArrayLike, bins: int = ECE_BINS
) -> Statistic:
    """Expected calibration error over equal-width bins (Guo et al. 2017)."""
    probability = _floats(probabilities)
    gap = probability - _floats(labels)
    place = np.clip((probability * bins).astype(np.int64), 0, bins - 1)

    def statistic(weights: Floats) -> float:
        mass = weights.sum()
        if not mass:
            return math.nan
        # |mean gap| of a bin times its mass is |sum of its gaps|.
        return float(np.abs(np.bincount(place, gap * weights, bins)).sum() / mass)

    return statistic


def expected_calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, weights: ArrayLike, bins: int = ECE_BINS
) -> float:
    """`calibration_error_of` with rows of unequal weight (n,)."""
    return calibration_error_of(probabilities, labels, bins)(_floats(weights))


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)


def _plain(statistic: Statistic, scores: ArrayLike) -> float:
    return statistic(np.ones(len(_floats(scores))))


def _members(names: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    members: dict[Hashable, list[int]] = defaultdict(list)
    for i, name in enumerate(names):
        members[name].append(i)
    return members


def mean_of(values: Floats) -> Statistic:
    """The mean of values (n,) that are right or wrong by themselves."""

    def statistic(weights: Floats) -> float:
        mass = weights.sum()
        return float((values * weights).sum() / mass) if mass else math.nan

    return statistic


def _ratio_of(part: Sequence[float], whole: Sequence[float], rows: Sequence[int]) -> Statistic:
    """Weighted part over weighted whole; entry i weighs what row `rows[i]` weighs."""
    parts, wholes = _floats(part), _floats(whole)
    first = np.array(rows, dtype=np.int64)

    def statistic(weights: Floats) -> float:
        mine = weights[first]
        mass = (wholes * mine).sum()
        return float((parts * mine).sum() / mass) if mass else math.nan

    return statistic
