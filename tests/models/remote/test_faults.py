"""Services that are slow, silent, broken, busy, wrong or away: each its own error, in time."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from models.runtimes.remote import Client
from models.runtimes.remote.client import Request
from models.runtimes.remote.errors import (
    RemoteAnswerError,
    RemoteBroken,
    RemoteError,
    RemoteFault,
    RemoteGatewayFault,
    RemoteRefusal,
    RemoteSilent,
    RemoteTimeout,
    RemoteUnreachable,
    Repeat,
)
from tests.models.remote.servers import RawServer, Script, http, read_request, saying

Serving = Callable[[Script], RawServer]
Asking = Callable[..., Client]
Question = Request[object]

SLACK = 0.75  # seconds past a deadline that a loaded test machine may take
GOOD = http("200 OK", [[1.0]])


def seeded(question: Question) -> Question:
    return Request("/v1/completions", question.body, question.read, Repeat.SILENT)


def outcome(client: Client, question: Question) -> tuple[object, float]:
    start = time.monotonic()
    [found] = client.ask([question])
    return found, time.monotonic() - start


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_a_port_where_nobody_listens(client_of: Asking, question: Question) -> None:
    client = client_of(f"http://127.0.0.1:{closed_port()}", seconds=1.0)
    found, took = outcome(client, question)
    assert isinstance(found, RemoteUnreachable)
    assert took < 1.0  # three attempts with short pauses, not the whole time


def test_a_host_that_does_not_exist(client_of: Asking, question: Question) -> None:
    found, _ = outcome(client_of("http://nowhere.invalid:9"), question)
    assert isinstance(found, RemoteUnreachable)


def test_a_service_that_never_answers(
    serving: Serving, client_of: Asking, question: Question
) -> None:
    server = serving(lambda sock, number: sock.recv(1 << 20) and time.sleep(1.5))
    found, took = outcome(client_of(server.url, seconds=0.2), question)
    assert isinstance(found, RemoteTimeout)
    assert 0.19 < took < 0.2 + SLACK
    assert server.connections == 1


@pytest.mark.parametrize("prefix", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
def test_a_service_that_sends_a_byte_now_and_then(
    serving: Serving, client_of: Asking, question: Question, prefix: bytes
) -> None:
    def drip(sock: socket.socket, number: int) -> None:
        read_request(sock)
        sock.sendall(prefix)
        for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 200:
            sock.sendall(bytes([byte]))
            time.sleep(0.02)

    found, took = outcome(client_of(serving(drip).url, seconds=0.25), question)
    assert isinstance(found, RemoteTimeout)
    assert took < 0.25 + SLACK


@pytest.mark.parametrize("repeat", ["pure", "seeded"])
def test_half_a_body_is_asked_for_again_only_where_that_is_free(
    serving: Serving, client_of: Asking, question: Question, repeat: str
) -> None:
    def script(sock: socket.socket, number: int) -> None:
        read_request(sock)
        sock.sendall(GOOD if number else GOOD[:-3])

    server = serving(script)
    if repeat == "pure":
        assert outcome(client_of(server.url), question)[0] == [[1.0]]
        assert server.connections == 2
    else:
        found, _ = outcome(client_of(server.url), seeded(question))
        assert isinstance(found, RemoteBroken)
        assert server.connections == 1


def test_half_a_chunked_body(serving: Serving, client_of: Asking, question: Question) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    def script(sock: socket.socket, number: int) -> None:
        read_request(sock)
        sock.sendall(head + (b"7\r\n[[1.0]]\r\n0\r\n\r\n" if number else b"7\r\n[[1"))

    assert outcome(client_of(serving(script).url), question)[0] == [[1.0]]
    only_half = serving(lambda sock, number: read_request(sock) and sock.sendall(head + b"5\r\n["))
    assert isinstance(outcome(client_of(only_half.url), question)[0], RemoteBroken)


@pytest.mark.parametrize("repeat", ["pure", "seeded"])
def test_a_connection_that_ends_before_any_answer_is_asked_again(
    serving: Serving, client_of: Asking, question: Question, repeat: str
) -> None:
    def script(sock: socket.socket, number: int) -> None:
        read_request(sock)
        if number:
            sock.sendall(GOOD)

    server = serving(script)
    asked = question if repeat == "pure" else seeded(question)
    assert outcome(client_of(server.url), asked)[0] == [[1.0]]
    always = serving(lambda sock, number: read_request(sock))
    assert isinstance(outcome(client_of(always.url), asked)[0], RemoteSilent)
    assert always.connections == 3


def test_what_must_not_be_repeated_is_not(
    serving: Serving, client_of: Asking, question: Question
) -> None:
    once = Request(question.path, question.body, question.read, Repeat.ALWAYS)
    silent = serving(lambda sock, number: read_request(sock))
    assert isinstance(outcome(client_of(silent.url), once)[0], RemoteSilent)
    assert silent.connections == 1
    busy = serving(saying(http("503 Busy", {}), GOOD))  # it was not begun: this is safe
    assert outcome(client_of(busy.url), once)[0] == [[1.0]]


@pytest.mark.parametrize(
    ("answer", "kind", "sent"),
    [
        (http("500 Oops", {}), RemoteFault, 1),
        (http("502 Bad Gateway", b"<html>"), RemoteGatewayFault, 3),
        (http("301 Moved", b"", "Location: http://127.0.0.1:1/"), RemoteRefusal, 1),
        (http("307 Moved", b"", "Location: http://127.0.0.1:1/"), RemoteRefusal, 1),
        (http("401 Who", {}), RemoteRefusal, 1),
        (http("422 No", {"error": "x", "error_type": "validation"}), RemoteRefusal, 1),
        (http("204 Nothing", b""), RemoteAnswerError, 1),
        (http("200 OK", b"[[1.0]"), RemoteAnswerError, 1),
        (http("200 OK", b"\xff\xfe"), RemoteAnswerError, 1),
        (http("200 OK", b"[NaN]"), RemoteAnswerError, 1),
        (http("200 OK", b"[" * 100_000), RemoteAnswerError, 1),
        (http("200 OK", b"[1]", "Content-Encoding: gzip"), RemoteAnswerError, 1),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + GOOD, RemoteBroken, 3),
        (b"SSH-2.0-OpenSSH_9.9\r\n", RemoteBroken, 3),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", RemoteBroken, 3),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", RemoteBroken, 3),
    ],
)  # fmt: skip
def test_each_wrong_answer_is_its_own_error(
    serving: Serving,
    client_of: Asking,
    question: Question,
    answer: bytes,
    kind: type[RemoteError],
    sent: int,
) -> None:
    asked = []

    def script(sock: socket.socket, number: int) -> None:
        while read_request(sock):
            asked.append(number)
            sock.sendall(answer)
            if not answer.startswith(b"HTTP"):
                return

    found, _ = outcome(client_of(serving(script).url), question)
    assert type(found) is kind
    assert len(asked) == sent


@pytest.mark.parametrize("told", [True, False])
def test_a_huge_body_is_not_read(
    serving: Serving, client_of: Asking, question: Question, told: bool
) -> None:
    """Said beforehand it is not even begun; else it is left at the limit."""
    sent = []

    def script(sock: socket.socket, number: int) -> None:
        read_request(sock)
        head = b"Content-Length: 999999999" if told else b"Connection: close"
        sock.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n[")
        for _ in range(0 if told else 1_000):
            sock.sendall(b"1," * 50_000)
            sent.append(100_000)

    found, took = outcome(client_of(serving(script).url, answer_bytes=1_000_000), question)
    assert isinstance(found, RemoteAnswerError)
    assert took < 2.0
    assert sum(sent) < 50_000_000


def test_neither_key_nor_text_is_in_any_message(serving: Serving, client_of: Asking) -> None:
    key, secret = "sk-verysecret", "my boss shouted at me"
    echo = {"error": {"message": f"{key} said {secret}", "code": f"bad {secret}", "type": key}}
    question: Question = Request("/embed", {"inputs": [secret]}, lambda answer: answer)
    for status in ("400 Bad", "401 Who", "429 Busy", "500 Oops"):
        client = client_of(serving(saying(http(status, echo))).url, key=key, attempts=1)
        found, _ = outcome(client, question)
        shown = f"{found} {found!r} {client.endpoint!r} {vars(found)}"
        assert isinstance(found, RemoteError)
        assert found.__traceback__ is None
        assert key not in shown
        assert secret not in shown
