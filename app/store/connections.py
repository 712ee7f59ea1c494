"""redis-py's connections, read and lent out at less cost: most of a script's time was spent there.

The connection, its handshake and its errors stay redis-py's. Ours are the parser, which cuts a
whole answer out of one buffer (redis-py's calls a stream twice for each of some hundred elements),
the packing of scripts' arguments, and the pool, which lends without three locks and a queue.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import redis
from redis._parsers.resp2 import _RESP2Parser
from redis.connection import Connection
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import InvalidResponse, TimeoutError  # noqa: A004 - redis-py's own names

READ_BYTES = 65_536
_END = b"\r\n"
_STRING, _ERROR, _INTEGER, _BULK, _ARRAY = b"+-:$*"


class ReplyParser(_RESP2Parser):
    """Reads RESP2 answers (redis.io/docs/reference/protocol-spec) from a buffer of bytes.

    It knows one call after the other on a connection that is dropped after any error, which is
    how `RedisClient` uses it: nothing is read ahead, and a broken answer is not gone back to.
    """

    def __init__(self, socket_read_size: int) -> None:
        super().__init__(socket_read_size)  # type: ignore[no-untyped-call]
        self._data = b""
        self._at = 0

    def on_connect(self, connection: Any) -> None:
        """A new connection: nothing of the old one is left."""
        super().on_connect(connection)  # type: ignore[no-untyped-call]
        self._data, self._at = b"", 0

    def read_response(self, disable_decoding: bool = False, timeout: Any = None) -> Any:
        """One whole answer: bytes, int, None, a list of these, or an error as a value.

        Raises what the socket raises; redis-py's ConnectionError where the server hung up.
        """
        if self._at == len(self._data):
            self._data, self._at = b"", 0
        return self._value()

    def can_read(self, timeout: float = 0) -> bool:
        """Whether something is there, an end included; asked before a connection is lent."""
        return self._at < len(self._data) or super().can_read(timeout)

    def _value(self) -> Any:
        line = self._line()
        kind, rest = line[0], line[1:]
        if kind == _BULK:
            return self._bulk(int(rest))
        if kind == _INTEGER:
            return int(rest)
        if kind == _ARRAY:
            count = int(rest)
            return None if count < 0 else [self._value() for _ in range(count)]
        if kind == _STRING:
            return rest
        if kind == _ERROR:
            text = rest.decode("utf-8", "replace")
            error = self.parse_error(text)  # type: ignore[no-untyped-call]
            if isinstance(error, Disconnected):
                raise error
            return error
        raise InvalidResponse(f"Protocol Error: {line[:1]!r}")

    def _line(self) -> bytes:
        end = self._data.find(_END, self._at)
        while end < 0:
            self._more()
            end = self._data.find(_END, self._at)
        if end == self._at:
            raise InvalidResponse("Protocol Error: an empty line")
        line = self._data[self._at : end]
        self._at = end + 2
        return line

    def _bulk(self, length: int) -> bytes | None:
        if length < 0:
            return None
        start = self._at
        end = self._at = start + length + 2
        while len(self._data) < end:
            self._more()
        return self._data[start : end - 2]

    def _more(self) -> None:
        received = self._sock.recv(self.socket_read_size) if self._sock else b""
        if not received:
            raise Disconnected("Connection closed by server.")
        self._data += received


class Connections(redis.ConnectionPool):
    """At most so many connections; whoever finds none free waits for one.

    Each is looked at before it is lent: one that the server closed meanwhile, or that still has
    something to say, is made anew.
    """

    def __init__(self, max_connections: int, wait_seconds: float, **options: Any) -> None:
        super().__init__(max_connections=max_connections, **options)
        self._wait = wait_seconds
        self._free = threading.BoundedSemaphore(max_connections)

    def ask(self, *command: str | bytes | float) -> Any:
        """Send one command, once, and read its answer.

        Raises:
            redis-py's RedisError; a connection on which something failed is closed.
        """
        connection: Any = self.get_connection()
        try:
            connection.send_packed_command([packed(command)])
            return connection.read_response()
        finally:
            self.release(connection)

    def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Connection:
        """Borrow one; give it back by `release`.

        Raises:
            redis-py's ConnectionError: none became free in time, or Redis is away.
        """
        if not self._free.acquire(timeout=self._wait):
            raise Disconnected("No connection available.")
        connection: Any = None
        try:
            connection = self._available_connections.pop()
        except IndexError:
            try:
                connection = self.make_connection()
            except BaseException:
                self._free.release()
                raise
        self._in_use_connections.add(connection)
        try:
            _make_ready(connection)
        except BaseException:
            self.release(connection)
            raise
        lent: Connection = connection
        return lent

    def release(self, connection: Any) -> None:
        """Take it back."""
        self._in_use_connections.discard(connection)
        self._available_connections.append(connection)
        self._free.release()


def packed(command: Sequence[str | bytes | float]) -> bytes:
    """A command as RESP sends it: an array of bulk strings."""
    parts = [b"*%d\r\n" % len(command)]
    for argument in command:
        if isinstance(argument, str):
            data = argument.encode()
        else:
            data = argument if isinstance(argument, bytes) else repr(argument).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


def _make_ready(connection: Any) -> None:
    connection.connect()
    try:
        if not connection.can_read():
            return
    except (Disconnected, TimeoutError, OSError):
        pass
    connection.disconnect()
    connection.connect()
    if connection.can_read():
        raise Disconnected("Connection not ready")
