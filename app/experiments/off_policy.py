"""What would people have said of the replies that another policy chooses? Estimated from the log.

Each logged choice tells the probability (propensity) with which the reply was shown and whether it
was liked. A target policy would have shown it with another probability; the ratio of the two is
its weight w. Three estimates of the target's mean reward, for rewards in [0, 1]:

    IPS    mean(w r)                        unbiased, and noisy (Horvitz and Thompson 1952)
    SNIPS  sum(w r) / sum(w)                nearly unbiased, and the same whatever constant is
                                            added to every reward (Swaminathan and Joachims 2015)
    DR     mean(q̄ + w (r - q))              unbiased if the propensities or the reward model q are
                                            right (Dudík, Langford and Li 2011); q̄ is q's mean under
                                            the target policy

They hold where the log has support: what the target would show and the log never could is seen
by none of them (only DR's q̄ reckons with it), so `Diagnostics` says how much that is; whether two
targets can be told apart, `app.experiments.contrast` does. Choices of one person are not
independent, hence intervals are over people: a sandwich variance for the normal one, people drawn
anew for the bootstrap.

Pure; numpy only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from app.experiments.choices import Array as Array
from app.experiments.choices import Choices as Choices
from app.experiments.choices import check_same

ESTIMATORS = ("ips", "snips", "dr")
_BLOCK = 128  # resamples that are drawn at once


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its intervals, of which 95 of 100 (or as asked) hold the truth."""

    value: float
    error: float  # standard, over units
    normal: tuple[float, float]
    bootstrap: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """How far the log supports the target policy."""

    choices: int
    units: int
    effective: float  # sample size: (Σw)² / Σw² (Kish 1965)
    weight_max: float  # before clipping
    weight_mean: float  # before clipping; far from 1 the log and the target do not fit together
    clip: float | None
    clipped: float  # share of the choices
    clip_bias: dict[str, float]  # how much lower (or higher) clipping makes IPS and DR
    unsupported: float  # share of what the target shows that the log never could


@dataclass(frozen=True, slots=True)
class Report:
    """A target policy's mean reward by each estimator, and what to think of it."""

    estimates: dict[str, Estimate]
    diagnostics: Diagnostics


def evaluate(
    choices: Choices,
    *,
    clip: float | None = None,
    confidence: float = 0.95,
    resamples: int = 1_000,
    seed: int = 0,
) -> Report:
    """IPS, SNIPS and DR of one policy.

    Args:
        clip: no weight above it; less noise, and a bias that the diagnostics tell.
    """
    check(clip, confidence)
    parts = _Parts.of(choices, clip)
    drawn = _resampled([parts], resamples, seed)[0]
    estimates = {
        name: _estimate(parts, name, drawn[:, place], confidence)
        for place, name in enumerate(ESTIMATORS)
    }
    return Report(estimates, _diagnostics(choices, clip))


