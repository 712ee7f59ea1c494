"""Kindred's errors, one tree; each class carries its HTTP status and a stable code.

KindredError
├── InputError                 422 invalid-input        bad field, names it by JSON pointer
│   ├── MalformedBody          400 malformed-body       not JSON, or not the JSON we accept
│   ├── BodyTimeout            408 body-timeout         the body took too long to arrive
│   ├── LengthRequired         411 length-required
│   ├── BodyTooLarge           413 body-too-large
│   ├── WrongMediaType         415 wrong-media-type     not JSON
│   └── IdempotencyMismatch    422 idempotency-key-reused   same key, other body
├── Unauthenticated            401 unauthenticated
├── Forbidden                  403 forbidden
│   ├── InsufficientScope      403 insufficient-scope   the key may not do this
│   └── ForgeryRefused         403 forgery-refused      a session's call without its CSRF token
├── NotFound                   404 not-found            also another person's things
├── InFlight                   409 in-flight            the first request of this key still runs
├── Conflict                   409 conflict
├── QuotaExceeded              429 quota-exceeded       the caller's own limit; Retry-After
├── Overloaded                 503 overloaded           ours; Retry-After
├── StoreUnavailable           503 store-unavailable    Redis is away; Retry-After
├── IssuerUnavailable          503 issuer-unavailable   no keys of the identity provider yet
├── DeadlineExceeded           504 deadline-exceeded    inside the pipeline: left out, counted
├── ModelFailure               500 model-failure        inside the pipeline: the next source answers
└── StartupError               exit 1                   one clear line, then the process ends
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One bad field: what is wrong, and where (RFC 6901 pointer into the body)."""

    detail: str
    pointer: str


class KindredError(Exception):
    """Base of everything that Kindred raises on purpose; `detail` is fit for the caller to read."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.retry_after = retry_after  # seconds, before jitter


class InputError(KindredError):
    """The request is understood but a field is wrong; `errors` names each."""

    status = 422
    code = "invalid-input"
    title = "The request is not valid"

    def __init__(self, detail: str = "", errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.errors = tuple(errors)


class MalformedBody(InputError):
    """The body is not JSON, or not the strict JSON that we accept."""

    status = 400
    code = "malformed-body"
    title = "The body cannot be read"


class BodyTimeout(InputError):
    """The body did not arrive in time."""

    status = 408
    code = "body-timeout"
    title = "The body took too long to arrive"


class LengthRequired(InputError):
    """A body without Content-Length."""

    status = 411
    code = "length-required"
    title = "Content-Length is required"


class BodyTooLarge(InputError):
    """A body over the limit."""

    status = 413
    code = "body-too-large"
    title = "The body is too large"


class WrongMediaType(InputError):
    """A body that does not say that it is JSON."""

    status = 415
    code = "wrong-media-type"
    title = "The body must be JSON"


class IdempotencyMismatch(InputError):
    """The Idempotency-Key (or message_id) was used before with another body."""

    status = 422
    code = "idempotency-key-reused"
    title = "This key was used with another request"


class Unauthenticated(KindredError):
    """No credentials, or credentials that do not hold."""

    status = 401
    code = "unauthenticated"
    title = "Credentials are missing or not valid"


class Forbidden(KindredError):
    """Good credentials that may not do this."""

    status = 403
    code = "forbidden"
    title = "This is not allowed"


class InsufficientScope(Forbidden):
    """A good key that lacks the scope of this route."""

    code = "insufficient-scope"
    title = "The key may not do this"


class ForgeryRefused(Forbidden):
    """A call of a browser's session that another site may have sent (CSRF)."""

    code = "forgery-refused"
    title = "The session's token is missing or does not fit"


class NotFound(KindredError):
    """Nothing here, or nothing of yours."""

    status = 404
    code = "not-found"
    title = "Not found"


class InFlight(KindredError):
    """The first request with this key is still being answered."""

    status = 409
    code = "in-flight"
    title = "The same request is still being answered"


class Conflict(KindredError):
    """The thing is in a state that does not allow this."""

    status = 409
    code = "conflict"
    title = "This cannot be done now"


class QuotaExceeded(KindredError):
    """The caller's own limit is used up."""

    status = 429
    code = "quota-exceeded"
    title = "Too many requests"


class Overloaded(KindredError):
    """Kindred has more to do than it can do in time."""

    status = 503
    code = "overloaded"
    title = "Too busy right now"


class StoreUnavailable(KindredError):
    """Redis or the key store does not answer."""

    status = 503
    code = "store-unavailable"
    title = "The store is not available"


class IssuerUnavailable(KindredError):
    """The identity provider gave no keys yet, so nobody's token of it can be checked."""

    status = 503
    code = "issuer-unavailable"
    title = "The identity provider is not available"


class NotReady(KindredError):
    """The readiness check: this process should not be sent requests."""

    status = 503
    code = "not-ready"
    title = "Not ready"


class DeadlineExceeded(KindredError):
    """A stage missed its deadline; the pipeline goes on without it."""

    status = 504
    code = "deadline-exceeded"
    title = "It took too long"


class ModelFailure(KindredError):
    """A model raised, or gave something that is not a result."""

    status = 500
    code = "model-failure"
    title = "A model failed"


class StartupError(KindredError):
    """Kindred cannot start; the message is one clear line that names what to change."""

    code = "startup"
    title = "Kindred cannot start"
