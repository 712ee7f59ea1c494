"""Canaries and the hub monitor."""

from __future__ import annotations

import time

import gevent
import pytest

from app.errors import DeadlineExceeded, ModelFailure, Overloaded
from app.serving.health import Canaries, Canary, HubMonitor
from app.telemetry import Metrics


def good(deadline: float) -> None:
    assert deadline > time.monotonic()


def failing(error: Exception) -> Canary:
    def canary(deadline: float) -> None:
        raise error

    return canary


def test_all_models_must_answer() -> None:
    assert Canaries({"a": good, "b": good}, lambda name: None).ask().ready
    health = Canaries({"a": good, "b": failing(ModelFailure())}, lambda name: None).ask()
    assert not health.ready
    assert health.detail["models"]["b"] == {"ok": False, "error": "model-failure"}
    assert health.detail["models"]["a"]["ok"]


@pytest.mark.parametrize("error", [DeadlineExceeded(), Overloaded()])
def test_a_busy_model_is_well_while_it_finishes_batches(error: Exception) -> None:
    now = time.monotonic()
    assert Canaries({"a": failing(error)}, lambda name: now).ask().ready
    assert not Canaries({"a": failing(error)}, lambda name: now - 60).ask().ready
    assert not Canaries({"a": failing(error)}, lambda name: None).ask().ready


def test_however_many_ask_the_models_are_asked_once() -> None:
    asked = []

    def slow(deadline: float) -> None:
        asked.append(deadline)
        gevent.sleep(0.01)

    canaries = Canaries({"a": slow}, lambda name: None)
    curious = [gevent.spawn(canaries.ask) for _ in range(20)]
    gevent.joinall(curious, raise_error=True)
    assert all(greenlet.value.ready for greenlet in curious)
    assert len(asked) == 1


def test_the_monitor_sees_a_blocked_hub() -> None:
    metrics = Metrics()
    monitor = HubMonitor(metrics)
    assert monitor.p99() == 0.0
    gevent.sleep(0.03)
    time.sleep(0.2)  # what must never happen: the hub's own thread sleeps
    gevent.sleep(0.01)
    monitor.close()
    count = metrics.registry.get_sample_value("kindred_hub_gap_seconds_count")
    total = metrics.registry.get_sample_value("kindred_hub_gap_seconds_sum")
    assert count
    assert total is not None
    assert total >= 0.15
    assert max(monitor._gaps) >= 0.15
