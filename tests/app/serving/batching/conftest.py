"""The batcher of a toy model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from prometheus_client import CollectorRegistry

from app.serving.batching.batcher import Batcher
from app.serving.batching.queue import Budget
from app.telemetry import Metrics
from tests.app.serving.batching.toy import Make


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


@pytest.fixture
def make(metrics: Metrics) -> Iterator[Make]:
    made: list[Batcher[int, int]] = []

    def batcher(run: Callable[[list[int]], Sequence[int]], **options: object) -> Batcher[int, int]:
        budget = options.pop("budget", Budget(1_000, 64))
        made.append(Batcher("toy", run, budget, lambda item: 1, metrics, **options))  # type: ignore[arg-type]
        return made[-1]

    yield batcher
    for one in made:
        one.close()
