"""Flags: one version for all of them, a cache that sees local changes at once."""

from __future__ import annotations

import json
import time as real_time
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from app.errors import Conflict, NotFound, StoreUnavailable
from app.experiments.schema import is_sound
from app.store import keys

TONE = {
    "state": "ENABLED",
    "variants": {"warm": 1.5, "dry": [], "empty": {}},
    "defaultVariant": "warm",
    "targeting": {"fractional": [["warm", 50], ["dry", 50]]},
}
SOUND = {**TONE, "variants": {"warm": 1.5, "dry": 1}}


def test_put_get_toggle_delete(store: Any) -> None:
    flags = store.flags
    assert (flags.all().version, dict(flags.all().definitions)) == (0, {})
    assert flags.put("tone", TONE) == 1
    assert flags.get("tone") == TONE
    assert flags.toggle("tone", "DISABLED") == 2
    assert flags.get("tone") == {**TONE, "state": "DISABLED"}
    assert flags.toggle("tone", "DISABLED") == 2  # nothing changed
    assert flags.put("length", {"variants": {"a": 1}, "defaultVariant": "a"}) == 3
    assert flags.get("length")["state"] == "ENABLED"
    assert list(flags.all().definitions) == ["length", "tone"]
    assert flags.delete("tone") == 4
    for call in (
        lambda: flags.get("tone"),
        lambda: flags.delete("tone"),
        lambda: flags.toggle("tone", "ENABLED"),
    ):
        with pytest.raises(NotFound):
            call()
    with pytest.raises(ValueError, match="ENABLED or DISABLED"):
        flags.toggle("length", "on")


def test_a_change_of_another_version_is_a_conflict(store: Any) -> None:
    store.flags.put("tone", TONE, expected=0)
    with pytest.raises(Conflict):
        store.flags.put("tone", TONE, expected=0)
    with pytest.raises(Conflict):
        store.flags.delete("tone", expected=0)
    assert store.flags.delete("tone", expected=1) == 2


def test_a_local_change_is_seen_at_once_and_a_remote_one_after_max_age(store_with: Any) -> None:
    here, there = store_with().flags, store_with().flags
    assert here.current(1_000).version == there.current(1_000).version == 0
    here.put("tone", TONE)
    assert here.current(1_000).version == 1
    assert there.current(1_000).version == 0
    assert there.current(0.0).version == 1
    assert there.current(0.0) is there.current(0.0)  # an unchanged version is not read again


def test_a_broken_definition_keeps_its_last_good_form(
    store: Any, store_with: Any, empty_redis: redis.Redis
) -> None:
    store.flags.put("tone", TONE)
    store.flags.put("length", {"defaultVariant": "a"})
    assert set(store.flags.current(0.0).definitions) == {"tone", "length"}
    empty_redis.hset(keys.FLAG_DEFINITIONS, "tone", "{")
    empty_redis.incr(keys.FLAG_VERSION)
    assert store.flags.current(0.0).definitions["tone"] == TONE
    assert set(store_with().flags.current(0.0).definitions) == {"length"}


