"""What N generated candidates are worth: the expected serving score of the best of a slate.

`artifacts/gain.json` is measured by `./scripts/bench gain` and holds for the models named in it;
for other models a default stands in: most of the worth lies in answering at all, and each further
candidate adds less than the one before (the expected maximum of independent draws is concave in
their number).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.telemetry import get_logger

FILE = "gain.json"
_DECIDING = ("generator", "reranker")  # another version of these, and the curve is another one


@dataclass(frozen=True, slots=True)
class Gain:
    """The worth of a reply by its number of candidates: `values[n]`, never falling, above 0.

    `short` is what one candidate of half the usual length is worth.
    """

    values: tuple[float, ...]
    short: float

    def of(self, n: int, length: float = 1.0) -> float:
        """The worth of n candidates of so much of the usual length (0.5: the short one)."""
        if n == 1 and length < 1.0:
            return self.short
        return self.values[min(n, len(self.values) - 1)]


def measured(values: Sequence[float], short: float | None = None) -> Gain:
    """A gain from measured values: what sampling noise makes fall is levelled.

    Raises:
        ValueError: no values, or one that is not a positive number.
    """
    if not values or not all(math.isfinite(value) and value > 0 for value in values):
        raise ValueError("a gain is a list of positive numbers")
    rising = [max(values[: n + 1]) for n in range(len(values))]
    one = rising[min(1, len(rising) - 1)]
    half = (rising[0] + one) / 2 if short is None or not math.isfinite(short) else short
    return Gain(tuple(rising), min(one, max(rising[0], half)))


DEFAULT = measured([1.0 - 0.1 * 0.8**n for n in range(33)])


def load_gain(artifacts: Path, versions: Mapping[str, str]) -> Gain:
    """The measured gain of these models, or the default; which one, a log line says."""
    log, path = get_logger("serving.gain"), artifacts / FILE
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        differ = [name for name in _DECIDING if found["versions"].get(name) != versions.get(name)]
        if not differ:
            return measured(found["gain"], found.get("short"))
        log.info("gain_default", reason="measured for other models", differ=differ)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.info("gain_default", reason="not readable", error=type(error).__name__)
    return DEFAULT
