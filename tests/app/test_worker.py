"""gunicorn refuses what is no HTTP without quoting it, and logs errors by their places."""

from __future__ import annotations

import io
import json
import logging
import socket
from typing import Any

import pytest
from gevent import socket as gevent_socket
from gunicorn.http.errors import (
    InvalidHeader,
    InvalidRequestLine,
    LimitRequestHeaders,
    LimitRequestLine,
)
from gunicorn.workers.ggevent import GeventWorker

from app.worker import Worker, _Discreet

CANARY = "xylographic quokka 7351"


class Lines(list[str]):
    """A log that keeps its lines."""

    def warning(self, text: str, *values: Any) -> None:
        self.append(text % values)

    info = error = warning


@pytest.fixture
def refused() -> Any:
    """Refuses an error as the worker does; the answer, and what was logged."""

    def refuse(error: BaseException) -> tuple[str, dict[str, Any], Lines]:
        worker = object.__new__(Worker)
        worker.log = Lines()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            worker.handle_error(None, ours, ("127.0.0.1", 1), error)
            head, _, body = theirs.recv(65_536).decode().partition("\r\n\r\n")
        return head, json.loads(body), worker.log

    return refuse


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidRequestLine(CANARY), 400),
        (InvalidHeader(CANARY), 400),
        (LimitRequestLine(9, 8), 414),
        (LimitRequestHeaders(CANARY), 431),
        (RuntimeError(CANARY), 500),
    ],
)
def test_the_answer_is_a_problem_and_nothing_is_quoted(
    error: BaseException, status: int, refused: Any
) -> None:
    head, problem, log = refused(error)
    assert head.startswith(f"HTTP/1.1 {status} ")
    assert "application/problem+json" in head
    assert problem["status"] == status
    assert problem["instance"].startswith("urn:kindred:request:")
    assert CANARY not in head + json.dumps(problem) + "".join(log)
    assert type(error).__name__ in log[0]


def test_an_error_in_gunicorns_log_has_no_message() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Discreet("%(message)s"))
    logger = logging.Logger("gunicorn")
    logger.addHandler(handler)
    try:
        raise ValueError(CANARY)
    except ValueError:
        logger.exception("Error handling request")
    assert CANARY not in stream.getvalue()
    assert "ValueError at test_worker.py:" in stream.getvalue()


@pytest.mark.parametrize("reads", [False, True])
def test_a_client_that_does_not_read_is_hung_up_on(
    monkeypatch: pytest.MonkeyPatch, reads: bool
) -> None:
    answer = b"x" * (8 if reads else 64 << 20)  # more than any buffer of the kernel

    def send(worker: Any, listener: Any, req: Any, sock: Any, addr: Any) -> bool:
        sock.sendall(answer)
        return True

    monkeypatch.setattr(GeventWorker, "handle_request", send)
    monkeypatch.setattr("app.worker._SEND_SECONDS", 0.2)
    worker = object.__new__(Worker)
    worker.log = Lines()
    ours, theirs = gevent_socket.socketpair()
    with ours, theirs:
        if reads:
            assert worker.handle_request(None, None, ours, None) is True
            assert theirs.recv(64) == answer
        else:
            with pytest.raises(StopIteration):  # gunicorn's word for the end of a connection
                worker.handle_request(None, None, ours, None)
            assert worker.log == ["Ended: a client that does not read"]
        assert ours.gettimeout() is None  # the next request is waited for as before
