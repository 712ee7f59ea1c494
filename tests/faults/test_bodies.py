"""Rows 25 to 28 over real connections: what a client sends that no client should.

How every odd body is refused, field by field, is in `tests/app/web/test_body.py`; here gunicorn's
own parsing is in front, and others chat at the same time.
"""

from __future__ import annotations

import http.client
import json
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from tests.app.web.test_body import STRANGE
from tests.faults.conftest import StartService
from tests.faults.service import Answer, Service, eventually

pytestmark = pytest.mark.slow

PROBLEM = "application/problem+json"
CRLF = "\r\n"


class Raw:
    """A connection on which anything can be sent."""

    def __init__(self, service: Service) -> None:
        self._socket = socket.create_connection(("127.0.0.1", service.port), timeout=60)

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def send(self, *parts: str | bytes) -> None:
        """Send as it is."""
        self._socket.sendall(
            b"".join(part.encode() if isinstance(part, str) else part for part in parts)
        )

    def head(self, token: str, *headers: str) -> None:
        """The head of a chat request."""
        lines = ["POST /v1/chat HTTP/1.1", "Host: kindred", f"Authorization: Bearer {token}"]
        lines += ["Content-Type: application/json", *headers, "", ""]
        self.send(CRLF.join(lines))

    def status(self) -> int:
        """Of the next answer; 0 where the server hung up instead."""
        try:
            answer = http.client.HTTPResponse(self._socket)
            answer.begin()
            answer.read()
        except (http.client.HTTPException, ConnectionError):
            return 0
        return answer.status

    def closed_after(self, seconds: float) -> float | None:
        """Seconds until the server hangs up; None where it does not within so many."""
        start = time.monotonic()
        self._socket.settimeout(seconds)
        try:
            while self._socket.recv(65_536):
                pass
        except TimeoutError:
            return None
        except ConnectionError:
            pass
        return time.monotonic() - start


def is_problem(answer: Answer, *statuses: int) -> bool:
    """It is problem+json with one of these statuses."""
    kind = answer.headers.get("content-type", "")
    return answer.status in statuses and kind == PROBLEM and answer.json["status"] == answer.status


@contextmanager
def somebody_chats(service: Service) -> Iterator[Callable[[], list[Answer]]]:
    """A person who talks the whole time; gives what was answered so far."""
    token, answers, stop = service.guest(), [], threading.Event()

    def talk() -> None:
        while not stop.is_set():
            answers.append(service.chat(token, "hello there"))

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        eventually(lambda: answers)
        yield lambda: answers
    finally:
        stop.set()
        thread.join(60)


@pytest.mark.faults(25)
def test_row_25_a_message_of_100_000_characters(service: Service) -> None:
    token = service.guest()
    long = [
        service.chat(token, letter * 100_000)  # one byte each, two, four, and an escape each
        for letter in ("a", "é", "🙂", "\x01")
    ]
    assert all(is_problem(answer, 413, 422) for answer in long), [a.text[:200] for a in long]
    late = service.metric("kindred_late_total")
    with somebody_chats(service) as answers:
        begun = len(answers())
        body = json.dumps({"message": "[" * 100_000}).encode()
        spent = [service.call("POST", "/v1/chat", token, body).seconds for _ in range(20)]
        eventually(lambda: len(answers()) > begun + 2)
    assert {answer.status for answer in answers()} == {200}
    assert service.metric("kindred_late_total") == late
    assert min(spent) < 0.25  # its cost is that of reading it: no other work begins
    # Nothing of it was kept, and the person's next words are answered.
    assert service.call("GET", "/v1/conversations", token).json["items"] == []
    assert service.chat(token, "a short one").status == 200


@pytest.mark.faults(26)
@pytest.mark.parametrize(
    "size", [16, 400_000], ids=["whole and small", "over the limit after a valid beginning"]
)
def test_row_26_chunked_bodies(service: Service, size: int) -> None:
    token = service.guest()
    body = b'{"message":"hi"}'.ljust(size)
    with Raw(service) as raw:
        raw.head(token, "Transfer-Encoding: chunked")
        with suppress(ConnectionError):  # it was refused before it was all sent
            raw.send(f"{len(body):x}{CRLF}", body, CRLF, f"0{CRLF}{CRLF}")
        status = raw.status()
    # A large body is still being sent when it is refused: then the reset may overtake the answer.
    assert status in ((411, 413) if size == 16 else (0, 411, 413))
    assert service.call("GET", "/v1/conversations", token).json["items"] == []


