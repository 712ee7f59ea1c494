"""People's tokens: JWTs (RFC 7519) signed with HS256, and nothing else, ever."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

import jwt

from app.errors import StartupError, Unauthenticated

_ALGORITHM = "HS256"  # fixed: the token's own header never chooses (RFC 8725, section 3.1)
_NAME = "kindred"  # issuer and audience
_REQUIRED = ["sub", "gen", "exp", "iat", "aud", "iss"]
_SECRET_CHARS_MIN = 32
_TOKEN_CHARS_MAX = 2_048
_KNOWN_MAX = 8_192


@dataclass(frozen=True, slots=True)
class Caller:
    """The person a token names, and the generation it was made in."""

    user_id: str
    generation: int


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token and when it ends (Unix seconds)."""

    token: str
    expires_at: float


class Tokens:
    """Makes and reads tokens; whether the generation still holds, the store knows."""

    def __init__(self, secret: str, hours: float) -> None:
        if len(secret) < _SECRET_CHARS_MIN:
            raise StartupError(
                f"KINDRED_JWT_SECRET: at least {_SECRET_CHARS_MIN} characters are needed"
            )
        self._secret = secret.encode()
        self._seconds = hours * 3_600
        # Tokens that passed every check, by their digest: whether the same one is still in time is
        # all that can change.
        self._known: dict[bytes, tuple[Caller, float]] = {}

    def issue(self, user_id: str, generation: int) -> Issued:
        """A token for a person, valid from now on."""
        now = int(time.time())
        end = int(now + self._seconds)
        claims = {
            "iss": _NAME,
            "aud": _NAME,
            "sub": user_id,
            "gen": generation,
            "iat": now,
            "exp": end,
        }
        return Issued(jwt.encode(claims, self._secret, algorithm=_ALGORITHM), float(end))

    def read(self, token: str) -> Caller:
        """Who the token names (Unauthenticated: it is not ours, altered, or over)."""
        if len(token) > _TOKEN_CHARS_MAX:
            raise Unauthenticated
        name = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(name)
        if known is not None and known[1] > time.time():
            return known[0]
        caller, end = self._verified(token)
        if len(self._known) >= _KNOWN_MAX:
            del self._known[next(iter(self._known))]
        self._known[name] = (caller, end)
        return caller

    def _verified(self, token: str) -> tuple[Caller, float]:
        """Whom a token names and when it ends, after every check."""
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[_ALGORITHM],
                audience=_NAME,
                issuer=_NAME,
                options={"require": _REQUIRED, "strict_aud": True},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The token has expired.") from None
        except jwt.InvalidTokenError:
            raise Unauthenticated from None
        subject, generation = claims["sub"], claims["gen"]
        if not isinstance(subject, str) or type(generation) is not int:
            raise Unauthenticated
        return Caller(subject, generation), float(claims["exp"])
