"""What quotas count with: Redis for every worker, and each process's memory where Redis is away."""

from __future__ import annotations

import os
import signal
import time

import pytest
import redis
from limits import RateLimitItemPerMinute

from app.store.link.brief import brief_pool
from app.store.store import Store
from app.telemetry import Metrics
from app.web.limits import REDIS_SECONDS, Exceeded, Memory, Quota, Shared
from tests.app.web.helpers import JWT_SECRET

AWAY = "redis://127.0.0.1:1"


def test_every_worker_counts_the_same_guests(store: Store, metrics: Metrics) -> None:
    one, two = (Quota("g", 2, Shared(store.brief_pool(5.0), metrics, JWT_SECRET)) for _ in range(2))
    one.take("192.0.2.1")
    two.take("192.0.2.1")
    with pytest.raises(Exceeded):
        one.take("192.0.2.1")


def test_redis_away_means_counting_in_memory(metrics: Metrics) -> None:
    now = [0.0]
    shared = Shared(brief_pool(AWAY, 0.05), metrics, JWT_SECRET, clock=lambda: now[0])
    quota = Quota("g", 2, shared)
    quota.take("a")
    quota.take("a")
    with pytest.raises(Exceeded):
        quota.take("a")
    quota.take("b")
    assert metrics.registry.get_sample_value("kindred_failures_total", {"where": "quota"}) == 1
    now[0] = 60.0
    with pytest.raises(Exceeded):
        quota.take("a")
    assert metrics.registry.get_sample_value("kindred_failures_total", {"where": "quota"}) == 2


def test_a_frozen_redis_is_asked_once_and_memory_counts_on(
    store: Store, metrics: Metrics, empty_redis: redis.Redis
) -> None:
    pool = store.brief_pool(REDIS_SECONDS)
    assert pool.connection_kwargs["retry"].get_retries() == 0  # so one answer is waited for, once
    assert pool.connection_kwargs["socket_timeout"] <= 0.05
    shared = Shared(pool, metrics, JWT_SECRET)
    shared(RateLimitItemPerMinute(9), "warm")
    pid = empty_redis.info("server")["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        counted = [shared(RateLimitItemPerMinute(9), "a") for _ in range(3)]
    finally:
        os.kill(pid, signal.SIGCONT)
    assert [c.remaining for c in counted] == [8, 7, 6]
    assert metrics.registry.get_sample_value("kindred_failures_total", {"where": "quota"}) == 1


def test_memory_counts_names_apart() -> None:
    quota = Quota("m", 1, Memory())
    assert quota.take("a")["RateLimit"].startswith('"m";r=0;t=')
    quota.take("b")
    with pytest.raises(Exceeded) as caught:
        quota.take("a")
    assert caught.value.retry_after is not None
    assert 1 <= caught.value.retry_after <= 60


def test_a_window_in_memory_begins_with_its_first_hit_and_ends() -> None:
    now = [1_000.0]
    memory = Memory(clock=lambda: now[0])
    quota = Quota("m", 2, memory)
    assert quota.take("a")["RateLimit"] == '"m";r=1;t=60'
    now[0] += 59.5
    assert quota.take("a")["RateLimit"] == '"m";r=0;t=1'
    with pytest.raises(Exceeded) as refused:
        quota.take("a")
    assert refused.value.retry_after == 1
    now[0] += 0.5
    assert quota.take("a")["RateLimit"] == '"m";r=1;t=60'


@pytest.mark.parametrize("leap", [-3_600.0, 3_600.0])
def test_a_wall_clock_that_is_set_changes_no_window(
    monkeypatch: pytest.MonkeyPatch, leap: float
) -> None:
    quota = Quota("m", 1, Memory())
    quota.take("a")
    wall = time.time() + leap
    monkeypatch.setattr(time, "time", lambda: wall)
    with pytest.raises(Exceeded):
        quota.take("a")


def test_memory_forgets_who_has_gone() -> None:
    now = [0.0]
    memory = Memory(clock=lambda: now[0])
    quota = Quota("m", 2, memory)
    for number in range(100):
        quota.take(f"person {number}")
    now[0] += 60.0
    quota.take("another")
    assert len(memory._windows) == 1


def test_looking_counts_nothing(store: Store, metrics: Metrics) -> None:
    for count in (Memory(), Shared(store.brief_pool(5.0), metrics, JWT_SECRET)):
        quota = Quota("w", 1, count)
        for _ in range(3):
            quota.check("a")
        quota.take("a")
        with pytest.raises(Exceeded):
            quota.check("a")
        quota.check("b")


def test_what_is_under_way_is_counted_too() -> None:
    quota = Quota("w", 3, Memory())
    quota.take("a")
    quota.check("a", 1)
    with pytest.raises(Exceeded):
        quota.check("a", 2)
