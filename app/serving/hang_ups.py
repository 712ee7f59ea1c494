"""Notices that a client has hung up while its request waits for the models.

gunicorn's gevent worker looks at a connection only when it has something to write. Here an event
of the loop tells when the socket becomes readable, which during a request is one of two things:
the client has closed (or shut down its writing half, which HTTP clients do when they give up), or
it has sent its next request early. Nothing is read: the kernel is asked which it was. A request
whose client is gone is ended where it waits, as `gevent.Timeout` would end it; the tickets of the
batchers then leave the queue, and what was saved stays for the client's retry.

gunicorn ends the request without an answer, and would then go on with the connection: a client that
had sent two requests and shut down its writing half would read the second one's answer in place of
the first one's. So the connection is shut down before.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

import gevent
from gevent import GreenletExit
from gevent.monkey import get_original

from app.telemetry import Metrics

# The other side has closed, or the connection broke. Where RDHUP is unknown, HUP says the former.
_GONE = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR | select.POLLNVAL
_READ = 1  # gevent's loop: readable


class Connection(Protocol):
    """A socket, as far as it is needed."""

    def fileno(self) -> int:
        """Its descriptor; -1 where it is closed."""

    def shutdown(self, how: int, /) -> None:
        """Nothing goes through it any more; OSError where it is broken."""


class HungUp(GreenletExit):  # type: ignore[misc]  # gevent has no types here
    """The client is gone. gunicorn ends a request that raises GreenletExit without an answer."""


class HangUps:
    """Watches connections; one a process."""

    def __init__(self, metrics: Metrics) -> None:
        self._dropped = metrics.dropped.labels("chat", "hung_up")
        # The unpatched one: asked with no time to wait, it holds up nobody.
        self._poll = get_original("select", "poll")

    @contextmanager
    def watch(self, connection: Connection | None) -> Iterator[None]:
        """Raise HungUp inside the block when the client of this connection hangs up.

        For blocks that wait; it costs an event of the loop. None is watched by nobody.
        """
        number = -1 if connection is None else connection.fileno()
        if connection is None or number < 0:
            yield
            return
        greenlet, watcher = gevent.getcurrent(), gevent.get_hub().loop.io(number, _READ)

        def readable() -> None:
            watcher.stop()  # early bytes would wake it again at once
            if self._gone(number):
                self._dropped.inc()
                with suppress(OSError):  # reset by the client
                    connection.shutdown(socket.SHUT_RDWR)
                greenlet.throw(HungUp())

        watcher.start(readable)
        try:
            yield
        finally:
            watcher.stop()
            watcher.close()

    def _gone(self, number: int) -> bool:
        poll = self._poll()
        poll.register(number, _GONE)
        return any(flags & _GONE for _, flags in poll.poll(0))
