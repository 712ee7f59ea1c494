"""What a run of the load generator says: throughput, latencies, refusals, recovery. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self

from scripts.benches.load import Attempt

FALLBACK = "fallback"  # a line that stands for a reply: it counts as an answer, not as a good one


@dataclass(frozen=True)
class Run:
    """All attempts of a run (times in seconds since its beginning), and how the generator fared."""

    attempts: tuple[Attempt, ...]
    seconds: float
    cpu_share: float
    lag_p50: float
    lag_p99: float

    @classmethod
    def of(cls, end: dict[str, Any]) -> Self:
        """From the generator's last event."""
        return cls(
            tuple(Attempt(*row) for row in end["attempts"]),
            end["seconds"],
            end["cpu_share"],
            end["lag_p50"],
            end["lag_p99"],
        )

    def step(self, *numbers: int) -> list[Attempt]:
        """The attempts of messages that were meant to start in these steps."""
        return [a for a in self.attempts if a.step in numbers]


def answered(attempt: Attempt) -> bool:
    """Whether there was a reply, late or not."""
    return attempt.status == 200


def refused(attempt: Attempt) -> bool:
    """Whether it was told to come back later."""
    return attempt.status in (429, 503)


def good(attempt: Attempt, objective: float) -> bool:
    """A reply that is no fallback line, within the objective (seconds) of its intended start."""
    return (
        answered(attempt) and attempt.kind != FALLBACK and attempt.done - attempt.first <= objective
    )


def whole(attempt: Attempt, objective: float) -> bool:
    """A good one that nothing was left out of: no stage was late."""
    return good(attempt, objective) and not attempt.degraded


def quantile(attempts: Iterable[Attempt], q: float) -> float:
    """Quantile (nearest rank) of the seconds since the intended start; NaN of nothing.

    One that was cut counts with its age then: a lower bound, where leaving it out would flatter.
    """
    latencies = sorted(a.done - a.due for a in attempts)
    if not latencies:
        return math.nan
    return latencies[max(0, math.ceil(q * len(latencies)) - 1)]


def throughput(run: Run, begin: float, end: float) -> float:
    """Replies a second that came between two times of a run."""
    count = sum(answered(a) and begin <= a.done < end for a in run.attempts)
    return count / (end - begin)


def statuses(attempts: Iterable[Attempt]) -> dict[str, int]:
    """How many had which status and kind, the most frequent first."""
    return dict(Counter(f"{a.status} {a.kind}".strip() for a in attempts).most_common())


def recovery(
    attempts: Iterable[Attempt],
    begin: float,
    end: float,
    fine: Callable[[Attempt], bool],
    share: float = 0.95,
) -> float | None:
    """Seconds after `begin` from which on every second's messages went well; None: never.

    A second went well when `share` of the messages first meant to start in it ended fine, at
    whichever attempt.
    """
    last: dict[tuple[int, float], bool] = {}
    for a in sorted(attempts, key=lambda a: a.number):
        if begin <= a.first < end:
            last[(int(a.first - begin), a.first)] = fine(a)
    seconds: dict[int, list[bool]] = {}
    for (second, _), ok in last.items():
        seconds.setdefault(second, []).append(ok)
    bad = [s for s, oks in seconds.items() if sum(oks) < share * len(oks)]
    recovered = max(bad) + 1.0 if bad else 0.0
    return recovered if recovered < end - begin else None
