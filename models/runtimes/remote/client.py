"""Asking a service: several requests at once, one time for all, again only where that is safe.

    ask ─► round: breaker · connect or reuse · send all ─► receive all ─► read each answer
             ▲                                                                │
             └──────── pause (Retry-After, or growing and random) ◄───────────┘ what may be repeated

It works on the thread that calls and starts none. The connections that it keeps belong to that
thread (under gevent's patches to that greenlet), since a socket of one hub cannot be waited for
in another: a lane of the service has one thread, so it has one set of connections.
"""

from __future__ import annotations

import json
import random
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from models.runtimes.remote.answers import check, decode
from models.runtimes.remote.breaker import Breaker, Permit
from models.runtimes.remote.connection import Clock, Connection, Reply
from models.runtimes.remote.endpoint import Endpoint
from models.runtimes.remote.errors import (
    BreakerOpen,
    RemoteBusy,
    RemoteError,
    RemoteSilent,
    Repeat,
)

T = TypeVar("T")

# Idle connections are kept this long: one that the service has ended is seen before it is used,
# one that something between has forgotten is not.
_IDLE_SECONDS = 30.0
_PAUSE = 0.05  # seconds at most before the second attempt, doubled for each one after
_PAUSE_MAX = 1.0


@dataclass(frozen=True)
class Request(Generic[T]):
    """One question: POST of `body` as JSON, or GET where it is None.

    read: the result out of the decoded JSON; raises RemoteAnswerError where it is not one.
    needs: how safe an error has to be for the request to be sent again.
    """

    path: str
    body: Any
    read: Callable[[Any], T]
    needs: Repeat = Repeat.PURE


@dataclass
class _Flight(Generic[T]):
    """A request that was sent, and what to do with its end."""

    index: int
    request: Request[T]
    connection: Connection
    permit: Permit


