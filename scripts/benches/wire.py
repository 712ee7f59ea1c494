"""A light HTTP/1.1 client on asyncio: keep-alive connections, bounded in number.

It costs about a tenth of a millisecond a request, so that a load generator beside the service
takes little of the cores that the service is measured on. It reads answers with a Content-Length,
or to the connection's end; a chunked one is refused.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_HEAD_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Response:
    """One answer: the status, the headers with names in lower case, the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body's JSON object; empty where it is none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


class Lost(ConnectionError):
    """The connection ended before the answer was whole; `untouched`: before its first byte."""

    def __init__(self, detail: str, *, untouched: bool) -> None:
        super().__init__(detail)
        self.untouched = untouched


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self.used = False
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Response] | None = None
        self._clear()

    def _clear(self) -> None:
        self._buffer = bytearray()
        self._head: tuple[int, dict[str, str]] | None = None
        self._length: int | None = None

    @property
    def open(self) -> bool:
        """Whether another request may be sent on it."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, data: bytes) -> asyncio.Future[Response]:
        """Write a request; the future gets its answer, or `Lost`."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        if not self.open:
            self._fail("closed before the request")
        else:
            self._clear()
            self._transport.write(data)
        return self._answer

    def close(self) -> None:
        """Hang up, whatever is on its way."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            self._parse()
        except (ValueError, IndexError) as error:
            self._fail(f"not an HTTP/1.1 answer: {error}")
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._head is not None and self._length is None and exc is None:
            self._finish(len(self._buffer))  # a body without a length ends with the connection
        else:
            self._fail("closed before the answer was whole")

    def _parse(self) -> None:
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > _HEAD_BYTES_MAX:
                    raise ValueError("endless headers")
                return
            first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
            headers = {}
            for line in lines:
                name, _, value = line.partition(":")
                headers[name.strip().lower()] = value.strip()
            if "transfer-encoding" in headers:
                raise ValueError("a chunked body")
            del self._buffer[: end + 4]
            self._head = int(first.split(" ")[1]), headers
            self._length = int(headers["content-length"]) if "content-length" in headers else None
        if self._length is not None and len(self._buffer) >= self._length:
            self._finish(self._length)

    def _finish(self, length: int) -> None:
        assert self._head is not None
        status, headers = self._head
        body = bytes(self._buffer[:length])
        self._head = None
        self.used = True
        if headers.get("connection", "").lower() == "close":
            self.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Response(status, headers, body))

    def _fail(self, detail: str) -> None:
        if self._answer is not None and not self._answer.done():
            untouched = self._head is None and not self._buffer
            self._answer.set_exception(Lost(detail, untouched=untouched))


class Client:
    """Posts JSON to one address over at most `connections` connections."""

    def __init__(self, url: str, connections: int) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._idle: list[_Connection] = []
        self._all: set[_Connection] = set()
        self._room = asyncio.Semaphore(connections)

    async def post(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> tuple[float, Response]:
        """When (loop time) the request was written, and its answer.

        A kept connection that the server had closed meanwhile is replaced by a new one.

        Raises:
            OSError: no connection, or `Lost`.
        """
        data = self._request(path, body, headers)
        async with self._room:
            while True:
                connection = await self._connection()
                was_used = connection.used
                sent = asyncio.get_running_loop().time()
                try:
                    answer = await connection.send(data)
                except Lost as lost:
                    self._all.discard(connection)
                    if was_used and lost.untouched:
                        continue
                    raise
                except asyncio.CancelledError:
                    self._all.discard(connection)
                    connection.close()
                    raise
                if connection.open:
                    self._idle.append(connection)
                else:
                    self._all.discard(connection)
                return sent, answer

    def close(self) -> None:
        """Hang up everywhere."""
        for connection in self._all:
            connection.close()

    async def _connection(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()  # the warmest: spare ones may time out meanwhile
            if connection.open:
                return connection
            self._all.discard(connection)
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(_Connection, self._host, self._port)
        self._all.add(made)
        return made

    def _request(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> bytes:
        content = json.dumps(body).encode()
        lines = [f"POST {path} HTTP/1.1", f"Host: {self._host}:{self._port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}", "", ""]
        return "\r\n".join(lines).encode() + content
