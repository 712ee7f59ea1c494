"""Every error as `application/problem+json` (RFC 9457), whatever raised it."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, g
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from app.errors import InputError, KindredError, Unauthenticated
from app.redaction import frames
from app.telemetry import Metrics, get_logger
from app.web.limits import Exceeded

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:kindred:problem:"
_INTERNAL = "Something went wrong on our side. It was noted."
_BACK_SOON = 1.0  # seconds, where an error that passes does not say when
# Seconds over which those who come back soon are spread. The header holds whole seconds, rounded
# up: anything below two would send most of them to the same one.
_SPREAD = 2.0


def problem_of(error: KindredError) -> dict[str, Any]:
    """The problem object of one of our errors; its Retry-After, already jittered, inside."""
    problem: dict[str, Any] = {
        "type": f"{_TYPE}{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": f"urn:kindred:request:{request_id()}",
    }
    if isinstance(error, InputError) and error.errors:
        problem["errors"] = [
            {"detail": item.detail, "pointer": item.pointer} for item in error.errors
        ]
    seconds = retry_after(error)
    if seconds is not None:
        problem["retry_after"] = seconds
    return problem


def unexpected() -> dict[str, Any]:
    """The problem object of an error that nobody foresaw: it says nothing of what happened."""
    return problem_of(KindredError(_INTERNAL))


def retry_after(error: KindredError) -> int | None:
    """Whole seconds after which to try again, spread so that not all come back at once."""
    base = error.retry_after
    if base is None and error.status not in (429, 503):
        return None
    base = _BACK_SOON if base is None else max(0.0, base)
    spread = random.uniform(0.0, max(_SPREAD, base / 2))  # nosec B311: no secret
    return max(1, math.ceil(base + spread))


def respond(problem: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """The response that carries a problem."""
    response = Response(
        json.dumps(problem, ensure_ascii=False), problem["status"], content_type=MEDIA_TYPE
    )
    if "retry_after" in problem:
        response.headers["Retry-After"] = str(problem["retry_after"])
    response.headers.update(headers or {})
    return response


def request_id() -> str:
    """The id of the request being answered."""
    return str(g.get("request_id", "none"))


def install(app: Flask, metrics: Metrics) -> None:
    """Make the app answer every error as a problem."""
    log = get_logger("web")

    def ours(error: KindredError) -> Response:
        headers: Mapping[str, str] = {}
        if isinstance(error, Unauthenticated):
            headers = {"WWW-Authenticate": g.get("challenge", 'Bearer realm="kindred"')}
        elif isinstance(error, Exceeded):
            headers = error.headers
        if error.status >= 500:
            log.warning("refused", code=error.code, status=error.status)
        return respond(problem_of(error), headers)

    def http(error: HTTPException) -> Response | BaseResponse:
        status = error.code or 500
        if error.response is not None or status < 400:
            return error.get_response()
        name = error.name.lower().replace(" ", "-")
        problem = problem_of(KindredError(error.description or error.name))
        problem |= {"type": f"{_TYPE}{name}", "title": error.name, "status": status}
        kept = {k: v for k, v in error.get_headers() if k.lower() in {"allow", "retry-after"}}
        return respond(problem, kept)

    def unforeseen(error: Exception) -> Response:
        metrics.failures.labels("web").inc()
        log.error("unforeseen", error=type(error).__name__, where=frames(error))
        return respond(unexpected())

    app.register_error_handler(KindredError, ours)
    app.register_error_handler(HTTPException, http)
    app.register_error_handler(Exception, unforeseen)


__all__ = ["install", "problem_of", "request_id", "respond", "retry_after", "unexpected"]
