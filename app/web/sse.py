"""Server-sent events (WHATWG HTML, section 9.2): `typing` at once, then `reply` or `error`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from flask import Request, Response, stream_with_context
from pydantic import BaseModel

from app.errors import KindredError
from app.telemetry import Metrics, get_logger
from app.web.problems import problem_of, unexpected

MEDIA_TYPE = "text/event-stream"
_ACCEPT_CHARS_MAX = 1_000  # a browser sends some two hundred; eight thousand take milliseconds


def wanted(request: Request) -> bool:
    """Whether the caller would rather have events than JSON; not where it says so at length."""
    if len(request.headers.get("Accept", "")) > _ACCEPT_CHARS_MAX:
        return False
    kinds = request.accept_mimetypes
    best = kinds.best_match(["application/json", MEDIA_TYPE], default="application/json")
    return bool(best == MEDIA_TYPE)


def event(name: str, data: str) -> str:
    """One event; `data` is one line."""
    return f"event: {name}\ndata: {data}\n\n"


def stream(work: Callable[[], BaseModel], metrics: Metrics, headers: Mapping[str, str]) -> Response:
    """Say that we are typing, do the work, send what it gives.

    Once the stream has begun its status is 200, so errors are an event with the problem object. A
    caller who hangs up ends the generator; what the work had stored stays for their retry.
    """

    def events() -> Iterator[str]:
        yield event("typing", "{}")
        try:
            model = work()
        except KindredError as error:
            yield event("error", json.dumps(problem_of(error)))
        except Exception as error:  # noqa: BLE001 - the stream is the last place to answer it
            metrics.failures.labels("web").inc()
            get_logger("web").error("unforeseen", error=type(error).__name__, where="stream")
            yield event("error", json.dumps(unexpected()))
        else:
            yield event("reply", model.model_dump_json())

    response = Response(stream_with_context(events()), content_type=f"{MEDIA_TYPE}; charset=utf-8")
    response.headers["X-Accel-Buffering"] = "no"  # a proxy must not hold events back
    response.headers.update(headers)
    return response
