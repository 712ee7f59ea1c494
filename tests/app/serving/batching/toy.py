"""A toy model for the batcher, and how its tests read outcomes and counts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from app.serving.batching.batcher import Batcher
from app.serving.batching.ticket import Outcome
from app.telemetry import Metrics

FAR = 30.0  # seconds: a deadline that no test meets


@dataclass
class Model:
    """Doubles numbers; `trouble` is asked before each batch and may raise or sleep."""

    trouble: Callable[[list[int]], None] = lambda items: None
    batches: list[list[int]] = field(default_factory=list)

    def run(self, items: list[int]) -> list[int]:
        self.batches.append(list(items))
        self.trouble(items)
        return [2 * item for item in items]


Make = Callable[..., Batcher[int, int]]


def deadline(seconds: float = FAR) -> float:
    return time.monotonic() + seconds


def values(outcomes: list[Outcome[int]]) -> list[int | str]:
    return [o.get() if o.error is None else type(o.error).__name__ for o in outcomes]


def sample(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0
