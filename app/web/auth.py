"""Who may call, as routes declare it, and who calls; how it is checked is in `access/`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum

from flask import Request

from app.store.access.api_keys import Scope


class Auth(Enum):
    """What a route asks of its caller; each route declares one."""

    NONE = "none"
    PERSON = "person"  # and the token's generation is checked with the store
    CHAT = "chat"  # a person, whose generation `contexts.begin` checks in its own round trip
    ACT = "act"  # a person, whose generation the act's own script checks, if need be later
    ADMIN = "admin"  # an API key, or a session of one, with one of the route's scopes
    KEY = "key"  # an API key itself, whatever it may do
    SESSION = "session"  # a session of the admin pages


@dataclass(frozen=True, slots=True)
class Caller:
    """The person a token names, and the generation it was made in.

    `external`: an identity provider vouches for them, and they have no token of ours.
    """

    user_id: str
    generation: int
    external: bool = False


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a key: its prefix, the digest of the secret that was shown, what it may do."""

    key: str
    name: str
    scopes: frozenset[Scope]
    proof: str


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller: `scope` is what idempotency keys belong to."""

    scope: str
    person: Caller | None = None
    holder: Holder | None = None


def anonymous(request: Request) -> Identity:
    """A caller without a name: their address, and the program that calls from it."""
    agent = hashlib.sha256(request.headers.get("User-Agent", "").encode()).hexdigest()[:16]
    return Identity(f"#address:{address(request)}:{agent}")


def address(request: Request) -> str:
    """The caller's address; of a trusted proxy's header where `proxies` is set (ProxyFix)."""
    return request.remote_addr or "unknown"


def bearer(request: Request) -> str | None:
    """The token of `Authorization: Bearer`, or None where there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
