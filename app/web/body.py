"""Reading a request's body: under limits, in time, and only the strict JSON that we accept."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from flask import Request
from pydantic import BaseModel, ValidationError

from app.errors import (
    BodyTimeout,
    BodyTooLarge,
    FieldError,
    InputError,
    LengthRequired,
    MalformedBody,
    WrongMediaType,
)
from app.web.services import Services

DEPTH_MAX = 100
_CONTAINERS_MAX = 10_000  # lists and objects; many more, and the collector of garbage stops us all
_DIGITS_MAX = 400  # of one number
_ERRORS_MAX = 20  # that are told
_MISTAKES_MAX = 200  # beyond, nobody reads them: to list a hundred thousand would take seconds
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)  # its end may be missing
_NAME = re.compile(r"[A-Za-z0-9_$@~:/.\[\]-]{1,64}")  # of a field; a text has spaces, or is longer
_UNFIT = re.compile("[\x00\ud800-\udfff]")

M = TypeVar("M", bound=BaseModel)


def read(request: Request, services: Services) -> bytes:
    """The raw body; empty where there is none.

    Raises:
        LengthRequired: chunked, or without Content-Length (a truncated body could pass as whole).
        BodyTooLarge: longer than `body_bytes_max`.
        BodyTimeout: not there within `body_seconds_max`.
        MalformedBody: shorter than announced.
    """
    if request.headers.get("Transfer-Encoding"):
        raise LengthRequired(
            "Send the body with a Content-Length; chunked bodies are not accepted."
        )
    length = request.content_length or 0
    limit = services.settings.body_bytes_max
    if length > limit:
        raise BodyTooLarge(f"The body may have at most {limit} bytes.")
    if length == 0:
        return b""
    data: bytes | None = None
    with services.body_timeout(services.settings.body_seconds_max, False):
        try:
            data = request.environ["wsgi.input"].read(length)
        except TimeoutError:  # the worker waits less long for one piece than for all
            raise BodyTimeout from None
        except OSError:
            data = b""
    if data is None:
        raise BodyTimeout
    if len(data) != length:
        raise MalformedBody("The body is shorter than its Content-Length.")
    return data


def parse(model: type[M], raw: bytes, request: Request) -> M:
    """The body as a model.

    Raises:
        LengthRequired: there is no body at all.
        WrongMediaType: it does not say that it is JSON.
        MalformedBody: it is not JSON, or has what JSON leaves open (see `check`).
        InputError: a field is wrong; each is named.
    """
    if not raw and not request.environ.get("CONTENT_LENGTH"):
        raise LengthRequired("A JSON body is needed.")
    check_media_type(request)
    check(raw)
    try:
        return model.model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise invalid(error) from None


def check_media_type(request: Request) -> None:
    """Refuse what does not call itself JSON (a plain form of another site cannot)."""
    kind = request.mimetype
    if kind != "application/json" and not re.fullmatch(r"application/[\w.-]+\+json", kind):
        raise WrongMediaType("Send Content-Type: application/json.")


def check(raw: bytes) -> None:
    """Refuse JSON that parsers read differently or that hides something.

    That is: anything but UTF-8, nesting deeper than `DEPTH_MAX`, more than `_CONTAINERS_MAX` lists
    and objects, keys given twice, NaN and infinities, very long numbers, lone surrogates and NUL
    characters. The worst that fits costs milliseconds: a body is read before any quota can know
    what it is.

    Raises:
        MalformedBody, or InputError where a field can be named.
    """
    opened = _opened(raw)
    if opened > _CONTAINERS_MAX:
        raise MalformedBody(f"The body has more than {_CONTAINERS_MAX} lists and objects.")
    value = _loaded(raw)
    # By an escape alone can a surrogate or NUL have come in.
    if opened > DEPTH_MAX or b"\\u" in raw:
        problems = list(islice(_unfit(value), _ERRORS_MAX))
        if problems:
            raise InputError("The body holds characters that no text has.", problems)


def invalid(error: ValidationError) -> InputError:
    """Pydantic's errors as ours: each says what is wrong and where, none repeats the input."""
    count = error.error_count()
    if count > _MISTAKES_MAX:
        detail = f"has {count} mistakes, too many to name each"
        return InputError(f"The body {detail}.", [FieldError(detail, "")])
    listed = error.errors(include_url=False, include_context=False, include_input=False)
    found = [FieldError(str(item["msg"]), pointer(item["loc"])) for item in listed]
    first = found[0]
    where = first.pointer or "the body"
    return InputError(f"{where}: {first.detail}", found[:_ERRORS_MAX])


def pointer(parts: Iterable[str | int]) -> str:
    """An RFC 6901 pointer. A key that looks like no name is not repeated: it may be a text."""
    return "".join("/" + _named(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _named(part: str | int) -> str:
    return str(part) if isinstance(part, int) or _NAME.fullmatch(part) else "?"


def _opened(raw: bytes) -> int:
    """How many lists and objects begin in a body, at most; exactly, where that is many."""
    count = raw.count(b"[") + raw.count(b"{")
    if count > _CONTAINERS_MAX:
        bare = _STRING.sub(b"", raw)
        count = bare.count(b"[") + bare.count(b"{")
    return count


def _loaded(raw: bytes) -> Any:
    try:
        return json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_float,
        )
    except UnicodeDecodeError:
        raise MalformedBody("The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise MalformedBody(f"The body is not JSON: {error.msg} at {place}.") from None
    except RecursionError:
        raise _too_deep() from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedBody("An object of the body has a key twice.")
    return found


def _constant(name: str) -> float:
    raise MalformedBody(f"The body holds {name}, which is not JSON.")


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS_MAX:
        raise MalformedBody("The body holds a number that is too long.")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if len(digits) > _DIGITS_MAX or value in (float("inf"), float("-inf")):
        raise MalformedBody("The body holds a number that is too large.")
    return value


def _unfit(value: Any) -> Iterator[FieldError]:
    """What no text may hold, wherever it is (MalformedBody: something is nested too deep)."""
    containers: deque[tuple[tuple[str | int, ...], Any]] = deque([((), value)])
    while containers:
        path, container = containers.popleft()
        if not isinstance(container, dict | list):
            continue  # the whole body is one bare value
        pairs = container.items() if isinstance(container, dict) else enumerate(container)
        for key, item in pairs:
            if isinstance(key, str) and _UNFIT.search(key):
                yield FieldError("has a key with NUL or half of a surrogate pair", pointer(path))
            elif isinstance(item, str):
                if _UNFIT.search(item):
                    yield FieldError("holds NUL or half of a surrogate pair", pointer((*path, key)))
            elif isinstance(item, dict | list):
                if len(path) + 2 > DEPTH_MAX:
                    raise _too_deep()
                if item:
                    containers.append(((*path, key), item))


def _too_deep() -> MalformedBody:
    return MalformedBody(f"The body is nested more than {DEPTH_MAX} deep.")
