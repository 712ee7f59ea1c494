"""Who calls: nobody in particular, a person with a token, or an administrator with a key."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from enum import Enum

from flask import Request, g

from app.errors import Unauthenticated
from app.telemetry import get_logger
from app.web.services import Services
from app.web.tokens import Caller, Tokens


class Auth(Enum):
    """What a route asks of its caller; each route declares one."""

    NONE = "none"
    PERSON = "person"  # and the token's generation is checked with the store
    CHAT = "chat"  # a person, whose generation `contexts.begin` checks in its own round trip
    ADMIN = "admin"


_CHALLENGES = {
    Auth.PERSON: 'Bearer realm="kindred"',
    Auth.CHAT: 'Bearer realm="kindred"',
    Auth.ADMIN: 'ApiKey realm="kindred-admin"',
}


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller: `scope` is what idempotency keys belong to."""

    scope: str
    person: Caller | None = None


class Authenticator:
    """Checks what a route asks for."""

    def __init__(self, services: Services, tokens: Tokens) -> None:
        self._services = services
        self._tokens = tokens
        self._admin = _digest(services.admin_key)
        self._log = get_logger("web")

    def identify(self, request: Request, auth: Auth) -> Identity:
        """The caller (Unauthenticated where the credentials are missing or do not hold)."""
        if auth is Auth.NONE:
            return Identity(_anonymous(request))
        g.challenge = _CHALLENGES[auth]
        try:
            if auth is Auth.ADMIN:
                return self._administrator(request)
            caller = self._tokens.read(_bearer(request))
            if auth is Auth.PERSON:
                self._services.store.people.check(caller.user_id, caller.generation)
            return Identity(caller.user_id, caller)
        except Unauthenticated as error:
            if auth is not Auth.ADMIN and request.authorization is not None:
                g.challenge = f'{_CHALLENGES[auth]}, error="invalid_token"'
            self._log.info("security", kind="unauthenticated", asked=auth.value, why=error.detail)
            raise

    def _administrator(self, request: Request) -> Identity:
        key = request.headers.get("X-API-Key")
        if key is None:
            raise Unauthenticated("Send the admin key in X-API-Key.")
        if not hmac.compare_digest(_digest(key), self._admin):
            raise Unauthenticated("This admin key does not hold.")
        return Identity("#admin")


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("Send a token as Authorization: Bearer.")
    return token.strip()


def _anonymous(request: Request) -> str:
    """A scope for callers without a name: their address, and the program that calls from it."""
    agent = hashlib.sha256(request.headers.get("User-Agent", "").encode()).hexdigest()[:16]
    return f"#address:{address(request)}:{agent}"


def address(request: Request) -> str:
    """The caller's address; of a trusted proxy's header where `proxies` is set (ProxyFix)."""
    return request.remote_addr or "unknown"


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
