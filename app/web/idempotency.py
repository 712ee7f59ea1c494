"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header) on every POST.

Same key and same request: the stored response, with `Idempotency-Replayed: true`. Same key, other
request: 422. The first still running: 409. Keys belong to their caller and live as the store says.
Failures are not stored, and neither are answers that are secret (`Operation.secret`): a retry runs
again.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from contextlib import suppress

from flask import Request, Response

from app.errors import InputError, StoreUnavailable
from app.store.idempotency import StoredResponse
from app.store.store import Store

REPLAYED = "Idempotency-Replayed"
# A key of a caller whom only an address and a program's name tell apart from others is long: who
# guesses it there is given the answer, which may be somebody's token. A UUID has 36 characters.
_STRANGERS_CHARS_MIN = 20
_CHARS_MAX = 255
_KEPT = ("Content-Type", "Location", "ETag")


def pattern(stranger: bool) -> str:
    """What a key looks like; `stranger`: of callers who show nothing."""
    return f"[!-~]{{{_STRANGERS_CHARS_MIN if stranger else 1},{_CHARS_MAX}}}"


def key_of(request: Request, stranger: bool = False) -> str | None:
    """The request's key; plain, or as the structured string of the draft (quoted).

    Raises:
        InputError: it is empty, too long, not visible ASCII, or too easy to guess for a stranger.
    """
    text = request.headers.get("Idempotency-Key")
    if text is None:
        return None
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if not re.fullmatch(pattern(stranger), text):
        raise InputError(f"Idempotency-Key must match {pattern(stranger)}: visible ASCII.")
    return text


def fingerprint(*parts: str | bytes) -> str:
    """A hash of what makes two requests the same."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def once(
    store: Store, scope: str, key: str | None, print_: str, run: Callable[[], Response]
) -> Response:
    """Run it, or give the response that it gave before.

    Raises:
        IdempotencyMismatch, InFlight, StoreUnavailable, and what `run` raises.
    """
    if key is None:
        return run()
    attempt = secrets.token_hex(8)
    stored = store.idempotency.begin(scope, key, print_, attempt)
    if stored is not None:
        return _replay(stored)
    try:
        response = run()
        if response.status_code >= 400:
            store.idempotency.abandon(scope, key, attempt)
            return response
    except BaseException:
        with suppress(StoreUnavailable):
            store.idempotency.abandon(scope, key, attempt)
        raise
    headers = {name: response.headers[name] for name in _KEPT if name in response.headers}
    ours = StoredResponse(response.status_code, headers, response.get_data())
    counts = store.idempotency.finish(scope, key, print_, ours)
    return response if counts is ours else _replay(counts)


def _replay(stored: StoredResponse) -> Response:
    response = Response(stored.body, stored.status)
    if "Content-Type" not in stored.headers:
        response.headers.pop("Content-Type", None)
    response.headers.update(stored.headers)
    response.headers[REPLAYED] = "true"
    return response
