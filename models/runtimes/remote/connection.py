"""One HTTP/1.1 connection whose every wait ends at a deadline.

The usual clients bound each read, so that a service which sends a byte now and then is waited for
without end. Here the time that is left goes onto the socket before each read. Sending and
receiving are two calls: several connections can be asked before the first answer is read, and a
batch waits for its slowest request instead of for the sum, without threads.

The sockets are the standard library's, as they are when the connection is made. Under gevent's
patches they belong to the native thread's own hub and must stay in that thread, which `Client`
sees to.
"""

from __future__ import annotations

import contextlib
import io
import select
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import Any

from models.runtimes.remote.endpoint import Endpoint
from models.runtimes.remote.errors import (
    RemoteAnswerError,
    RemoteBroken,
    RemoteError,
    RemoteSilent,
    RemoteTimeout,
    RemoteUnreachable,
)

Clock = Callable[[], float]
_READ_BYTES = 64 * 1024


@dataclass(frozen=True)
class Reply:
    """A whole answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """An open connection; `deadline`s are of `clock`, in seconds."""

    def __init__(self, sock: socket.socket, name: str, clock: Clock) -> None:
        self._sock = sock
        self._name = name
        self._clock = clock
        self._incoming = _Incoming(sock, clock)
        self.used = False
        """Whether it has carried an answer: the service may close it at any time."""
        self.idle_since = clock()

    @classmethod
    def open(
        cls, endpoint: Endpoint, tls: ssl.SSLContext | None, deadline: float, clock: Clock
    ) -> Connection:
        """Connect to the first of the host's addresses that answers.

        The name is looked up first, which no deadline bounds. Raises RemoteUnreachable or
        RemoteTimeout.
        """
        try:
            found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise RemoteUnreachable(f"{endpoint.name}: {_why(error)}") from None
        failure: RemoteError = RemoteUnreachable(f"{endpoint.name}: it has no address")
        for family, kind, protocol, _, address in found:
            left = deadline - clock()
            if left <= 0:
                raise RemoteTimeout(f"{endpoint.name}: no connection in time")
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(min(left, endpoint.connect_seconds))
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if tls is not None:
                    sock = tls.wrap_socket(sock, server_hostname=endpoint.host)
            except OSError as error:  # TLS errors and timeouts among them
                sock.close()
                failure = RemoteUnreachable(f"{endpoint.name}: {_why(error)}")
            except BaseException:
                sock.close()
                raise
            else:
                return cls(sock, endpoint.name, clock)
        if clock() >= deadline:
            raise RemoteTimeout(f"{endpoint.name}: no connection in time")
        raise failure

    def send(self, request: bytes, deadline: float) -> None:
        """Write a whole request. Raises RemoteTimeout or RemoteSilent."""
        left = deadline - self._clock()
        if left <= 0:
            raise RemoteTimeout(f"{self._name}: no time is left to ask")
        self._incoming.received = 0
        try:
            self._sock.settimeout(left)
            self._sock.sendall(request)
        except TimeoutError:
            raise RemoteTimeout(f"{self._name}: it does not take the request") from None
        except OSError as error:
            raise RemoteSilent(f"{self._name}: {_why(error)}", self.used) from None

    def receive(self, deadline: float, most: int) -> tuple[Reply, bool]:
        """The answer to what was sent, and whether the connection can carry another.

        At a deadline that has passed, what has already arrived is still read. Raises
        RemoteTimeout, RemoteSilent, RemoteBroken, or RemoteAnswerError above `most` bytes.
        """
        self._incoming.deadline = deadline
        response = HTTPResponse(self._incoming, method="POST")  # type: ignore[arg-type]
        try:
            response.begin()
            if response.status < 200:  # the answer itself would be taken for the next one's
                raise RemoteBroken(f"{self._name}: an interim answer that was not asked for")
            body = self._body(response, most)
        except TimeoutError:
            raise RemoteTimeout(f"{self._name}: no answer in time") from None
        except (HTTPException, OSError) as error:
            if isinstance(error, RemoteError):
                raise
            message = f"{self._name}: {_why(error)}"
            if self._incoming.received:
                raise RemoteBroken(message) from None
            raise RemoteSilent(message, self.used) from None
        finally:
            response.close()
        self.used = True
        self.idle_since = self._clock()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, headers, body), not response.will_close

    def stale(self) -> bool:
        """Whether the other side has ended it, or sent what nobody asked for."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN | select.POLLHUP | select.POLLERR)
        return bool(poll.poll(0))

    def close(self) -> None:
        """End it; never raises."""
        with contextlib.suppress(OSError):
            self._sock.close()

    def __del__(self) -> None:
        """A thread has ended and left its idle connections."""
        with contextlib.suppress(ValueError):  # gevent's, whose hub has ended with the thread
            self.close()

    def _body(self, response: HTTPResponse, most: int) -> bytes:
        if (response.length or 0) > most:
            raise RemoteAnswerError(f"{self._name}: an answer of {response.length} bytes")
        parts: list[bytes] = []
        size = 0
        while part := response.read1(_READ_BYTES):
            size += len(part)
            if size > most:
                raise RemoteAnswerError(f"{self._name}: an answer of more than {most} bytes")
            parts.append(part)
        if response.length:  # http.client takes an early end for the end
            raise IncompleteRead(b"", response.length)
        return b"".join(parts)


class _Incoming:
    """What arrives at a socket, never waited for beyond the deadline."""

    def __init__(self, sock: socket.socket, clock: Clock) -> None:
        self._sock = sock
        self._clock = clock
        self.deadline = 0.0
        self.received = 0  # bytes, since the last request

    def makefile(self, mode: str) -> io.BufferedReader:
        """What http.client asks of a socket; one file for one answer."""
        return io.BufferedReader(_File(self), _READ_BYTES)

    def read_into(self, buffer: Any) -> int:
        """Bytes that have arrived, or those that arrive first; 0 at the end."""
        try:
            self._sock.settimeout(max(0.0, self.deadline - self._clock()))
            count = self._sock.recv_into(buffer)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise TimeoutError from None  # the deadline had passed, and nothing was there
        self.received += count
        return count


class _File(io.RawIOBase):
    """`_Incoming` as a file that can be closed without ending the connection."""

    def __init__(self, source: _Incoming) -> None:
        super().__init__()
        self._source = source

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As the source reads."""
        return self._source.read_into(buffer)


def _why(error: Exception) -> str:
    """An error in few words of the system's or of http.client's, and nothing that was received."""
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or type(error).__name__}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
