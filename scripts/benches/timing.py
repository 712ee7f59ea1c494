"""Sides of a comparison that take turns, and the medians of their rounds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Clock = Callable[[], float]
Side = Callable[[], float | None]
"""Does a side's work once. A side that times itself returns seconds (one in another process, whose
pipe is not what is measured); for one that returns None the caller's clock counts."""


@dataclass(frozen=True)
class Spread:
    """The median of a side's rounds, the fastest and the slowest; seconds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, seconds: list[float]) -> Spread:
        """The spread of at least one round."""
        return cls(statistics.median(seconds), min(seconds), max(seconds))


def alternate(
    sides: Mapping[str, Side],
    rounds: int,
    *,
    warm: int = 1,
    clock: Clock = time.perf_counter,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, list[float]]:
    """Seconds of each side in each round.

    A round runs every side once. The side that begins moves on by one from round to round, so that
    none is always the one that follows the same other. `warm` unmeasured rounds go first.
    """
    names = list(sides)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-warm, rounds):
        if number >= 0:
            say(f"round {number + 1} of {rounds}")
        shift = number % len(names) if names else 0
        for name in (*names[shift:], *names[:shift]):
            began = clock()
            told = sides[name]()
            took = clock() - began if told is None else told
            if number >= 0:
                seconds[name].append(took)
    return seconds


def median_of(rows: list[dict[str, float]]) -> dict[str, float]:
    """The median of every figure over the rounds of one side; all rows have the same keys."""
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]} if rows else {}


def quantile(values: list[float], q: float) -> float:
    """The q-quantile of values in any order, by the nearest rank; NaN of nothing."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]