class Client:
    """Asks one service; `clock` and `sleep` in seconds, `chance` in [0, 1)."""

    def __init__(
        self,
        endpoint: Endpoint,
        breaker: Breaker | None = None,
        *,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.endpoint = endpoint
        self.breaker = breaker if breaker is not None else Breaker(clock=clock)
        self._clock, self._sleep, self._chance = clock, sleep, chance
        self._tls = ssl.create_default_context(cafile=endpoint.ca_file) if endpoint.tls else None
        self._own = threading.local()

    def ask(
        self, requests: Sequence[Request[T]], seconds: float | None = None
    ) -> list[T | RemoteError]:
        """What became of each request, in order; after `seconds` at the latest.

        The endpoint's `seconds` where None. Looking a name up is not bounded.
        """
        deadline = self._clock() + (self.endpoint.seconds if seconds is None else seconds)
        outcomes: dict[int, T | RemoteError] = {}
        asked = list(range(len(requests)))
        for attempt in range(1, self.endpoint.attempts + 1):
            self._round(requests, asked, outcomes, deadline)
            if attempt == self.endpoint.attempts:
                break
            pauses = {i: self._pause(requests[i], outcomes[i], attempt) for i in asked}
            left = deadline - self._clock()
            asked = [i for i, pause in pauses.items() if pause is not None and pause < left]
            if not asked:
                break
            self._sleep(max(pauses[i] or 0.0 for i in asked))
            if self._clock() >= deadline:  # a sleep may be longer than was asked for
                break
        return [outcomes[index] for index in range(len(requests))]

    def one(self, request: Request[T], seconds: float | None = None) -> T:
        """The answer to one request. Raises RemoteError."""
        outcome = self.ask([request], seconds)[0]
        if isinstance(outcome, RemoteError):
            raise outcome
        return outcome

    def close(self) -> None:
        """End this thread's idle connections."""
        idle = self._idle()
        while idle:
            idle.pop().close()

    def _round(
        self,
        requests: Sequence[Request[T]],
        asked: Sequence[int],
        outcomes: dict[int, T | RemoteError],
        deadline: float,
    ) -> None:
        """Send each request once, as many at a time as may be, and receive the answers."""
        flying: deque[_Flight[T]] = deque()
        try:
            for index in asked:
                if len(flying) == self.endpoint.connections:
                    self._land(flying.popleft(), outcomes, deadline)
                launched = self._launch(index, requests[index], deadline)
                if isinstance(launched, BreakerOpen):
                    outcomes.setdefault(index, launched)  # what opened it says more
                elif isinstance(launched, RemoteError):
                    outcomes[index] = launched
                else:
                    flying.append(launched)
            while flying:
                self._land(flying.popleft(), outcomes, deadline)
        finally:
            for flight in flying:  # an error that is none of ours
                flight.connection.close()
                self.breaker.leave(flight.permit, None)

    def _launch(self, index: int, request: Request[T], deadline: float) -> _Flight[T] | RemoteError:
        permit = self.breaker.enter()
        if permit is None:
            return BreakerOpen(f"{self.endpoint.name}: not asked, too much has failed of late")
        try:
            connection = self._send(self._bytes(request), deadline)
            return _Flight(index, request, connection, permit)
        except RemoteError as error:
            self.breaker.leave(permit, self._verdict(error))
            return error.with_traceback(None)  # its frames hold what a person wrote
        except BaseException:
            self.breaker.leave(permit, None)
            raise

    def _land(
        self, flight: _Flight[T], outcomes: dict[int, T | RemoteError], deadline: float
    ) -> None:
        verdict: bool | None = None
        try:
            reply = self._receive(flight.connection, deadline)
            check(self.endpoint.name, reply)
            outcomes[flight.index] = flight.request.read(decode(self.endpoint.name, reply))
            verdict = True
        except RemoteError as error:
            verdict = self._verdict(error)
            outcomes[flight.index] = error.with_traceback(None)
        finally:
            self.breaker.leave(flight.permit, verdict)

    def _send(self, request: bytes, deadline: float) -> Connection:
        connection = self._take(deadline)
        try:
            connection.send(request, deadline)
        except BaseException:
            connection.close()
            raise
        return connection

    def _receive(self, connection: Connection, deadline: float) -> Reply:
        try:
            reply, more = connection.receive(deadline, self.endpoint.answer_bytes)
        except BaseException:
            connection.close()
            raise
        if more:
            self._idle().append(connection)
        else:
            connection.close()
        return reply

    def _take(self, deadline: float) -> Connection:
        """A connection that was kept and still stands, else a new one."""
        idle = self._idle()
        while idle:
            connection = idle.pop()
            if self._clock() - connection.idle_since < _IDLE_SECONDS and not connection.stale():
                return connection
            connection.close()
        return Connection.open(self.endpoint, self._tls, deadline, self._clock)

    def _idle(self) -> list[Connection]:
        found: list[Connection] | None = getattr(self._own, "idle", None)
        if found is None:
            found = self._own.idle = []
        return found

    def _verdict(self, error: RemoteError) -> bool | None:
        """What an error tells the breaker of the service; None: nothing."""
        if isinstance(error, RemoteSilent) and error.stale:
            self.close()  # those kept as long have ended too
            return None
        return not error.counts

    def _pause(self, request: Request[T], outcome: T | RemoteError, attempt: int) -> float | None:
        """Seconds to wait before the request is sent again; None: it is not."""
        if not isinstance(outcome, RemoteError) or outcome.repeat < request.needs:
            return None
        if isinstance(outcome, RemoteSilent) and outcome.stale:
            return 0.0
        pause = self._chance() * min(_PAUSE * 2.0 ** (attempt - 1), _PAUSE_MAX)
        if isinstance(outcome, RemoteBusy) and outcome.retry_after is not None:
            return outcome.retry_after + pause  # together again would be too many again
        return pause

    def _bytes(self, request: Request[T]) -> bytes:
        endpoint = self.endpoint
        body = b""
        lines = [f"Host: {endpoint.name}", "Accept: application/json", "Accept-Encoding: identity"]
        if request.body is not None:
            body = json.dumps(request.body, ensure_ascii=False, allow_nan=False).encode()
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        if endpoint.key:
            lines.append(f"Authorization: Bearer {endpoint.key}")
        method = "GET" if request.body is None else "POST"
        lines = [f"{method} {endpoint.path(request.path)} HTTP/1.1", *lines, "", ""]
        return "\r\n".join(lines).encode("ascii") + body
