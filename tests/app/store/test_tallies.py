"""Counts of nobody: durable, added once, waiting while Redis is away."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from app.errors import StoreUnavailable
from app.store import tallies
from app.store.link.client import RedisClient
from app.store.server.private_redis import PrivateRedis
from app.store.store import Store
from tests.app.store.conftest import Chat, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock(1_798_761_500.0)  # 2026-12-31 23:58:20 UTC


def year(store: Store, which: int) -> Any:
    return tallies.year(store._core.client, which)


def test_counts_are_kept_by_day_and_outlive_conversations(
    store: Store, clock: Clock, empty_redis: redis.Redis
) -> None:
    store.tallies.count("referral:self", "disclosure")
    store.tallies.count("disclosure")
    clock.tick(600)
    store.tallies.count("break")
    assert store.tallies.flush()
    assert not store.tallies.waiting
    assert year(store, 2026) == {"2026-12-31": {"disclosure": 2, "referral:self": 1}}
    assert year(store, 2027) == {"2027-01-01": {"break": 1}}
    assert year(store, 2025) == {}
    kept = empty_redis.ttl("kindred:{safety}:2026-12")
    assert kept > 5 * 365 * 86_400 > store._core.ttl


def test_nothing_of_anybody_is_in_the_keys(
    store: Store, chat: Chat, empty_redis: redis.Redis
) -> None:
    chat.say("hello")
    store.tallies.count("referral:self")
    store.tallies.flush()
    [name] = empty_redis.keys("kindred:{safety}:2*")
    assert empty_redis.hgetall(name) == {b"2026-12-31:referral:self": b"1"}
    store.people.erase(chat.user_id)
    assert empty_redis.hgetall(name) == {b"2026-12-31:referral:self": b"1"}


def test_a_batch_whose_answer_was_lost_is_added_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RedisClient.run

    def lose(self: RedisClient, name: str, keys: Any, arguments: Any) -> Any:
        run(self, name, keys, arguments)
        raise StoreUnavailable("lost")

    store.tallies.count("referral:self")
    with monkeypatch.context() as patch:
        patch.setattr(RedisClient, "run", lose)
        assert not store.tallies.flush()
        store.tallies.count("referral:self")
    assert sum(store.tallies.waiting.values()) == 2
    assert store.tallies.flush()
    assert year(store, 2026) == {"2026-12-31": {"referral:self": 2}}


def test_two_processes_add_up(store: Store, store_with: Any) -> None:
    other = store_with()
    for each in (store, other, store):
        each.tallies.count("disclosure")
        assert each.tallies.flush()
    assert year(store, 2026) == {"2026-12-31": {"disclosure": 3}}


def test_what_may_wait_is_sent_once_a_second_and_at_the_end(
    store: Store, clock: Clock, store_with: Any
) -> None:
    store.tallies.count("disclosure")
    assert store.tallies.flush(hasty=False)
    store.tallies.count("disclosure")
    assert store.tallies.flush(hasty=False)
    assert store.tallies.waiting
    clock.tick(1.0)
    store.tallies.flush(hasty=False)
    assert not store.tallies.waiting
    ending = store_with()
    ending.tallies.count("break")
    ending.close()
    assert year(store, 2026) == {"2026-12-31": {"break": 1, "disclosure": 2}}


def test_counts_wait_while_redis_is_away(own_redis: PrivateRedis, store_on: Any) -> None:
    store = store_on(own_redis, redis_timeout_ms=1_000)
    store.tallies.count("referral:self")
    assert store.tallies.flush()
    own_redis.stop()
    store.tallies.count("referral:other", "disclosure")
    assert not store.tallies.flush()
    own_redis.start()
    assert store.tallies.flush()
    assert year(store, 2026) == {
        "2026-12-31": {"disclosure": 1, "referral:other": 1, "referral:self": 1}
    }
