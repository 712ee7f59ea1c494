"""gunicorn's worker and log, with what they would say of a request's contents left out.

gunicorn quotes the line or the header that it could not read, in its log and in its answer, and
logs the address of a request that failed. Here it says what kind of mistake it was, in the form
that every other error has.
"""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import traceback
from http import HTTPStatus
from types import TracebackType
from typing import Any

from gunicorn import util  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from gunicorn.workers.ggevent import GeventWorker  # type: ignore[import-untyped]

_STATUS = {
    "LimitRequestLine": HTTPStatus.REQUEST_URI_TOO_LONG,
    "LimitRequestHeaders": HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "UnsupportedTransferCoding": HTTPStatus.NOT_IMPLEMENTED,
    "ExpectationFailed": HTTPStatus.EXPECTATION_FAILED,
    "ForbiddenProxyRequest": HTTPStatus.FORBIDDEN,
}
_FRAMES = 8
# For what the kernel's buffer has no room for: whoever asks and does not read would hold the
# connection, and what answers it, for ever.
_SEND_SECONDS = 20.0


class Worker(GeventWorker):  # type: ignore[misc]
    """The gevent worker, discreet, and not patient without end."""

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> Any:
        """Answer a request; a client that does not read its answer is hung up on.

        Raises:
            StopIteration: the connection ends, as gunicorn itself says it.
        """
        sock.settimeout(_SEND_SECONDS)  # gevent's: of one piece of the answer, in all
        try:
            return super().handle_request(listener_name, req, sock, addr)
        except TimeoutError:
            self.log.info("Ended: a client that does not read")
            raise StopIteration from None
        finally:
            with contextlib.suppress(OSError):  # it may be closed by now
                sock.settimeout(None)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a request that is no HTTP (4xx) or that failed in the server (500)."""
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        if isinstance(exc, ParseException):
            status = _STATUS.get(type(exc).__name__, HTTPStatus.BAD_REQUEST)
            self.log.warning("Refused: %s (%s)", type(exc).__name__, int(status))
        else:
            self.log.error("Failed: %s at %s", type(exc).__name__, _places(exc.__traceback__))
        with contextlib.suppress(Exception):  # the client may be gone, in any of many ways
            util.write_nonblock(client, _answer(status))


class Log(Logger):  # type: ignore[misc]
    """gunicorn's log, in which errors are told by their places alone."""

    def setup(self, cfg: Any) -> None:
        """See gunicorn."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(_Discreet(self.error_fmt, self.datefmt))


class _Discreet(logging.Formatter):
    def formatException(  # noqa: N802 - logging's own name
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | Any
    ) -> str:
        kind, _, trace = ei
        return f"{kind.__name__ if kind else 'an error'} at {_places(trace)}"


def _places(trace: TracebackType | None) -> str:
    found = traceback.extract_tb(trace)[-_FRAMES:]
    return ", ".join(f"{f.filename.rpartition('/')[2]}:{f.lineno} {f.name}" for f in found)


def _answer(status: HTTPStatus) -> bytes:
    """A whole response, of RFC 9457; the connection ends with it."""
    request_id = secrets.token_hex(16)
    failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    problem = {
        "type": f"urn:kindred:problem:{status.phrase.lower().replace(' ', '-')}",
        "title": status.phrase,
        "status": int(status),
        "detail": "Something went wrong on our side." if failed else "This is not valid HTTP.",
        "instance": f"urn:kindred:request:{request_id}",
    }
    body = json.dumps(problem).encode()
    head = (
        f"HTTP/1.1 {int(status)} {status.phrase}\r\n"
        "Connection: close\r\n"
        "Content-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        f"X-Request-Id: {request_id}\r\n\r\n"
    )
    return head.encode("ascii") + body
