"""Tokens of an identity provider (OpenID Connect, RFC 9068): checked by its published keys.

They share nothing with our own: other algorithms, other keys, another issuer and audience, so that
a public key can never stand in for a secret (RFC 8725, sections 2.1 and 3.9).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jwt.types import Options

from app.errors import StartupError, Unauthenticated
from app.settings import Settings
from app.web.access import fetch
from app.web.access.jose import claims_of, header_of, kid_of
from app.web.access.key_set import ALGORITHMS, KeySet, parse
from app.web.access.remembered import Remembered
from app.web.services import BodyTimeout

_CHECKS: Options = {"require": ["sub", "iss", "aud", "exp", "iat"]}
_LEEWAY_SECONDS = 30  # by which their clock and ours may differ
_LIFE_MAX = 366 * 86_400  # seconds; an erased person is remembered longer than that
_FOREVER = 1e11  # Unix seconds; the year 5138
_SUBJECT_CHARS_MAX = 255  # OpenID Connect Core, section 2


@dataclass(frozen=True, slots=True)
class Vouched:
    """Whom the provider names, and when it did so (Unix seconds)."""

    subject: str
    issued_at: float


class Issuer:
    """One provider."""

    def __init__(self, name: str, audience: str, algorithms: tuple[str, ...], keys: KeySet) -> None:
        self.name = name
        self.algorithms = frozenset(algorithms)
        self._audience = audience
        self._keys = keys
        self._known: Remembered[tuple[int, Vouched]] = Remembered()

    @classmethod
    def configured(cls, settings: Settings, bounded: BodyTimeout) -> Issuer | None:
        """The provider of the settings; None where there is none.

        Raises:
            StartupError: one line that names the variable to change.
        """
        url, path = settings.jwks_url, settings.jwks_file
        if not url and path is None:
            return None
        if url and path is not None:
            raise StartupError("KINDRED_JWKS_URL and KINDRED_JWKS_FILE: only one of them is read")
        for variable, value in (
            ("KINDRED_JWT_ISSUER", settings.jwt_issuer),
            ("KINDRED_JWT_AUDIENCE", settings.jwt_audience),
        ):
            if not value:
                raise StartupError(f"{variable}: needed beside KINDRED_JWKS_URL or _FILE")
        algorithms = _algorithms(settings.jwt_algorithms)
        if path is None:
            keys = KeySet(fetch.reader(url, bounded), algorithms)
        else:
            try:
                parse(path.read_bytes(), algorithms)
            except (OSError, ValueError) as error:
                raise StartupError(f"KINDRED_JWKS_FILE: {path}: {error}") from None
            keys = KeySet(path.read_bytes, algorithms)
        keys.ask_beside()
        return cls(settings.jwt_issuer, settings.jwt_audience, algorithms, keys)

    def read(self, token: str) -> Vouched:
        """Whom the token names.

        Raises:
            Unauthenticated: not the provider's, not for us, altered, or over.
            IssuerUnavailable: its keys are not known.
        """
        known = self._known.get(token)
        if known is not None and self._keys.trusted and known[0] == self._keys.version:
            return known[1]
        header = header_of(token)
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self.algorithms:
            raise Unauthenticated
        key = self._keys.key(kid_of(header), algorithm)
        claims = claims_of(
            token,
            key,
            algorithm,
            _CHECKS,
            audience=self._audience,
            issuer=self.name,
            leeway=_LEEWAY_SECONDS,
        )
        vouched, end = _vouched(claims)
        return self._known.keep(token, (self._keys.version, vouched), end)[1]


def _vouched(claims: dict[str, Any]) -> tuple[Vouched, float]:
    subject, issued, end = claims["sub"], _number(claims["iat"]), _number(claims["exp"])
    if not isinstance(subject, str) or not 0 < len(subject) <= _SUBJECT_CHARS_MAX:
        raise Unauthenticated
    if end - issued > _LIFE_MAX:
        raise Unauthenticated("The token lives longer than a year.")
    return Vouched(subject, issued), end


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not abs(value) < _FOREVER:  # NaN is not less either
        raise Unauthenticated
    return float(value)


def _algorithms(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not set(names) <= set(ALGORITHMS):
        raise StartupError(
            f"KINDRED_JWT_ALGORITHMS: of {', '.join(ALGORITHMS)}, separated by commas"
        )
    return names
