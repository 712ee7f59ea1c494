"""How much memory the processes had, and whether it grew. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

FLAT = 0.03  # growth of a worker's memory that passes for none


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: seconds of the run, the worker and its bytes in RAM, those of Redis."""

    at: float
    worker: int  # process id, 0: there is none
    worker_bytes: int
    redis_bytes: int


@dataclass(frozen=True, slots=True)
class Life:
    """One worker's life. `growth`: from the first fifth after settling to the last; None: short."""

    worker: int
    begins: float
    ends: float
    settled_bytes: int
    last_bytes: int
    growth: float | None


def lives(samples: Sequence[Sample], settle: float) -> list[Life]:
    """The workers in order. What they allocate in the first `settle` seconds is their making."""
    found = []
    for worker, looked in groupby(samples, key=lambda sample: sample.worker):
        if not worker:
            continue
        life = list(looked)
        settled = [s for s in life if s.at >= life[0].at + settle]
        fifth = len(settled) // 5
        first = _median(settled[:fifth] or settled or life)
        last = _median(settled[-fifth:] if fifth else settled or life)
        growth = last / first - 1 if fifth and first else None
        found.append(Life(worker, life[0].at, life[-1].at, first, last, growth))
    return found


def _median(samples: Sequence[Sample]) -> int:
    return int(statistics.median(sample.worker_bytes for sample in samples))
