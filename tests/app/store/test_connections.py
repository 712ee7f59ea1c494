"""Connections that are lent out, and commands as they are sent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis
from redis.exceptions import NoScriptError, ResponseError

from app.store.link.client import RedisClient
from app.store.link.connections import Connections
from app.store.server.private_redis import PrivateRedis
from app.telemetry import Metrics

Open = Callable[..., Connections]


@pytest.fixture
def pool(redis_server: PrivateRedis) -> Any:
    options = {"protocol": 2, "socket_timeout": 5.0}
    opened = Connections.from_url(redis_server.url, max_connections=2, wait_seconds=0.05, **options)
    yield opened
    opened.disconnect()


def test_a_command_is_packed_as_redis_py_packs_it(pool: Connections) -> None:
    command = ("ECHO", b"\x00\r\n\xff")
    assert pool.ask(*command) == command[1]
    script = "return {KEYS[1], ARGV[1], ARGV[2], ARGV[3], #ARGV}"
    answer = pool.ask("EVAL", script, 1, "k\u00e9y", 3, 0.1, 1e22)
    assert answer == ["k\u00e9y".encode(), b"3", b"0.1", b"1e+22", 3]


def test_an_error_inside_an_answer_is_a_value(pool: Connections) -> None:
    first, second = pool.ask("EVAL", "return {redis.error_reply('NOSCRIPT none'), 'OK'}", 0)
    assert isinstance(first, NoScriptError)
    assert second == b"OK"
    with pytest.raises(ResponseError):
        pool.ask("NOSUCHCOMMAND")


def test_a_connection_is_used_again_and_their_number_is_bounded(pool: Connections) -> None:
    one = pool.get_connection()
    pool.release(one)
    assert pool.get_connection() is one
    two = pool.get_connection()
    with pytest.raises(redis.ConnectionError, match="No connection available"):
        pool.get_connection()
    threading.Timer(0.01, lambda: pool.release(two)).start()
    pool._wait = 5.0
    assert pool.get_connection() is two


def test_a_connection_that_the_server_closed_is_made_anew(
    pool: Connections, empty_redis: redis.Redis
) -> None:
    assert pool.ask("PING") == b"PONG"
    empty_redis.client_kill_filter(_type="normal", skipme=True)
    assert pool.ask("PING") == b"PONG"


def test_a_connection_with_an_unread_answer_is_not_lent(pool: Connections) -> None:
    one = pool.get_connection()
    one.send_command("PING")
    assert one.can_read(timeout=5)
    pool.release(one)
    assert pool.ask("ECHO", "mine") == b"mine"


def test_an_error_leaves_the_pool_whole(pool: Connections) -> None:
    for _ in range(5):
        with pytest.raises(ResponseError):
            pool.ask("NO-SUCH-COMMAND")
    assert pool.ask("PING") == b"PONG"


def test_a_server_that_is_away_costs_no_connection(metrics: Metrics) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    client = RedisClient(f"redis://127.0.0.1:{port}", 0.2, metrics)
    for _ in range(200):  # more than there are connections
        with pytest.raises(redis.ConnectionError, match="refused"):
            client._pool.ask("PING")
    client.close()
