"""Nobody waits for Redis longer than they have time for; the kinds of trouble are told apart."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest
import redis
from redis import exceptions

from app.domain import ReactionKind
from app.errors import StoreUnavailable
from app.store.link import troubles
from app.store.link.breaker import Outcome
from app.store.link.patience import patience, seconds_left
from app.telemetry import Metrics


def test_the_earliest_end_holds_within_blocks() -> None:
    assert seconds_left(2.0) == 2.0
    now = time.monotonic()
    with patience(now + 1.0):
        assert 0.9 < seconds_left(2.0) <= 1.0
        with patience(now + 5.0):
            assert seconds_left(2.0) <= 1.0
        with patience(now - 5.0):
            assert 0 < seconds_left(2.0) < 0.01  # never none, which a socket takes for never
        assert seconds_left(2.0) > 0.8
        assert seconds_left(0.1) == 0.1
    assert seconds_left(2.0) == 2.0


def test_a_frozen_redis_takes_no_longer_than_the_caller_has(
    own_redis: Any, store_on: Any, chat: Any, clock: Any
) -> None:
    mine = type(chat)(store_on(own_redis, redis_timeout_ms=10_000), clock)
    mine.say("warm")
    pid = own_redis.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        for call in (
            lambda: mine.begin("hi"),
            lambda: mine.store.people.check(mine.user_id, 1),
            lambda: mine.store.reactions.list(),
        ):
            began = time.monotonic()
            with pytest.raises(StoreUnavailable), patience(began + 0.2):
                call()
            assert 0.15 < time.monotonic() - began < 2.0
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_wait_that_was_cut_short_does_not_speak_against_redis(
    own_redis: Any, store_on: Any
) -> None:
    store = store_on(own_redis)
    store.ping()
    pid = own_redis.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(10):
            with pytest.raises(StoreUnavailable), patience(time.monotonic() + 0.01):
                store.ping()
    finally:
        os.kill(pid, signal.SIGCONT)
    store.ping()  # at once: nothing was opened
    store.ping()


def test_a_connection_lent_to_the_hasty_is_as_patient_as_ever_afterwards(
    own_redis: Any, store_on: Any
) -> None:
    store = store_on(own_redis, redis_timeout_ms=5_000)
    with patience(time.monotonic() + 0.05):
        store.ping()
    with store._core.client.guard() as connection:
        began = time.monotonic()
        connection.blpop(["nothing"], timeout=0.3)
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize(
    ("error", "kind", "outcome"),
    [
        (exceptions.TimeoutError(), "timeout", Outcome.SLOW),
        (exceptions.ConnectionError(), "connection", Outcome.FAILED),
        (exceptions.BusyLoadingError(), "loading", Outcome.FAILED),
        (exceptions.ReadOnlyError("You can't write"), "readonly", Outcome.FINE),
        (exceptions.OutOfMemoryError("command not allowed"), "memory", Outcome.FINE),
        (exceptions.MasterDownError("no link"), "replicas", Outcome.FINE),
        (exceptions.ClusterDownError("down"), "cluster", Outcome.FINE),
        (exceptions.ResponseError("NOREPLICAS Not enough"), "replicas", Outcome.FINE),
        (
            exceptions.ResponseError("MISCONF Errors writing to the AOF: No space left on device"),
            "disk-full",
            Outcome.FINE,
        ),
        (exceptions.ResponseError("MISCONF Redis is configured to save"), "disk", Outcome.FINE),
        (exceptions.ResponseError("WRONGTYPE"), "refused", Outcome.FINE),
    ],
)
def test_every_trouble_has_a_kind(error: redis.RedisError, kind: str, outcome: Outcome) -> None:
    assert troubles.kind_of(error) == kind
    assert kind in troubles.KINDS
    assert troubles.outcome_of(kind) is outcome


def test_a_redis_that_refuses_writes_is_counted_by_why_and_still_asked(
    own_redis: Any, store_on: Any, chat: Any, clock: Any, metrics: Metrics
) -> None:
    full = type(chat)(store_on(own_redis), clock)
    reply = full.say("before")
    plain = redis.Redis(unix_socket_path=str(own_redis.socket), protocol=2)
    try:
        for setting, kind in (("maxmemory", "memory"), ("min-replicas-to-write", "replicas")):
            plain.config_set(setting, 1)
            before = metrics.store_unavailable.labels("data", kind)._value.get()
            for _ in range(7):  # more than would open the breaker
                with pytest.raises(StoreUnavailable):
                    full.store.reactions.react(full.user_id, reply.reply_id, ReactionKind.LOVE)
            assert metrics.store_unavailable.labels("data", kind)._value.get() == before + 7
            plain.config_set(setting, 0)
        assert full.store.reactions.react(full.user_id, reply.reply_id, ReactionKind.LOVE)
    finally:
        plain.close()
        plain.connection_pool.disconnect()
