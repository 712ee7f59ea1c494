"""Precision, recall and false alarms with their intervals, and what a text costs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.training.text_reader.texts import HARMLESS, LabelledText
from scripts.safety.sets import Side, kinds_of

_Z = 1.959964  # 97.5 % of a standard normal: an interval of 95 %


@dataclass(frozen=True)
class Rate:
    """A share with Wilson's interval (Wilson, 1927), which holds near 0 and 1 too."""

    found: int
    of: int

    @property
    def share(self) -> float:
        """The share itself; nan of nothing."""
        return self.found / self.of if self.of else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval."""
        if not self.of:
            return 0.0, 1.0
        square = _Z * _Z / self.of
        middle = (self.share + square / 2) / (1 + square)
        spread = self.share * (1 - self.share) / self.of + square / (4 * self.of)
        half = _Z * math.sqrt(spread) / (1 + square)
        return max(0.0, middle - half), min(1.0, middle + half)

    def to_json(self) -> dict[str, Any]:
        """As it is saved."""
        low, high = self.interval
        share = None if not self.of else round(self.share, 4)
        return {
            "found": self.found,
            "of": self.of,
            "share": share,
            "low": round(low, 4),
            "high": round(high, 4),
        }


@dataclass(frozen=True)
class Figures:
    """What one side did on one set."""

    side: str
    recall: Rate
    precision: Rate
    alarms: Rate  # false ones
    kinds: Mapping[tuple[str, str], Rate]  # alarms of each label and kind, true and false
    cost_ms: Mapping[str, float]
    wrong: Sequence[LabelledText]

    def to_json(self) -> dict[str, Any]:
        """As it is saved: no text, only counts and the ids of what went wrong."""
        return {
            "recall": self.recall.to_json(),
            "precision": self.precision.to_json(),
            "false_alarms": self.alarms.to_json(),
            "kinds": {
                f"{label}/{kind}": rate.to_json() for (label, kind), rate in self.kinds.items()
            },
            "cost_ms": dict(self.cost_ms),
        }


def measure(side: Side, texts: Sequence[LabelledText]) -> Figures:
    """Judge every text once, timed."""
    alarms: list[bool] = []
    seconds: list[float] = []
    for text in texts:
        started = time.perf_counter()
        alarms.append(side.finds(text.text))
        seconds.append(time.perf_counter() - started)
    wanted = [text.label != HARMLESS for text in texts]
    right = sum(alarm and want for alarm, want in zip(alarms, wanted, strict=True))
    false = sum(alarm and not want for alarm, want in zip(alarms, wanted, strict=True))
    return Figures(
        side=side.name,
        recall=Rate(right, sum(wanted)),
        precision=Rate(right, right + false),
        alarms=Rate(false, len(texts) - sum(wanted)),
        kinds={pair: _of_kind(pair, texts, alarms) for pair in kinds_of(texts)},
        cost_ms={"p50": _quantile(seconds, 0.5), "p99": _quantile(seconds, 0.99)},
        wrong=[t for t, a, w in zip(texts, alarms, wanted, strict=True) if a != w],
    )


def _of_kind(pair: tuple[str, str], texts: Sequence[LabelledText], alarms: Sequence[bool]) -> Rate:
    raised = [a for t, a in zip(texts, alarms, strict=True) if (t.label, t.kind) == pair]
    return Rate(sum(raised), len(raised))


def _quantile(seconds: Sequence[float], share: float) -> float:
    ordered = sorted(seconds)
    place = min(len(ordered) - 1, int(share * len(ordered)))
    return round(1_000 * ordered[place], 4) if ordered else math.nan


def cost_of_long(finds: Callable[[str], bool], texts: Sequence[str]) -> float:
    """Milliseconds of the slowest of some long texts, each the best of three runs."""
    slowest = 0.0
    for text in texts:
        times = []
        for _ in range(3):
            started = time.perf_counter()
            finds(text)
            times.append(time.perf_counter() - started)
        slowest = max(slowest, min(times))
    return round(1_000 * slowest, 3)
