"""API keys: `prefix.secret`, of which only a digest of the secret is kept.

The secret is 256 random bits, so one SHA-256 is enough: bcrypt and its kin slow down the guessing
of words that people choose, and there is nothing to guess here; they would only make each request
dear. The prefix is no secret: it names the key in lists and logs, and lets scanners of repositories
find one that was published by mistake.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import cast

from app.errors import InputError, NotFound
from app.store import keys
from app.store.core import Core

_PREFIX = "kindred_"
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PREFIX_CHARS = 12  # of 32: two keys of a million share one with a chance of 10⁻⁶
_SECRET_BYTES = 32
_SHAPE = re.compile(rf"({_PREFIX}[{_ALPHABET}]{{{_PREFIX_CHARS}}})\.([A-Za-z0-9_-]{{43}})")
_NAME_MAX = 80


class Scope(StrEnum):
    """What a key may do; a route names the scopes of which one is enough."""

    INFER = "infer"  # ask the models without being a person
    EVALUATE_FLAGS = "evaluate_flags"
    READ_REACTIONS = "read_reactions"  # the log, with texts, and what stands behind a reply
    WRITE_REACTIONS = "write_reactions"  # judgements that were made elsewhere
    WRITE_FLAGS = "write_flags"
    MODERATE = "moderate"  # end people's tokens
    OPERATE = "operate"  # metrics


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key's record. Times are Unix seconds; `digests` maps each good secret's to its end."""

    prefix: str
    name: str
    scopes: frozenset[Scope]
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    used_day: str | None  # the day (UTC) of its last use, as 2026-03-01
    digests: Mapping[str, float | None]

    def state(self, now: float) -> str:
        """live, expired or revoked."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "live"

    def holds(self, digest: str, now: float) -> bool:
        """Whether a secret of this digest opens it now; compares all, in constant time each."""
        found = False
        for known, until in self.digests.items():
            same = hmac.compare_digest(known.encode(), digest.encode())
            found |= same and (until is None or until > now)
        return found and self.state(now) == "live"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key at the one moment at which its whole text is known."""

    text: str
    record: ApiKey


def split(text: str) -> tuple[str, str] | None:
    """A key's prefix and the digest of its secret; None where it is none of ours by its form."""
    match = _SHAPE.fullmatch(text)
    return (match[1], digest(match[1], match[2])) if match else None


def digest(prefix: str, secret: str) -> str:
    """What is kept of a secret: 64 hex digits, of no use for another key."""
    return hashlib.sha256(f"kindred api key\0{prefix}\0{secret}".encode()).hexdigest()


class ApiKeys:
    """The keys in Redis; what they may do, the edge decides."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def create(
        self, name: str, scopes: Iterable[Scope], lifetime_seconds: float | None = None
    ) -> NewKey:
        """A new key.

        Raises:
            InputError: it has no name, or no scope, or ends before it begins.
            StoreUnavailable: Redis is away.
        """
        chosen = frozenset(scopes)
        if not name.strip() or len(name) > _NAME_MAX or not name.isprintable():
            raise InputError(f"A key's name has 1 to {_NAME_MAX} visible characters.")
        if not chosen:
            raise InputError("A key needs a scope; one that may do nothing is of no use.")
        if lifetime_seconds is not None and lifetime_seconds <= 0:
            raise InputError("A key's life is longer than nothing.")
        now = self._core.clock()
        prefix = _PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_PREFIX_CHARS))
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        fields = {
            "name": name.strip(),
            "scopes": " ".join(sorted(chosen)),
            "created": repr(now),
            "digest": digest(prefix, secret),
        }
        if lifetime_seconds is not None:
            fields["expires"] = repr(now + lifetime_seconds)
        places = [keys.api_key(prefix), keys.API_KEYS]
        pairs = [part for pair in fields.items() for part in pair]
        if not self._core.client.run("key_create", places, [prefix, now, *pairs]):
            return self.create(name, chosen, lifetime_seconds)  # the prefix is taken
        return NewKey(f"{prefix}.{secret}", self.find(prefix))

    def find(self, prefix: str) -> ApiKey:
        """The record of a key (NotFound, StoreUnavailable)."""
        with self._core.client.guard() as connection:
            fields = cast("dict[bytes, bytes]", connection.hgetall(keys.api_key(prefix)))
        if not fields:
            raise NotFound(f"There is no key {prefix}.")
        return _record(prefix, {k.decode(): v.decode() for k, v in fields.items()})

    def all(self) -> list[ApiKey]:
        """Every key there is or was, the oldest first."""
        with self._core.client.guard() as connection:
            prefixes = cast("list[bytes]", connection.zrange(keys.API_KEYS, 0, -1))
        return [self.find(prefix.decode()) for prefix in prefixes]

    def revoke(self, prefix: str) -> ApiKey:
        """End a key for good; every process knows it within seconds (NotFound)."""
        self._core.client.run("key_revoke", [keys.api_key(prefix)], [self._core.clock()])
        return self.find(prefix)

    def rotate(self, prefix: str, overlap_seconds: float) -> NewKey:
        """A new secret for a key; the present one holds for as long as the overlap.

        A secret that was already on its way out ends at once: there are never more than two.

        Raises:
            NotFound: no such key, or it was revoked.
        """
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        until = self._core.clock() + max(0.0, overlap_seconds)
        arguments = [digest(prefix, secret), repr(until)]
        if not self._core.client.run("key_rotate", [keys.api_key(prefix)], arguments):
            raise NotFound(f"There is no key {prefix} that still holds.")
        return NewKey(f"{prefix}.{secret}", self.find(prefix))

    def used(self, key: ApiKey) -> None:
        """Note that a key was used today; nothing where that is known already."""
        today = datetime.fromtimestamp(self._core.clock(), UTC).date().isoformat()
        if key.used_day != today:
            self._core.client.run("key_used", [keys.api_key(key.prefix)], [today])


def _record(prefix: str, fields: Mapping[str, str]) -> ApiKey:
    digests: dict[str, float | None] = {fields["digest"]: None}
    if "old_digest" in fields:
        digests[fields["old_digest"]] = float(fields["old_until"])
    known = {scope.value for scope in Scope}
    return ApiKey(
        prefix=prefix,
        name=fields["name"],
        # A scope of a newer version is none of this one.
        scopes=frozenset(Scope(name) for name in fields["scopes"].split() if name in known),
        created_at=float(fields["created"]),
        expires_at=_optional(fields.get("expires")),
        revoked_at=_optional(fields.get("revoked")),
        used_day=fields.get("used"),
        digests=digests,
    )


def _optional(text: str | None) -> float | None:
    return None if text is None else float(text)
