"""redis-py's connections, lent out at less cost: locks and queues were most of a script's time.

The connection, its handshake and its errors stay redis-py's; hiredis packs commands and reads
answers. Ours is the pool, which lends without three locks and a queue, and each connection with
as much time as its borrower has.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import hiredis
import redis
from redis.connection import Connection
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as TimedOut

from app.store.link.patience import seconds_left

Command = Sequence[str | bytes | float]


class NoneFree(Disconnected):
    """All connections were lent out for the whole wait: it says nothing of the server."""


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
            connection.send_packed_command([hiredis.pack_command(command)])  # type: ignore[arg-type]
            return connection.read_response()
        finally:
            self.release(connection)

    def ask_all(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands on one connection, together; their answers in order.

        One that the server refused has its error (a ResponseError) in the answer's place.

        Raises:
            as `ask`.
        """
        connection: Any = self.get_connection()
        try:
            packed = [hiredis.pack_command(tuple(command)) for command in commands]  # type: ignore[arg-type]
            connection.send_packed_command(packed)
            return [_answer(connection) for _ in commands]
        finally:
            self.release(connection)

    def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Connection:
        """Borrow one; give it back by `release`.

        Raises:
            redis-py's ConnectionError: none became free in time (NoneFree), or Redis is away.
        """
        seconds = seconds_left(self._wait)
        if not self._free.acquire(timeout=seconds):
            raise NoneFree("No connection available.")
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
            _give_time(connection, seconds)
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


def _answer(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error


def _give_time(connection: Any, seconds: float) -> None:
    """Let each wait on this connection take at most so long, also that for the connection."""
    connection.socket_timeout = connection.socket_connect_timeout = seconds
    connection.update_current_socket_timeout(seconds)


def _make_ready(connection: Any) -> None:
    connection.connect()
    try:
        if not connection.can_read():
            return
    except (Disconnected, TimedOut, OSError):
        pass
    connection.disconnect()
    connection.connect()
    if connection.can_read():
        raise Disconnected("Connection not ready")
