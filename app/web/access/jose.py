"""What every JWT must be before a key is chosen for it (RFC 8725, JWT best current practices)."""

from __future__ import annotations

import json
from typing import Any

import jwt
from jwt.types import Options
from jwt.utils import base64url_decode

from app.errors import Unauthenticated

TOKEN_CHARS_MAX = 4_096
_KID_CHARS_MAX = 200
# Of access tokens; what a provider signs for other ends (logout, events, DPoP) says so here.
_TYPES = {"jwt", "at+jwt", "application/at+jwt", "application/jwt"}


def header_of(token: str) -> dict[str, Any]:
    """The header of a signed token, not yet believed.

    Raises:
        Unauthenticated: no JWS of three parts, too long, of another type, or with extensions that
            must be understood (`crit`), which nobody here does.
    """
    if len(token) > TOKEN_CHARS_MAX or token.count(".") != 2:
        raise Unauthenticated
    try:
        header = json.loads(base64url_decode(token.partition(".")[0]))
    except (ValueError, RecursionError):
        raise Unauthenticated from None
    if not isinstance(header, dict) or "crit" in header or "b64" in header or "zip" in header:
        raise Unauthenticated
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:  # a list could not be looked up
        raise Unauthenticated
    return header


def kid_of(header: dict[str, Any]) -> str:
    """The name of the key (Unauthenticated where there is none)."""
    kid = header.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= _KID_CHARS_MAX:
        raise Unauthenticated
    return kid


def claims_of(
    token: str, key: Any, algorithm: str, options: Options, **checks: Any
) -> dict[str, Any]:
    """The claims, after every check; only this algorithm counts, whatever the header says.

    Raises:
        Unauthenticated: not signed by this key, altered, over, or of another issuer or audience.
    """
    strict: Options = {**options, "enforce_minimum_key_length": True}
    try:
        claims: dict[str, Any] = jwt.decode(
            token, key, algorithms=[algorithm], options=strict, **checks
        )
    except jwt.ExpiredSignatureError:
        raise Unauthenticated("The token has expired.") from None
    except (jwt.InvalidTokenError, ValueError, OverflowError, RecursionError):
        raise Unauthenticated from None
    return claims
