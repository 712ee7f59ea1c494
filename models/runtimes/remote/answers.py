"""What comes back from a service, checked by hand: nothing of it is believed before."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

from models.runtimes.remote.connection import Reply
from models.runtimes.remote.errors import (
    RemoteAnswerError,
    RemoteBusy,
    RemoteFault,
    RemoteGatewayFault,
    RemoteRefusal,
)

# The codes that services name errors by. A sentence may quote a person or a key; this cannot.
_CODE = re.compile(r"[a-z][a-z_]{1,39}")
_SECONDS = re.compile(r"[0-9]{1,9}")


def check(name: str, reply: Reply) -> None:
    """Raise what a status other than 2xx means; redirects are not followed."""
    status = reply.status
    if 200 <= status < 300:
        return
    message = f"{name}: {status}{_code(reply)}"
    if status in {429, 503}:
        raise RemoteBusy(message, retry_after(reply.headers.get("retry-after", "")))
    if status in {502, 504}:
        raise RemoteGatewayFault(message)
    if status >= 500:
        raise RemoteFault(message)
    raise RemoteRefusal(message, status)


def decode(name: str, reply: Reply) -> Any:
    """The JSON of an answer. Raises RemoteAnswerError where it is none, NaN included."""
    if reply.headers.get("content-encoding", "identity").lower() != "identity":
        raise RemoteAnswerError(f"{name}: an encoding that was not asked for")
    try:
        return json.loads(reply.body.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise RemoteAnswerError(f"{name}: the answer is no JSON") from None


def retry_after(value: str, now: Callable[[], float] = time.time) -> float | None:
    """Seconds of a Retry-After header (RFC 9110, 10.2.3), never negative; None if unreadable."""
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now())
    except (ValueError, TypeError, OverflowError):
        return None


def wrong(what: str) -> NoReturn:
    """Raise RemoteAnswerError: the answer is JSON, but not what was asked for."""
    raise RemoteAnswerError(f"the answer has {what}")


def member(value: Any, name: str) -> Any:
    """A field of an object, None where it has none."""
    if not isinstance(value, dict):
        wrong(f"no object around {name}")
    return value.get(name)


def listed(value: Any, what: str) -> list[Any]:
    """An array."""
    if not isinstance(value, list):
        wrong(f"no array of {what}")
    return value


def text(value: Any, what: str) -> str:
    """A string."""
    if not isinstance(value, str):
        wrong(f"no string as {what}")
    return value


def number(value: Any, what: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        wrong(f"no number as {what}")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        wrong(f"no finite number as {what}")
    return found


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _code(reply: Reply) -> str:
    """The error's code in OpenAI's form or TEI's, if it looks like one."""
    try:
        body = json.loads(reply.body)
        inner = body.get("error")
        found = [body.get("error_type")]
        if isinstance(inner, dict):
            found += [inner.get("code"), inner.get("type")]
    except (ValueError, RecursionError, AttributeError):
        return ""
    for code in found:
        if isinstance(code, str) and _CODE.fullmatch(code.lower()):
            return f" ({code.lower()})"
    return ""
