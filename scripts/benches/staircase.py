"""Load steps up to a peak and back, and what a service did on each of them.

Every step begins with seconds that do not count (the control moves meanwhile), then come those that
do; the arrivals go on through all of it without a gap.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scripts.benches import answers, service
from scripts.benches.answers import Run
from scripts.benches.load import Attempt

MULTIPLES = (0.5, 0.8, 1.0, 1.5, 2.0, 5.0, 10.0)  # of the capacity
_CANDIDATES = re.compile(r'kindred_reply_candidates_bucket\{.*le="([^"]+)"')


@dataclass(frozen=True)
class Stairs:
    """The steps: multiples of `capacity` (a second), and how long each settles and counts."""

    capacity: float
    settle: float
    seconds: float
    multiples: tuple[float, ...] = MULTIPLES

    @property
    def path(self) -> tuple[float, ...]:
        """Up and back; the peak comes once."""
        return (*self.multiples, *reversed(self.multiples[:-1]))

    @property
    def steps(self) -> str:
        """As the load generator takes them: two steps of its own for each of ours."""
        rates = (multiple * self.capacity for multiple in self.path)
        return ",".join(f"{rate:.4f}:{self.settle},{rate:.4f}:{self.seconds}" for rate in rates)

    @property
    def duration(self) -> float:
        """Seconds of it all."""
        return len(self.path) * (self.settle + self.seconds)


def climb(at: service.Service, stairs: Stairs, objective: float, seed: int) -> list[dict[str, Any]]:
    """One way up and back; a row of figures for each step."""
    readings: list[dict[str, float] | None] = []
    end = service.load(
        at, lambda _: readings.append(_reading(at)), steps=stairs.steps, auth=True, seed=seed
    )
    readings.append(_reading(at))
    run = Run.of(end)
    rows = []
    for number, multiple in enumerate(stairs.path):
        counted = 2 * number + 1
        before, after = readings[counted], readings[counted + 1]
        ns = candidates(before, after) if before is not None and after is not None else {}
        rows.append(
            {
                "multiple": multiple,
                "back": number >= len(stairs.multiples),
                "candidates": ns,
                **figures(run.step(counted), stairs.seconds, objective),
                "load_cpu_share": run.cpu_share,
                "load_lag_p99_ms": 1e3 * run.lag_p99,
            }
        )
    return rows


def _reading(at: service.Service) -> dict[str, float] | None:
    """The metrics; None where an overloaded service does not even tell those."""
    try:
        return service.metrics(at)
    except OSError:
        return None


def figures(attempts: Sequence[Attempt], seconds: float, objective: float) -> dict[str, Any]:
    """What a step's messages got. Latencies are of those that were answered; seconds a second."""
    got = [a for a in attempts if answers.answered(a)]
    refusals = [a for a in attempts if answers.refused(a)]
    return {
        "offered": len(attempts) / seconds,
        "answered": len(got) / seconds,
        "refused": len(refusals) / seconds,
        "lost": (len(attempts) - len(got) - len(refusals)) / seconds,
        "goodput": sum(answers.good(a, objective) for a in attempts) / seconds,
        "degraded": sum(a.degraded for a in got) / max(1, len(got)),
        "fallback": sum(a.kind == answers.FALLBACK for a in got) / max(1, len(got)),
        **{f"p{int(100 * q)}_ms": 1e3 * answers.quantile(got, q) for q in (0.5, 0.95, 0.99)},
        "refusal_p99_ms": 1e3 * answers.quantile(refusals, 0.99),
    }


def candidates(before: dict[str, float], after: dict[str, float]) -> dict[str, int]:
    """How many replies were chosen among N generated candidates, by N (a bucket's upper bound)."""
    cumulative: dict[float, float] = {}
    for key, value in after.items():
        if (match := _CANDIDATES.match(key)) and match[1] != "+Inf":
            cumulative[float(match[1])] = value - before.get(key, 0.0)
    counts, below = {}, 0.0
    for bound, reached in sorted(cumulative.items()):
        if reached > below:
            counts[str(int(bound))] = int(reached - below)
        below = reached
    return counts


def mean_n(counts: dict[str, int]) -> float:
    """The mean number of candidates; NaN of none."""
    replies = sum(counts.values())
    return sum(int(n) * k for n, k in counts.items()) / replies if replies else float("nan")


def mean_gain(counts: dict[str, int], gain: Sequence[float]) -> float:
    """The mean of gain(N); what is beyond the table counts as its last. NaN of none."""
    replies = sum(counts.values())
    if not replies:
        return float("nan")
    return sum(gain[min(int(n), len(gain) - 1)] * k for n, k in counts.items()) / replies


def gained(row: dict[str, Any], gain: Sequence[float]) -> float:
    """Σ gain(N) a second over a step's answered messages; a fallback line gains nothing."""
    ranked = row["answered"] * (1.0 - row["fallback"])
    return ranked * mean_gain(row["candidates"], gain) if ranked else 0.0


def medians(climbs: list[list[dict[str, Any]]], gain: Sequence[float] | None) -> dict[str, Any]:
    """By multiple: the median of each figure over all climbs, up and back together."""
    found: dict[str, Any] = {}
    for multiple in dict.fromkeys(row["multiple"] for row in climbs[0]):
        rows = [row for climb in climbs for row in climb if row["multiple"] == multiple]
        for row in rows:
            row["mean_n"] = mean_n(row["candidates"])
            row["gain"] = gained(row, gain) if gain else float("nan")
        numbers = [key for key, value in rows[0].items() if isinstance(value, float)]
        found[f"{multiple:g}"] = {
            key: _median([row[key] for row in rows]) for key in numbers if key != "multiple"
        }
        found[f"{multiple:g}"]["observations"] = len(rows)
    return found


def _median(values: list[float]) -> float:
    known = [value for value in values if value == value]
    return statistics.median(known) if known else float("nan")
