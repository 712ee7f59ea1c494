"""Answers of Redis read from one buffer, and connections that are lent out."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import InvalidResponse, NoScriptError, ResponseError

from app.store.client import RedisClient
from app.store.connections import Connections, ReplyParser, packed
from app.store.private_redis import PrivateRedis
from app.telemetry import Metrics

ANSWERS = st.recursive(
    st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=200)),
    lambda inner: st.lists(inner, max_size=6),
    max_leaves=30,
)


def spelt(value: Any) -> bytes:
    """A value as RESP2 writes it."""
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, bytes):
        return b"$%d\r\n%b\r\n" % (len(value), value)
    return b"*%d\r\n" % len(value) + b"".join(map(spelt, value))


class Pieces:
    """A socket that gives its bytes in pieces of a size."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size = data, size

    def recv(self, most: int) -> bytes:
        size = min(most, self._size)
        piece, self._data = self._data[:size], self._data[size:]
        return piece


def parser_of(data: bytes, size: int = 65_536) -> ReplyParser:
    parser = ReplyParser(65_536)
    connection = SimpleNamespace(_sock=Pieces(data, size), socket_timeout=1.0, encoder=None)
    parser.on_connect(connection)
    return parser


@given(st.lists(ANSWERS, min_size=1, max_size=4), st.integers(1, 50))
def test_answers_come_back_whatever_the_pieces(values: list[Any], size: int) -> None:
    parser = parser_of(b"".join(map(spelt, values)), size)
    assert [parser.read_response() for _ in values] == values
    with pytest.raises(redis.ConnectionError):
        parser.read_response()


@given(st.lists(st.one_of(st.binary(max_size=40), st.text(max_size=40)), min_size=1, max_size=9))
def test_a_command_is_packed_as_an_array_of_strings(command: list[bytes | str]) -> None:
    data = [part.encode() if isinstance(part, str) else part for part in command]
    assert parser_of(packed(command)).read_response() == data


def test_numbers_are_packed_as_redis_py_packs_them() -> None:
    answer = parser_of(packed(("SET", 3, 0.1, 1e22))).read_response()
    assert answer == [b"SET", b"3", b"0.1", b"1e+22"]


def test_errors_are_values_inside_and_lines_are_checked() -> None:
    parser = parser_of(b"*2\r\n-NOSCRIPT none\r\n+OK\r\n-ERR bad\r\n\r\n")
    first, second = parser.read_response()
    assert isinstance(first, NoScriptError)
    assert second == b"OK"
    assert isinstance(parser.read_response(), ResponseError)
    with pytest.raises(InvalidResponse):
        parser.read_response()
    with pytest.raises(InvalidResponse):
        parser_of(b"?1\r\n").read_response()


Open = Callable[..., Connections]


@pytest.fixture
def pool(redis_server: PrivateRedis) -> Any:
    options = {"parser_class": ReplyParser, "protocol": 2, "socket_timeout": 5.0}
    opened = Connections.from_url(redis_server.url, max_connections=2, wait_seconds=0.05, **options)
    yield opened
    opened.disconnect()


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