@pytest.mark.parametrize(
    "broken",
    [
        {"variants": 3, "defaultVariant": {}},
        {**SOUND, "targeting": {"no such operator": [1, 2]}},
        {**SOUND, "targeting": {"fractional": ["x"]}},
        {**SOUND, "defaultVariant": "nowhere"},
        {**SOUND, "variants": {"warm": 1.5, "dry": 1, "x" * 101: 2}},
        {**SOUND, "metadata": {"description": "x" * 16_000}},
    ],
)
def test_an_unsound_definition_keeps_its_last_good_form(
    store: Any, store_with: Any, empty_redis: redis.Redis, broken: dict[str, Any]
) -> None:
    store.flags.put("tone", SOUND)
    store.flags.put("length", {**SOUND, "defaultVariant": "dry"})
    store.flags.demand(is_sound)
    good = dict(store.flags.current(0.0).definitions)
    rest = {name: value for name, value in broken.items() if name != "state"}
    empty_redis.hset(keys.FLAG_DEFINITIONS, "tone", json.dumps(rest))
    empty_redis.incr(keys.FLAG_VERSION)
    assert store.flags.current(0.0).definitions == good
    assert store.flags.toggle("tone", "DISABLED")  # it can still be switched off
    assert store.flags.get("tone") == {**SOUND, "state": "DISABLED"}
    fresh = store_with().flags
    assert set(fresh.all().definitions) == {"length", "tone"}
    fresh.demand(is_sound)  # nobody here knew a good one
    assert set(fresh.last.definitions) == set(fresh.all().definitions) == {"length"}
    store.flags.put("tone", SOUND)
    assert store.flags.get("tone") == fresh.get("tone") == SOUND


def test_no_bytes_in_redis_stop_the_reading_of_the_other_flags(
    store: Any, empty_redis: redis.Redis
) -> None:
    store.flags.put("tone", SOUND)
    store.flags.demand(is_sound)
    assert store.flags.get("tone") == SOUND
    empty_redis.hset(keys.FLAG_DEFINITIONS, b"\xff", "{}")
    empty_redis.hset(keys.FLAG_DEFINITIONS, "deep", "[" * 100_000)
    empty_redis.hset(keys.FLAG_DEFINITIONS, "large", json.dumps({**SOUND, "$a": "x" * 1_000_000}))
    empty_redis.hset(keys.FLAG_DEFINITIONS, "named" * 40_000, json.dumps(SOUND))
    empty_redis.hset(keys.FLAG_STATES, "tone", b"\xff")
    empty_redis.incr(keys.FLAG_VERSION)
    assert store.flags.current(0.0).definitions == {"tone": SOUND}


def test_the_last_good_flags_serve_while_redis_is_away(own_redis: Any, store_on: Any) -> None:
    store = store_on(own_redis)
    store.flags.put("tone", TONE)
    good = store.flags.current(0.0)
    own_redis.stop()
    assert store.flags.current(0.0) == good
    own_redis.start()
    store.flags.toggle("tone", "DISABLED")
    assert store.flags.current().definitions["tone"]["state"] == "DISABLED"


def answers(store: Any) -> None:
    """Wait until the breaker lets the store ask its Redis, which is there again."""
    end = real_time.monotonic() + 30
    while True:
        try:
            return store.ping()
        except StoreUnavailable:
            assert real_time.monotonic() < end
            real_time.sleep(0.05)


def test_a_redis_that_does_not_answer_is_asked_ever_more_seldom(
    own_redis: Any, store_on: Any, metrics: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_on(own_redis)
    store.flags.put("tone", TONE)
    good = store.flags.current(0.0)
    own_redis.stop()
    time = SimpleNamespace(now=1e9)
    monkeypatch.setattr("app.store.flags.time", SimpleNamespace(monotonic=lambda: time.now))
    asked = []
    for tenth in range(300):  # half a minute, ten messages a second
        time.now = 1e9 + tenth / 10
        before = metrics.failures.labels("store")._value.get()
        assert store.flags.current() == good
        if metrics.failures.labels("store")._value.get() > before:
            asked.append(tenth / 10)
    assert asked == [0.0, 1.0, 3.0, 7.0, 12.0, 17.0, 22.0, 27.0]
    own_redis.start()
    store_on(own_redis).flags.toggle("tone", "DISABLED")
    answers(store)
    time.now += 5.0
    assert store.flags.current().definitions["tone"]["state"] == "DISABLED"
    own_redis.stop()
    time.now += 1.0
    asked_again = metrics.failures.labels("store")._value.get()
    for _ in range(5):
        assert store.flags.current().version == good.version + 1
        time.now += 0.9
    assert metrics.failures.labels("store")._value.get() == asked_again + 2