def difference(
    candidate: Choices,
    serving: Choices,
    *,
    clip: float | None = None,
    confidence: float = 0.95,
    resamples: int = 1_000,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Candidate less serving, by estimator, over the same logged choices.

    Both are seen by the same people, so what one draw of people does to one it does to the other:
    the interval of the difference is narrower than those of its parts.

    Raises:
        ValueError: they are not of the same choices.
    """
    check(clip, confidence)
    check_same(candidate, serving)
    ours, theirs = _Parts.of(candidate, clip), _Parts.of(serving, clip)
    first, second = _resampled([ours, theirs], resamples, seed)
    estimates = {}
    for place, name in enumerate(ESTIMATORS):
        value = ours.value(name) - theirs.value(name)
        influence = ours.influence(name) - theirs.influence(name)
        estimates[name] = _with_intervals(
            value, standard_error(influence), first[:, place] - second[:, place], confidence
        )
    return estimates


class _Parts:
    """Sums over each unit, of which every estimate is made: (units, 4) Σwr, Σw, Σdr, n."""

    def __init__(self, sums: Array) -> None:
        self.sums = sums
        self.total: Array = sums.sum(axis=0)

    @classmethod
    def of(cls, choices: Choices, clip: float | None) -> _Parts:
        weights = choices.weights(clip)
        robust = choices.target_expected + weights * (choices.reward - choices.expected)
        columns = (weights * choices.reward, weights, robust, np.ones(len(choices)))
        units = int(choices.unit.max()) + 1
        sums = [np.bincount(choices.unit, choices.trust * column, units) for column in columns]
        return cls(np.stack(sums, axis=1).astype(np.float64))

    def value(self, name: str) -> float:
        return float(_values(self.total[None, :])[0, ESTIMATORS.index(name)])

    def influence(self, name: str) -> Array:
        """What each unit adds to the error of the estimate, (units,); the sum is 0."""
        value, n = self.value(name), self.total[3]
        if name == "snips":
            weights = max(float(self.total[1]), 1e-12)
            influence: Array = (self.sums[:, 0] - value * self.sums[:, 1]) / weights
        else:
            column = 0 if name == "ips" else 2
            influence = (self.sums[:, column] - value * self.sums[:, 3]) / n
        return influence


def _values(totals: Array) -> Array:
    """(m, 3) IPS, SNIPS and DR of (m, 4) sums; SNIPS is 0 where every weight is."""
    weighted, weights, robust, n = totals.T
    n = np.maximum(n, 1e-12)
    snips = np.divide(weighted, weights, out=np.zeros_like(weighted), where=weights > 0)
    values: Array = np.stack([weighted / n, snips, robust / n], axis=1)
    return values


def _resampled(parts: Sequence[_Parts], resamples: int, seed: int) -> list[Array]:
    """For each of the parts (resamples, 3) values of the units drawn with replacement."""
    rng = np.random.default_rng(seed)
    units = len(parts[0].sums)
    found: list[list[Array]] = [[] for _ in parts]
    for begin in range(0, resamples, _BLOCK):
        rows = min(_BLOCK, resamples - begin)
        times = rng.multinomial(units, np.full(units, 1.0 / units), size=rows).astype(np.float64)
        for place, part in enumerate(parts):
            found[place].append(_values(times @ part.sums))
    return [np.concatenate(values) for values in found]


def _estimate(parts: _Parts, name: str, drawn: Array, confidence: float) -> Estimate:
    return _with_intervals(
        parts.value(name), standard_error(parts.influence(name)), drawn, confidence
    )


def _with_intervals(value: float, error: float, drawn: Array, confidence: float) -> Estimate:
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * error
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, error, (value - reach, value + reach), (float(low), float(high)))


def standard_error(influence: Array) -> float:
    """The standard error from what each unit adds; nothing is known from a single unit."""
    units = len(influence)
    if units < 2:
        return math.inf
    return float(math.sqrt((influence**2).sum() * units / (units - 1)))


def _diagnostics(choices: Choices, clip: float | None) -> Diagnostics:
    weights, kept, trust = choices.weights(), choices.weights(clip), choices.trust
    trusted = trust * kept
    square = float((trusted**2).sum())
    cut = weights - kept

    def mean(values: Array) -> float:
        return float(np.average(values, weights=trust))

    return Diagnostics(
        choices=len(choices),
        units=int(choices.unit.max()) + 1,
        effective=float(trusted.sum()) ** 2 / square if square > 0 else 0.0,
        weight_max=float(weights.max()),
        weight_mean=mean(weights),
        clip=clip,
        clipped=mean((cut > 0).astype(np.float64)),
        clip_bias={
            "ips": -mean(cut * choices.reward),
            "dr": -mean(cut * (choices.reward - choices.expected)),
        },
        unsupported=mean(choices.unsupported),
    )


def check(clip: float | None, confidence: float) -> None:
    """Raises ValueError."""
    if clip is not None and clip <= 0:
        raise ValueError("a clip is above 0")
    if not 0 < confidence < 1:
        raise ValueError("a confidence lies between 0 and 1")
