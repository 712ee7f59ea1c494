"""A lane around any reader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from app.serving.screens.sentences import Sentences
from app.telemetry import Metrics


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def opened(metrics: Metrics) -> Iterator[Any]:
    lanes: list[Sentences] = []

    def open_(reader: Any, seconds: float = 5.0) -> Sentences:
        lanes.append(Sentences(reader, metrics, seconds=seconds))
        return lanes[-1]

    yield open_
    for lane in lanes:
        lane.close()
