"""Paired statistics over seeds: does one arm do better than another, or was it luck?

Every seed is one pair. The interval is a bootstrap of the mean difference (Efron 1979); the tests
are exact, by counting: Wilcoxon's signed ranks (1945) and the sign test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from random import Random

_RESAMPLES = 10_000
_SEED = 11


@dataclass(frozen=True)
class Comparison:
    """Of n differences, b less a in each seed."""

    n: int
    mean: float
    low: float  # of the 95 % interval of the mean
    high: float
    wilcoxon: float  # p, two-sided; 1 where there is nothing to rank
    sign: float  # p, two-sided
    better: int  # seeds in which b is above a

    @property
    def clear(self) -> bool:
        """Whether the difference is significant: by the interval and by the ranks, at 5 %."""
        return (self.low > 0 or self.high < 0) and self.wilcoxon < 0.05


def compare(a: Sequence[float], b: Sequence[float]) -> Comparison:
    """The paired differences b - a; ValueError where the seeds are not the same in number."""
    differences = [y - x for x, y in zip(a, b, strict=True)]
    if not differences:
        raise ValueError("there are no seeds to compare")
    low, high = bootstrap(differences)
    return Comparison(
        n=len(differences),
        mean=sum(differences) / len(differences),
        low=low,
        high=high,
        wilcoxon=wilcoxon(differences),
        sign=sign_test(differences),
        better=sum(d > 0 for d in differences),
    )


def bootstrap(values: Sequence[float], share: float = 0.95) -> tuple[float, float]:
    """Percentile interval of the mean; the same values give the same interval."""
    rng = Random(_SEED)
    means = sorted(sum(rng.choices(values, k=len(values))) / len(values) for _ in range(_RESAMPLES))
    out = (1 - share) / 2
    return means[int(out * _RESAMPLES)], means[int((1 - out) * _RESAMPLES) - 1]


def wilcoxon(differences: Sequence[float]) -> float:
    """Exact two-sided p of the signed ranks; zeros are left out, ties share their mean rank."""
    kept = sorted((d for d in differences if d != 0), key=abs)
    if not kept:
        return 1.0
    # Twice the rank is whole even where ties share one, so that sums can be counted.
    ranks = [_double_rank(kept, i) for i in range(len(kept))]
    total = sum(ranks)
    ways = [1] + [0] * total  # ways[s]: sign patterns whose positive ranks add up to s
    for rank in ranks:
        for s in range(total, rank - 1, -1):
            ways[s] += ways[s - rank]
    positive = sum(rank for rank, d in zip(ranks, kept, strict=True) if d > 0)
    extreme = min(positive, total - positive)
    return min(1.0, 2 * sum(ways[: extreme + 1]) / 2 ** len(kept))


def sign_test(differences: Sequence[float]) -> float:
    """Exact two-sided p of the signs alone; zeros are left out."""
    n = sum(d != 0 for d in differences)
    fewer = min(sum(d > 0 for d in differences), sum(d < 0 for d in differences))
    return min(1.0, 2 * sum(comb(n, k) for k in range(fewer + 1)) / 2**n)


def _double_rank(ordered: Sequence[float], place: int) -> int:
    size = abs(ordered[place])
    same = [i + 1 for i, other in enumerate(ordered) if abs(other) == size]
    return same[0] + same[-1]
