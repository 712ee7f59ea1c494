"""Which batch hangs, and what an engine does about it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import gevent
import pytest

from app.errors import Overloaded
from app.serving.batching.hang_watch import HangWatch
from app.serving.batching.reports import Backlog
from app.serving.engine import Engine
from app.telemetry import Metrics

ROOT = Path(__file__).parents[4]
Open = Callable[..., Engine]


def running(seconds: float) -> Callable[[], Backlog]:
    return lambda: Backlog(0, 0, 1, seconds)


def watch(**backlogs: Callable[[], Backlog]) -> HangWatch:
    made = HangWatch(backlogs, 10.0, lambda model: None)
    made.close()  # the test looks by itself
    return made


def test_a_batch_that_is_overdue_twice_hangs() -> None:
    watching = watch(encoder=running(3), reranker=running(11), generator=running(0))
    assert watching.look() is None
    assert watching.look() == "reranker"


def test_one_that_came_back_between_two_looks_does_not() -> None:
    seconds = iter([3_600.0, 0.1, 11.0, 0.0])  # the machine slept for an hour
    watching = watch(encoder=lambda: Backlog(0, 0, 1, next(seconds)))
    assert [watching.look() for _ in range(4)] == [None] * 4


def test_an_engine_whose_model_hangs_refuses_and_asks_for_an_end(
    open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics()
    engine = open_engine(metrics, hang_seconds=0.5)
    asked: list[str] = []
    engine.when_hung(asked.append)
    over = Event()
    monkeypatch.setattr(engine._lanes.encode._execution, "_run", hanging(over))
    try:
        engine.embed(["hi"], time.monotonic() + 60)
        for _ in range(400):
            if asked:
                break
            gevent.sleep(0.01)
        assert asked == ["encoder"]
        health = engine.health()
        assert not health.ready
        assert (health.detail["state"], health.detail["hung"]) == ("hung", "encoder")
        with pytest.raises(Overloaded):
            engine.admission()
        later: list[str] = []
        engine.when_hung(later.append)  # who asks late is told too
        assert later == ["encoder"]
        name, labels = "kindred_failures_total", {"where": "hung_encoder"}
        assert metrics.registry.get_sample_value(name, labels) == 1
    finally:
        over.set()


@pytest.mark.faults(19)
@pytest.mark.parametrize("name", ["input_screen", "output_screen"])
def test_row_19_a_screen_that_hangs_is_a_model_that_hangs(
    name: str, open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics()
    engine = open_engine(metrics, hang_seconds=0.5, artifacts_dir=ROOT / "artifacts")
    lanes = {lane.name: lane for lane in (engine.sentences, engine.replies) if lane is not None}
    assert engine.health().detail["screens"] == ["input_screen", "output_screen"]
    asked: list[str] = []
    engine.when_hung(asked.append)
    over = Event()
    monkeypatch.setattr(lanes[name]._lane._execution, "_run", hanging(over))
    try:
        lanes[name].submit(["hi"], time.monotonic() + 60)
        end = time.monotonic() + 30
        while not asked and time.monotonic() < end:
            gevent.sleep(0.01)
        assert asked == [name]
        assert not engine.health().ready
    finally:
        over.set()


def hanging(over: Event) -> Callable[[list[object]], list[object]]:
    def run(items: list[object]) -> list[object]:
        over.wait(60)
        return items

    return run
