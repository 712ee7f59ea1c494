"""Starting, losing and finding Redis: what was acknowledged stays, every failure is named."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from typing import Any

import pytest
import redis

from app.domain import ReactionKind
from app.errors import StartupError, StoreUnavailable, Unauthenticated
from app.store.keys import PersonKeys
from app.store.link.client import load_script
from app.store.server.private_redis import PrivateRedis
from app.store.store import Store


def connect(server: Any) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(server.socket), protocol=2)


@pytest.fixture
def plain(own_redis: Any) -> Any:
    client = connect(own_redis)
    yield client
    client.close()
    client.connection_pool.disconnect()


@pytest.mark.parametrize(
    ("name", "value"),
    [("appendonly", "no"), ("appendfsync", "everysec"), ("maxmemory-policy", "allkeys-lru")],
)
def test_a_redis_that_may_forget_is_refused(
    own_redis: Any, plain: redis.Redis, store_on: Any, name: str, value: str
) -> None:
    plain.config_set(name, value)
    with pytest.raises(StartupError, match=f"REDIS_URL.*{name} is {value}, it must be"):
        store_on(own_redis)
    with pytest.raises(StartupError, match=f"{name} is {value}"):
        store_on(own_redis, redis_trusted=True)


def test_a_redis_that_hides_its_configuration_must_be_trusted(
    own_redis: Any, plain: redis.Redis, settings: Any, metrics: Any
) -> None:
    plain.execute_command("ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all", "-config")
    url = f"unix://app:pw@{own_redis.socket}"
    hidden = settings.model_copy(update={"redis_url": url})
    with pytest.raises(StartupError, match="KINDRED_REDIS_TRUSTED=true") as refused:
        Store.open(hidden, metrics)
    assert "pw@" not in str(refused.value)
    store = Store.open(hidden.model_copy(update={"redis_trusted": True}), metrics)
    store.ping()
    store.close()


@pytest.mark.parametrize("url", ["unix:///nowhere/redis.sock", "redis://127.0.0.1:1/0"])
def test_a_redis_that_is_away_is_named(settings: Any, metrics: Any, url: str) -> None:
    with pytest.raises(StartupError, match=r"REDIS_URL.*does not answer"):
        Store.open(settings.model_copy(update={"redis_url": url}), metrics)
    with pytest.raises(StartupError, match=r"KINDRED_KEYSTORE_URL.*does not answer"):
        Store.open(settings.model_copy(update={"keystore_url": url}), metrics)


def test_a_url_that_is_none_is_named(settings: Any, metrics: Any) -> None:
    with pytest.raises(StartupError, match="REDIS_URL"):
        Store.open(settings.model_copy(update={"redis_url": "localhost:6379"}), metrics)


def test_without_a_url_the_private_redis_of_the_folder_is_meant(
    own_redis: Any, settings: Any, metrics: Any
) -> None:
    var = own_redis.socket.parents[1]
    store = Store.open(settings.model_copy(update={"redis_url": "", "var_dir": var}), metrics)
    assert store._core.client.url == f"unix://{own_redis.socket}"
    store.close()


def test_over_tcp_it_is_the_same_store(
    own_redis: Any, plain: redis.Redis, settings: Any, metrics: Any, chat: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    try:
        plain.execute_command("CONFIG", "SET", "port", port)
    except redis.ResponseError as error:
        pytest.skip(f"this Redis opens no port later: {error}")
    url = f"redis://127.0.0.1:{port}/0"
    store = Store.open(settings.model_copy(update={"redis_url": url}), metrics)
    assert store._core.client.url == url
    other = type(chat)(store, chat.clock)
    assert other.texts(other.begin("hi", keys=("m:1",)).context) == ["hi"]
    store.close()


def test_killed_redis_is_unavailable_and_comes_back_with_everything(
    own_redis: Any, store_on: Any, clock: Any, chat: Any, metrics: Any
) -> None:
    away = type(chat)(store_on(own_redis), clock)
    reply = away.say("before", keys=("m:1",))
    os.kill(own_redis.pid, signal.SIGKILL)
    before = metrics.failures.labels("store")._value.get()
    for call in (
        lambda: away.store.ping(),
        lambda: away.begin("lost?"),
        lambda: away.turns(reply.conversation_id),
        lambda: away.store.reactions.list(),
    ):
        with pytest.raises(StoreUnavailable) as refused:
            call()
        assert refused.value.retry_after
    assert metrics.failures.labels("store")._value.get() >= before + 4
    own_redis.stop()
    own_redis.start()
    away.store.ping()
    assert [view.turn.text for view in away.turns(reply.conversation_id)] == ["before", "hello"]
    assert away.begin("before", keys=("m:1",)).stored == reply
    away.say("after", reply.conversation_id)
    assert len(away.turns(reply.conversation_id)) == 4


def test_a_frozen_redis_is_unavailable_after_the_timeout(own_redis: Any, store_on: Any) -> None:
    store = store_on(own_redis, redis_timeout_ms=300)
    pid = own_redis.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailable):
            store.people.create()
    finally:
        os.kill(pid, signal.SIGCONT)
    end = time.monotonic() + 30
    while True:
        try:
            store.ping()
            break
        except StoreUnavailable:
            assert time.monotonic() < end


def test_a_full_redis_refuses_and_has_changed_nothing(
    own_redis: Any, plain: redis.Redis, store_on: Any, clock: Any, chat: Any
) -> None:
    full = type(chat)(store_on(own_redis), clock)
    reply = full.say("before")
    before = plain.dbsize()
    plain.config_set("maxmemory", "1")
    for call in (
        lambda: full.say("no room", reply.conversation_id, keys=("m:1",)),
        lambda: full.store.reactions.react(full.user_id, reply.reply_id, ReactionKind.LOVE),
        lambda: full.store.people.create(),
    ):
        with pytest.raises(StoreUnavailable):
            call()
    assert plain.dbsize() == before
    plain.config_set("maxmemory", "0")
    assert len(full.turns(reply.conversation_id)) == 2
    assert full.store.reactions.list().items == []
    full.say("room again", reply.conversation_id, keys=("m:1",))


def test_who_erases_themselves_makes_room_in_a_full_redis(
    own_redis: Any, plain: redis.Redis, store_on: Any, clock: Any, chat: Any
) -> None:
    full = type(chat)(store_on(own_redis), clock)
    reply = full.say("before")
    full.store.reactions.react(full.user_id, reply.reply_id, ReactionKind.LOVE)
    plain.config_set("maxmemory", "1")
    full.store.people.erase(full.user_id)
    left = [key for key in plain.scan_iter() if full.user_id.encode() in key]
    assert [plain.hget(key, "state") for key in left] == [b"erased"], "the tombstone alone"
    assert plain.xlen(PersonKeys(full.user_id).events) == 0
    plain.config_set("maxmemory", "0")
    with pytest.raises(Unauthenticated):
        full.say("after")


def test_a_server_that_lost_its_scripts_gets_them_again(chat: Any, empty_redis: Any) -> None:
    reply = chat.say("one")
    empty_redis.script_flush()
    chat.say("two", reply.conversation_id)
    assert empty_redis.script_exists(load_script("begin").sha) == [True]


def test_data_survive_a_restart_of_everything(
    own_redis: Any, store_on: Any, clock: Any, chat: Any
) -> None:
    first = type(chat)(store_on(own_redis), clock)
    reply = first.say("remember me")
    first.store.flags.put("tone", {"variants": {}})
    first.store.close()
    own_redis.stop()
    own_redis.start()
    store = store_on(own_redis)
    store.people.check(first.user_id, 1)
    _, page = store.contexts.conversation(first.user_id, reply.conversation_id, None, 10)
    assert [view.turn.text for view in page.items] == ["remember me", "hello"]
    assert store.flags.all().version == 1


def test_a_redis_that_is_still_starting_is_waited_for(
    settings: Any, metrics: Any, tmp_path: Any
) -> None:
    server = PrivateRedis(tmp_path / "late")
    late = settings.model_copy(update={"redis_url": server.url})
    starting = threading.Timer(0.3, server.start)
    starting.start()
    try:
        store = Store.open(late, metrics, wait_seconds=30.0)
        assert not store.flags.all().definitions  # it answers, and is new
        store.close()
    finally:
        starting.join()
        server.stop()


@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_a_redis_that_does_not_come_is_not_waited_for_longer(
    settings: Any, metrics: Any, seconds: float
) -> None:
    away = settings.model_copy(update={"redis_url": "unix:///nowhere/redis.sock"})
    began = time.monotonic()
    with pytest.raises(StartupError, match="does not answer"):
        Store.open(away, metrics, wait_seconds=seconds)
    assert seconds <= time.monotonic() - began < seconds + 5
