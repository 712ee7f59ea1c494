"""Around each request: an id, what it took, what it was answered, and safe headers."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable

import structlog
from flask import Flask, Response, g, request

from app.telemetry import Children, Metrics, get_logger
from app.web import headers

_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


def install(app: Flask, metrics: Metrics) -> None:
    """Give every request an id, every response its headers, and count both."""
    log = get_logger("web")
    counts = Children(metrics.requests.labels)
    latencies = Children(metrics.request_seconds.labels)

    def counter(response: Response) -> Callable[[], None]:
        """What counts and logs the request once it is over; it may be gone itself by then."""
        route, method, started, request_id = _route(), _method(), g.started, g.request_id

        def done() -> None:
            seconds = time.perf_counter() - started
            counts[route, method, str(response.status_code)].inc()
            latencies[route,].observe(seconds)
            log.info(
                "request",
                route=route,
                method=method,
                status=response.status_code,
                ms=round(seconds * 1000, 1),
                request_id=request_id,
            )

        return done

    def after(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        headers.stay(response)
        headers.secure(response, request)
        done = counter(response)
        if response.is_streamed:
            response.call_on_close(done)  # also when the caller hangs up
        else:
            done()
        return response

    app.before_request(_before)
    app.after_request(after)


def _before() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _SANE.fullmatch(given) else secrets.token_hex(16)
    g.started = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _route() -> str:
    return request.url_rule.rule if request.url_rule is not None else "unmatched"


def _method() -> str:
    return request.method if request.method in _METHODS else "other"
