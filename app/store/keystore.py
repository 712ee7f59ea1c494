"""Where the people's data keys are kept: apart from the data, wrapped by a master key.

Erasing a person starts with their key: without it a copy of the data, wherever it lies, says
nothing ("crypto-shredding"). The key store also keeps the erasure ledger, so that a backup of the
data restored later has its erasures applied again.

A sqlite file (`var/keys/keys.sqlite`, see `sqlite_keys`) serves one machine; another Redis
(`KINDRED_KEYSTORE_URL`) serves several.
"""

from __future__ import annotations

import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.errors import StartupError
from app.store.codec import KEY_BYTES, Cipher
from app.store.link.client import RedisClient

LEDGER_SECONDS = 400 * 86_400.0  # longer than any token lives
_CHECK_OWNER = "#check"  # a key that every master key must be able to unwrap
_CACHE_SECONDS = 30.0
_CACHE_SIZE = 20_000


class KeyStore(Protocol):
    """Wrapped keys by owner, and the ledger of erasures."""

    def add(self, owner: str, wrapped: bytes, now: float) -> bytes:
        """Keep this key, unless the owner has one; the one that is kept."""

    def get(self, owner: str, now: float) -> bytes | None:
        """The owner's wrapped key; keeps it from being pruned, unless `now` is 0."""

    def remove(self, owner: str) -> None:
        """Delete the owner's key, if any."""

    def record_erasure(self, owner: str, now: float) -> None:
        """Add a line to the ledger."""

    def erasures(self, since: float) -> list[str]:
        """The owners erased since then, oldest first."""

    def prune(self, now: float) -> None:
        """Delete the keys (and ledger lines) of which no data can be left."""

    def close(self) -> None:
        """Let go of files and connections."""


class RedisKeyStore:
    """Keys in a Redis of their own, each with a time to live that every use renews."""

    _PREFIX = "kindred-keys:"
    _LEDGER = f"{_PREFIX}#erasures"

    def __init__(self, client: RedisClient, keep_seconds: float) -> None:
        self._client = client
        self._keep = int(keep_seconds)

    def add(self, owner: str, wrapped: bytes, now: float) -> bytes:
        """See KeyStore."""
        name = self._PREFIX + owner
        with self._client.guard() as redis:
            ttl = None if owner.startswith("#") else self._keep
            if redis.set(name, wrapped, nx=True, ex=ttl):
                return wrapped
            return cast(bytes, redis.get(name))

    def get(self, owner: str, now: float) -> bytes | None:
        """See KeyStore."""
        with self._client.guard() as redis:
            if owner.startswith("#") or not now:
                return cast("bytes | None", redis.get(self._PREFIX + owner))
            return cast("bytes | None", redis.getex(self._PREFIX + owner, ex=self._keep))

    def remove(self, owner: str) -> None:
        """See KeyStore."""
        with self._client.guard() as redis:
            redis.delete(self._PREFIX + owner)

    def record_erasure(self, owner: str, now: float) -> None:
        """See KeyStore. A second line for the same person only renews the time of the first."""
        with self._client.guard() as redis:
            redis.zadd(self._LEDGER, {owner: now})

    def erasures(self, since: float) -> list[str]:
        """See KeyStore."""
        with self._client.guard() as redis:
            rows = cast("list[bytes]", redis.zrangebyscore(self._LEDGER, since, "+inf"))
        return [row.decode() for row in rows]

    def prune(self, now: float) -> None:
        """See KeyStore; the keys themselves expire."""
        with self._client.guard() as redis:
            redis.zremrangebyscore(self._LEDGER, "-inf", now - LEDGER_SECONDS)

    def close(self) -> None:
        """See KeyStore."""
        self._client.close()


class KeyRing:
    """Unwraps keys into ciphers and keeps the lately used ones for half a minute.

    Another worker may thus hold an erased person's cipher that long; the scripts refuse the
    person's state all the same.
    """

    def __init__(
        self, store: KeyStore, master: bytes, clock: Callable[[], float] = time.time
    ) -> None:
        self.store = store
        self._master = AESGCM(master)
        self._clock = clock
        self._cache: OrderedDict[str, tuple[float, Cipher]] = OrderedDict()
        self._check_master()

    def create(self, owner: str) -> Cipher:
        """The owner's cipher; its key is made where there is none."""
        fresh = self._wrap(owner, secrets.token_bytes(KEY_BYTES))
        return self._remember(owner, self.store.add(owner, fresh, self._clock()))

    def cipher(self, owner: str) -> Cipher | None:
        """The owner's cipher, or None: never made, erased, or too long unused."""
        cached = self._cache.get(owner)
        if cached is not None and cached[0] > time.monotonic():
            return cached[1]
        wrapped = self.store.get(owner, self._clock())
        if wrapped is None:
            self._cache.pop(owner, None)
            return None
        return self._remember(owner, wrapped)

    def peek(self, owner: str) -> Cipher | None:
        """As `cipher`, asked anew and without keeping the key from being pruned.

        For reading what was exported: training on somebody's texts must not lengthen the time
        for which they are kept.
        """
        wrapped = self.store.get(owner, 0.0)
        return None if wrapped is None else Cipher(self._unwrap(owner, wrapped))

    def create_once(self, owner: str) -> Cipher:
        """The owner's cipher, made at the first question; for owners who are no people."""
        return self.cipher(owner) or self.create(owner)

    def erase(self, owner: str) -> None:
        """Delete the owner's key; what it sealed is unreadable from now on."""
        self.store.remove(owner)
        self._cache.pop(owner, None)

    def _remember(self, owner: str, wrapped: bytes) -> Cipher:
        cipher = Cipher(self._unwrap(owner, wrapped))
        self._cache[owner] = (time.monotonic() + _CACHE_SECONDS, cipher)
        self._cache.move_to_end(owner)
        while len(self._cache) > _CACHE_SIZE:
            self._cache.popitem(last=False)
        return cipher

    def _wrap(self, owner: str, key: bytes) -> bytes:
        nonce = os.urandom(12)
        return nonce + self._master.encrypt(nonce, key, owner.encode())

    def _unwrap(self, owner: str, wrapped: bytes) -> bytes:
        return self._master.decrypt(wrapped[:12], wrapped[12:], owner.encode())

    def _check_master(self) -> None:
        wrapped = self.store.get(_CHECK_OWNER, self._clock())
        try:
            if wrapped is None:
                self.create(_CHECK_OWNER)
            else:
                self._unwrap(_CHECK_OWNER, wrapped)
        except InvalidTag:
            raise StartupError(
                "KINDRED_MASTER_KEY (or var/master_key) is not the key that this key store was "
                "made with; put the right one back"
            ) from None
