"""Around each request: an id, what it took, what it was answered, and safe headers."""

from __future__ import annotations

import re
import secrets
import time

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
    log = get_logger("web")

    def before() -> None:
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if _SANE.fullmatch(given) else secrets.token_hex(16)
        g.started = time.perf_counter()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    def after(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Content-Security-Policy", _API_POLICY)
        response.headers.setdefault("Cache-Control", "no-store")
        route, method, started = _route(), _method(), g.started
        request_id = g.request_id

        def done() -> None:
            seconds = time.perf_counter() - started
            metrics.requests.labels(route, method, str(response.status_code)).inc()
            metrics.request_seconds.labels(route).observe(seconds)
            log.info(
                "request",
                route=route,
                method=method,
                status=response.status_code,
                ms=round(seconds * 1000, 1),
                request_id=request_id,
            )

        if response.is_streamed:
            response.call_on_close(done)
        else:
            done()
        return response

    app.before_request(before)
    app.after_request(after)


def _route() -> str:
    return request.url_rule.rule if request.url_rule is not None else "unmatched"


def _method() -> str:
    return request.method if request.method in _METHODS else "other"
