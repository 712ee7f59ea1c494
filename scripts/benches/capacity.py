"""The highest load that still holds: a search over rates, each probe a noisy yes or no. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable

Holds = Callable[[float], bool]

_WIDEST = 8  # doublings or halvings before a search gives up


def highest(holds: Holds, guess: float, ratio: float = 1.05) -> float:
    """The highest rate that holds, to within `ratio`; it was itself tried and held.

    First outwards from the guess by halves and doubles, then inwards by the geometric mean.
    Raises ValueError where nothing holds, or everything does.
    """
    low, high = _bracket(holds, guess)
    while high / low > ratio:
        middle = math.sqrt(low * high)
        if holds(middle):
            low = middle
        else:
            high = middle
    return low


def confirmed(holds: Holds, rate: float, tries: int = 3, ratio: float = 1.05) -> float:
    """The rate, lowered by `ratio` until it holds in most of `tries`: one probe can be lucky."""
    for _ in range(_WIDEST * 2):
        held = 0
        for done in range(1, tries + 1):
            held += holds(rate)
            if held > tries / 2:
                return rate
            if done - held >= tries / 2:
                break
        rate /= ratio
    raise ValueError(f"nothing near {rate:.2f} a second holds")


def _bracket(holds: Holds, guess: float) -> tuple[float, float]:
    rate, step = guess, 2.0 if holds(guess) else 0.5
    for _ in range(_WIDEST):
        rate, before = rate * step, rate
        if holds(rate) != (step > 1.0):
            return (before, rate) if step > 1.0 else (rate, before)
    raise ValueError(f"no rate between {guess:.2f} and {rate:.2f} a second is the limit")
