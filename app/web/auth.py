"""Who may call, as routes declare it, and who calls; how it is checked is in `access/`."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address, ip_address

from flask import Request

from app.store.access.api_keys import Scope

# Some proxies add the port: 192.0.2.1:4711, [2001:db8::1]:4711.
_ADDRESS = re.compile(r"([0-9.]+)(?::\d+)?|\[([^\]]+)\](?::\d+)?|([0-9A-Fa-f:.]+)(?:%.+)?")
_HOST_BITS = 64


class Auth(Enum):
    """What a route asks of its caller; each route declares one."""

    NONE = "none"
    PERSON = "person"  # and the token's generation is checked with the store
    CHAT = "chat"  # a person, whose generation `contexts.begin` checks in its own round trip
    ACT = "act"  # a person, whose generation the act's own script checks, if need be later
    ADMIN = "admin"  # an API key, or a session of one, with one of the route's scopes
    KEY = "key"  # an API key itself, whatever it may do
    SESSION = "session"  # a session of the admin pages


# Whom an identity provider vouches for while nobody can tell who that is here: the store is away,
# and this process has not seen them. On `Auth.CHAT` alone, where a crisis is answered all the same.
SOMEBODY = ""


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
    """The caller's address, as quotas count it; of a trusted proxy's header where `proxies` is set.

    Of IPv6 the first 64 bits: that much a provider gives to one customer (RFC 6177), who would
    otherwise have more addresses than there are quotas. What is no address, with a port or without
    one, is "unknown": nobody gets a quota of their own by a word that they made up.
    """
    found = _ADDRESS.fullmatch(request.remote_addr or "")
    try:
        one = ip_address(found[1] or found[2] or found[3]) if found else None
    except ValueError:
        one = None
    if isinstance(one, IPv6Address):
        one = one.ipv4_mapped or IPv6Address(int(one) >> _HOST_BITS << _HOST_BITS)
    return str(one) if one is not None else "unknown"


def bearer(request: Request) -> str | None:
    """The token of `Authorization: Bearer`, or None where there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
