"""Around each request: an id, what it took, what it was answered, and safe headers."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable

import structlog
from flask import Flask, Response, g, request

from app.telemetry import Metrics, get_logger

_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_API_POLICY = "default-src 'none'; frame-ancestors 'none'"


def install(app: Flask, metrics: Metrics) -> None:
    """Give every request an id, every response its headers, and count both."""

    def after(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Content-Security-Policy", _API_POLICY)
        response.headers.setdefault("Cache-Control", "no-store")
        done = _counter(metrics, response)
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


def _counter(metrics: Metrics, response: Response) -> Callable[[], None]:
    """What counts and logs the request once it is over; the request itself may be gone by then."""
    route, method, started, request_id = _route(), _method(), g.started, g.request_id

    def done() -> None:
        seconds = time.perf_counter() - started
        metrics.requests.labels(route, method, str(response.status_code)).inc()
        metrics.request_seconds.labels(route).observe(seconds)
        get_logger("web").info(
            "request",
            route=route,
            method=method,
            status=response.status_code,
            ms=round(seconds * 1000, 1),
            request_id=request_id,
        )

    return done


def _route() -> str:
    return request.url_rule.rule if request.url_rule is not None else "unmatched"


def _method() -> str:
    return request.method if request.method in _METHODS else "other"