@pytest.mark.faults(26)
@pytest.mark.parametrize(
    "headers",
    [
        ("Transfer-Encoding: chunked", "Content-Length: 16"),
        ("Content-Length: 16", "Content-Length: 17"),
        ("Content-Length: 16, 17",),
        ("Content-Length: +16",),
        ("Content-Length: -1",),
        ("Content-Length: 1_6",),
        ("Content-Length: 99999999999999999999",),
        ("Transfer-Encoding: gzip, chunked",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding : chunked", "Content-Length: 16"),
    ],
)
def test_row_26_two_opinions_of_the_length(service: Service, headers: tuple[str, ...]) -> None:
    token = service.guest()
    with Raw(service) as raw:
        raw.head(token, *headers)
        raw.send(b'{"message":"hi"}')
        assert raw.status() in (0, 400, 411, 413, 501)
    assert service.call("GET", "/v1/conversations", token).json["items"] == []


@pytest.mark.faults(26)
def test_row_26_what_follows_a_refused_body_is_no_request(service: Service) -> None:
    token = service.guest()
    hidden = f"DELETE /v1/me HTTP/1.1{CRLF}Host: a{CRLF}Authorization: Bearer {token}{CRLF * 2}"
    with Raw(service) as raw:
        raw.head(token, "Transfer-Encoding: chunked", "Content-Length: 5")
        raw.send(f"0{CRLF}{CRLF}", hidden)
        assert raw.status() in (0, 400, 411)
        assert raw.status() not in (200, 204)
    assert service.call("GET", "/v1/conversations", token).status == 200  # the person is still here


@pytest.mark.faults(27)
def test_row_27_strange_json(service: Service) -> None:
    token = service.guest()
    reply = service.chat(token, "hello").json["reply_id"]
    routes = [
        ("POST", "/v1/chat", token),
        ("PUT", f"/v1/replies/{reply}/reaction", token),
        ("PUT", "/v1/conversations/c00/feedback", token),
        ("POST", "/v1/auth/guest", None),
        ("POST", "/v1/auth/refresh", token),
        ("POST", "/admin/v1/reactions", None),
        ("PUT", "/admin/v1/flags/generator", None),
    ]
    wrong = []
    for name, (raw, _) in STRANGE.items():
        for method, path, bearer in routes:
            if name == "empty object" and "/auth/" in path:
                continue  # that is their body
            headers = {"X-API-Key": service.admin_key} if path.startswith("/admin") else {}
            answer = service.call(method, path, bearer, raw, headers)
            if not is_problem(answer, 400, 404, 409, 413, 422, 428):
                wrong.append((name, method, path, answer.status, answer.text[:120]))
    assert wrong == []
    assert service.chat(token, "and on").status == 200


@pytest.mark.faults(28)
def test_row_28_slow_headers_and_slow_bodies_are_cut(start_service: StartService) -> None:
    service = start_service(body_seconds_max=2)
    token = service.guest()
    cut: dict[str, float | None] = {}

    def headers() -> None:
        with Raw(service) as raw, dripping(raw):
            raw.send(f"POST /v1/chat HTTP/1.1{CRLF}Host: a{CRLF}X-Slow: ")
            cut["headers"] = raw.closed_after(30)

    def body() -> None:
        with Raw(service) as raw, dripping(raw):
            raw.head(token, "Content-Length: 5000")
            cut["body"] = raw.closed_after(30)

    threads = [threading.Thread(target=slow) for slow in (headers, body)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    # Five seconds for headers (gunicorn.conf.py), two for a body here, and a slow machine.
    assert cut["headers"] is not None
    assert cut["headers"] < 20
    assert cut["body"] is not None
    assert cut["body"] < 20
    assert service.metric("kindred_requests_total", route="/v1/chat", status="408") == 1


@contextmanager
def dripping(raw: Raw) -> Iterator[None]:
    """A byte every 0.1 s, for as long as anybody listens: no single wait is long."""
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.1):
            try:
                raw.send(b"a")
            except OSError:
                return

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


SLOW_ONES = 150
ROUNDS = 3
TALKS = 30
TOLERANCE = 1.5  # a quiet p95 varies by more than that on a busy machine, so the best round counts


@pytest.mark.faults(28)
def test_row_28_others_do_not_notice(start_service: StartService) -> None:
    service = start_service(faulty=True, body_seconds_max=60, candidates_pinned=0)
    service.breaks("encoder", "slow", seconds=0.05)  # a fixed time, against which others are judged
    token = service.guest()

    def p95() -> float:
        taken = [service.chat(token, f"hello {number}").seconds for number in range(TALKS)]
        return statistics.quantiles(taken, n=20)[-1]

    p95()
    ratios = []
    for _ in range(ROUNDS):
        quiet = p95()
        with ExitStack() as slow:
            for number in range(SLOW_ONES):
                raw = slow.enter_context(Raw(service))
                if number % 2:
                    raw.head(token, "Content-Length: 5000")
                raw.send('{"message": "' if number % 2 else "POST /v1/chat HTTP/1.1\r\nX-Slow: ")
            ratios.append(p95() / quiet)
        if ratios[-1] < TOLERANCE:
            break
    assert min(ratios) < TOLERANCE, ratios


@pytest.mark.faults(28)
def test_row_28_a_head_that_is_too_long_is_refused(service: Service) -> None:
    token = service.guest()
    with Raw(service) as raw:
        with suppress(ConnectionError):
            raw.head(token, *(f"X-{number}: {'a' * 200}" for number in range(2_000)))
        assert raw.status() in (0, 400, 431)
    assert service.chat(token, "hello").status == 200
