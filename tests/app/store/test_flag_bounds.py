"""How many flags there may be, and that a change of one costs no reading of the others."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any

import pytest
import redis

from app.errors import Conflict
from app.experiments.schema import is_sound
from app.factory import _plant_flags
from app.store import keys
from app.store.flags import FLAGS_MAX

FLAG = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}


def fill(client: redis.Redis, count: int) -> None:
    """So many flags straight into Redis, f0, f1, …"""
    rest = json.dumps({name: value for name, value in FLAG.items() if name != "state"})
    client.hset(keys.FLAG_DEFINITIONS, mapping={f"f{i}": rest for i in range(count)})
    client.hset(keys.FLAG_STATES, mapping={f"f{i}": "ENABLED" for i in range(count)})
    client.incr(keys.FLAG_VERSION)


def test_there_are_at_most_200_flags_and_one_that_is_there_may_always_be_replaced(
    store: Any, empty_redis: redis.Redis
) -> None:
    assert FLAGS_MAX == 200
    fill(empty_redis, 199)
    version = store.flags.put("last", FLAG)
    with pytest.raises(Conflict, match="200 flags"):
        store.flags.put("one-more", FLAG)
    full = store.flags.all()
    assert (full.version, len(full.definitions)) == (version, 200)
    assert empty_redis.hlen(keys.FLAG_STATES) == 200
    assert store.flags.put("last", {**FLAG, "defaultVariant": "off"}) == version + 1
    assert store.flags.get("last")["defaultVariant"] == "off"
    assert store.flags.toggle("last", "DISABLED") == version + 2
    store.flags.delete("f0")
    store.flags.put("one-more", FLAG)
    with pytest.raises(Conflict):
        store.flags.put("f0", FLAG)


def test_of_many_new_flags_at_once_none_is_one_too_many(
    store: Any, empty_redis: redis.Redis
) -> None:
    fill(empty_redis, 195)
    refused = []

    def put(name: str) -> None:
        try:
            store.flags.put(name, FLAG)
        except Conflict:
            refused.append(name)

    threads = [threading.Thread(target=put, args=(f"new{i}",)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.flags.all().definitions) == 200
    assert len(refused) == 11


def test_more_flags_than_there_may_be_go_on_and_can_be_changed_and_deleted(
    store: Any, empty_redis: redis.Redis
) -> None:
    fill(empty_redis, 230)
    assert len(store.flags.current(0.0).definitions) == 230
    store.flags.put("f7", {**FLAG, "defaultVariant": "off"})
    store.flags.toggle("f8", "DISABLED")
    store.flags.delete("f9")
    with pytest.raises(Conflict):
        store.flags.put("f9", FLAG)


def test_a_start_goes_on_where_there_is_no_room_for_the_default_flags(
    store: Any, empty_redis: redis.Redis
) -> None:
    fill(empty_redis, 198)
    _plant_flags(store)
    assert {"generator", "personal-facts"} < set(store.flags.all().definitions)
    assert len(store.flags.all().definitions) == 200


def test_a_definition_that_stayed_is_not_checked_again(
    store: Any, empty_redis: redis.Redis
) -> None:
    checked: list[str] = []

    def sound(key: str, definition: Mapping[str, Any]) -> bool:
        checked.append(key)
        return is_sound(key, definition)

    store.flags.demand(sound)
    fill(empty_redis, 5)
    empty_redis.hset(keys.FLAG_DEFINITIONS, "f4", json.dumps({"variants": 3}))
    assert set(store.flags.all().definitions) == {"f0", "f1", "f2", "f3"}
    assert sorted(checked) == ["f0", "f1", "f2", "f3", "f4"]
    checked.clear()
    store.flags.put("f1", {**FLAG, "defaultVariant": "off"})
    store.flags.toggle("f2", "DISABLED")
    store.flags.delete("f0")
    found = store.flags.all().definitions
    assert checked == ["f1"]
    assert set(found) == {"f1", "f2", "f3"}
    assert found["f1"]["defaultVariant"] == "off"
    assert (found["f2"]["state"], found["f3"]["state"]) == ("DISABLED", "ENABLED")
    store.flags.put("f0", FLAG)  # there again, and read again
    assert store.flags.get("f0") == FLAG
    assert checked == ["f1", "f0"]
