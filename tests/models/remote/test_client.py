"""How services are asked: side by side, again when they say, on kept connections, or not at all."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.runtimes.remote import Client, Endpoint
from models.runtimes.remote.answers import retry_after
from models.runtimes.remote.client import Request
from models.runtimes.remote.errors import (
    BreakerOpen,
    RemoteBroken,
    RemoteBusy,
    RemoteError,
    RemoteFault,
    RemoteGatewayFault,
    RemoteRefusal,
    RemoteSilent,
    RemoteTimeout,
    RemoteUnreachable,
    Repeat,
)
from tests.models.remote.servers import ModelServer, RawServer, Script, http, read_request, saying

Serving = Callable[[Script], RawServer]
Asking = Callable[..., Client]
Question = Request[object]

SLACK = 0.75  # seconds past a deadline that a loaded test machine may take
GOOD = http("200 OK", [[1.0]])


def outcome(client: Client, question: Question) -> tuple[object, float]:
    start = time.monotonic()
    [found] = client.ask([question])
    return found, time.monotonic() - start


def test_busy_is_asked_again_when_it_said(
    serving: Serving, client_of: Asking, question: Question
) -> None:
    busy = http("429 Slow down", {"error_type": "overloaded"}, "Retry-After: 1")
    found, took = outcome(client_of(serving(saying(busy, GOOD)).url, seconds=3.0), question)
    assert found == [[1.0]]
    assert 1.0 <= took < 1.0 + 3 * SLACK


@pytest.mark.parametrize("status", ["429 Slow down", "503 Busy"])
def test_busy_for_longer_than_there_is_time_is_said_at_once(
    serving: Serving, client_of: Asking, question: Question, status: str
) -> None:
    server = serving(saying(http(status, {"error": {"code": "rate_limit"}}, "Retry-After: 30")))
    found, took = outcome(client_of(server.url), question)
    assert isinstance(found, RemoteBusy)
    assert found.retry_after == 30.0
    assert "rate_limit" in str(found)
    assert took < SLACK


def test_a_kept_connection_that_has_ended_is_replaced_and_blamed_on_nobody(
    serving: Serving, client_of: Asking, question: Question
) -> None:
    ended = threading.Event()

    def script(sock: socket.socket, number: int) -> None:
        read_request(sock)
        sock.sendall(GOOD)
        if number:
            read_request(sock)  # and is gone, without an answer
            sock.shutdown(socket.SHUT_RDWR)
        ended.set()

    server = serving(script)
    client = client_of(server.url, attempts=2)
    assert outcome(client, question)[0] == [[1.0]]
    assert ended.wait(2.0)
    time.sleep(0.05)  # the end arrives, and is seen before the connection is used
    assert outcome(client, question)[0] == [[1.0]]
    for _ in range(10):  # now it is not seen before: each call finds a dead one and makes a new
        assert outcome(client, question)[0] == [[1.0]]
    assert client.breaker.state == "closed"


def test_an_open_breaker_answers_at_once_and_lets_one_call_try(
    serving: Serving, client_of: Asking, question: Question
) -> None:
    well = threading.Event()
    server = serving(
        lambda sock, number: read_request(sock) and well.is_set() and sock.sendall(GOOD)
    )
    client = client_of(server.url)
    assert {type(found) for found in client.ask([question] * 8)} == {RemoteSilent}
    assert client.breaker.state == "open"
    before = server.connections
    found, took = outcome(client, question)
    assert isinstance(found, BreakerOpen)
    assert took < SLACK
    assert server.connections == before
    well.set()
    time.sleep(1.05)
    several = client.ask([question] * 4)
    assert several[0] == [[1.0]]
    assert all(isinstance(found, BreakerOpen) for found in several[1:])
    assert client.ask([question] * 4) == [[[1.0]]] * 4


def test_refusals_do_not_open_the_breaker(
    serving: Serving, client_of: Asking, question: Question
) -> None:
    client = client_of(serving(saying(http("422 No", {}))).url)
    for _ in range(20):
        assert isinstance(outcome(client, question)[0], RemoteRefusal)
    assert client.breaker.state == "closed"


def test_a_key_is_sent_as_a_bearer(serving: Serving, client_of: Asking, question: Question) -> None:
    heads = []

    def script(sock: socket.socket, number: int) -> None:
        heads.append(read_request(sock).split(b"\r\n\r\n")[0].decode())
        sock.sendall(GOOD)

    outcome(client_of(serving(script).url + "/prefix/", key="sk-1"), question)
    assert "Authorization: Bearer sk-1" in heads[0].split("\r\n")
    assert heads[0].startswith("POST /prefix/embed HTTP/1.1\r\n")


def test_many_are_asked_side_by_side_and_no_more_than_may_be(
    fake_server: ModelServer, client_of: Asking
) -> None:
    fake_server.delay = 0.15
    client = client_of(fake_server.url, connections=8)
    asked = [Request("/embed", {"inputs": [str(n)]}, lambda answer: answer) for n in range(16)]
    start = time.monotonic()
    found = client.ask(asked)
    assert time.monotonic() - start < 1.8  # 16 × 0.15 one after the other
    assert not any(isinstance(one, RemoteError) for one in found)
    assert len({json.dumps(one) for one in found}) == 16
    assert fake_server.seen.most_at_once <= 8
    assert fake_server.seen.connections <= 8
    client.ask(asked[:8])
    assert fake_server.seen.connections <= 8


def test_a_slow_answer_does_not_cost_those_that_had_arrived(
    serving: Serving, client_of: Asking, question: Question
) -> None:
    def script(sock: socket.socket, number: int) -> None:
        body = read_request(sock)
        if b"slow" in body:
            time.sleep(1.6)
        sock.sendall(GOOD)

    slow: Question = Request("/embed", {"inputs": ["slow"]}, lambda answer: answer)
    found = client_of(serving(script).url, seconds=1.0).ask([slow, *[question] * 5])
    assert isinstance(found[0], RemoteTimeout)
    assert found[1:] == [[[1.0]]] * 5


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0.0), (" 12 ", 12.0), ("-3", None), ("soon", None), ("", None), ("1.5", None),
     (formatdate(1_000_060.0, usegmt=True), 60.0), (formatdate(999_000.0, usegmt=True), 0.0),
     ("9" * 400, None)],
)  # fmt: skip
def test_retry_after_is_read_in_both_its_forms(value: str, seconds: float | None) -> None:
    assert retry_after(value, now=lambda: 1_000_000.0) == seconds


class Scripted(Client):
    """A client whose rounds are a script on a clock of the test's own."""

    def __init__(
        self, script: list[tuple[float, list[RemoteError | None]]], seconds: float
    ) -> None:
        self.now = 0.0
        self.sent: list[list[int]] = []
        self.sleeps: list[float] = []
        self._script = script
        endpoint = Endpoint("http://127.0.0.1:9", seconds=seconds, attempts=4)
        super().__init__(endpoint, clock=lambda: self.now, sleep=self._wait, chance=lambda: 1.0)

    def _wait(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    def _round(self, requests: Any, asked: Any, outcomes: Any, deadline: float) -> None:
        assert self.now < deadline
        took, errors = self._script[len(self.sent)]
        self.sent.append(list(asked))
        self.now = min(self.now + took, deadline)
        for index in asked:
            outcomes[index] = errors[index] or "fine"


ERRORS = st.sampled_from(
    [None, RemoteUnreachable("x"), RemoteBusy("x"), RemoteBusy("x", 0.2), RemoteBusy("x", 9.0),
     RemoteSilent("x"), RemoteSilent("x", stale=True), RemoteBroken("x"), RemoteFault("x"),
     RemoteGatewayFault("x"), RemoteTimeout("x"), RemoteRefusal("x", 400), BreakerOpen("x")]
)  # fmt: skip
ROUNDS = st.lists(
    st.tuples(st.floats(0.0, 0.5), st.lists(ERRORS, min_size=3, max_size=3)),
    min_size=4,
    max_size=4,
)


NO_ANSWER: list[RemoteError | None] = [RemoteBusy("x")] * 3


@given(
    ROUNDS, st.floats(0.1, 2.0), st.lists(st.sampled_from(list(Repeat)[1:]), min_size=3, max_size=3)
)
@example(
    [(0.051, NO_ANSWER)] * 4, 0.051 + 0.05, [Repeat.PURE] * 3
)  # the pause ends on the deadline
def test_only_what_is_safe_is_sent_again_and_never_past_the_deadline(
    script: list[tuple[float, list[RemoteError | None]]], seconds: float, needs: list[Repeat]
) -> None:
    client = Scripted(script, seconds)
    requests = [Request("/embed", {}, lambda answer: answer, need) for need in needs]
    found = client.ask(requests)
    assert client.now <= seconds
    assert client.sent[0] == [0, 1, 2]
    assert len(client.sent) <= 4
    for attempt, again in enumerate(client.sent[1:]):
        errors = script[attempt][1]
        for index in again:
            error = errors[index]
            assert error is not None
            assert error.repeat >= needs[index]
            if isinstance(error, RemoteBusy) and error.retry_after:
                assert client.sleeps[attempt] >= error.retry_after
    for index, outcome in enumerate(found):
        last = max(n for n, asked in enumerate(client.sent) if index in asked)
        assert outcome == (script[last][1][index] or "fine")
