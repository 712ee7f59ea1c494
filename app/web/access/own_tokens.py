"""Our own tokens for people: JWTs (RFC 7519) signed with HS256, and nothing else, ever."""

from __future__ import annotations

import time
from dataclasses import dataclass

import jwt
from jwt.types import Options

from app.errors import StartupError, Unauthenticated
from app.web.access.jose import claims_of, header_of
from app.web.access.remembered import Remembered
from app.web.auth import Caller

ALGORITHM = "HS256"  # fixed: the token's own header never chooses (RFC 8725, section 3.1)
_NAME = "kindred"  # issuer and audience
_CHECKS: Options = {"require": ["sub", "gen", "exp", "iat", "aud", "iss"], "strict_aud": True}
_SECRET_CHARS_MIN = 32


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
        self._known: Remembered[Caller] = Remembered()

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
        return Issued(jwt.encode(claims, self._secret, algorithm=ALGORITHM), float(end))

    def read(self, token: str) -> Caller:
        """Who the token names (Unauthenticated: it is not ours, altered, or over)."""
        return self._known.get(token) or self._known.keep(token, *self._verified(token))

    def _verified(self, token: str) -> tuple[Caller, float]:
        """Whom a token names and when it ends, after every check."""
        header_of(token)
        claims = claims_of(token, self._secret, ALGORITHM, _CHECKS, audience=_NAME, issuer=_NAME)
        subject, generation = claims["sub"], claims["gen"]
        if not isinstance(subject, str) or type(generation) is not int:
            raise Unauthenticated
        return Caller(subject, generation), float(claims["exp"])
