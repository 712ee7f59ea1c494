"""People's data keys in a Redis of their own, for several machines."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from redis.exceptions import ResponseError

from app.store.link.client import RedisClient
from app.store.privacy.ledger import LEDGER_SECONDS
from app.store.sealing.keystore import KeyRow
from app.telemetry import get_logger

_ERASURES = "#erasures"


class RedisKeyStore:
    """Keys in a Redis of their own, each with a time to live that every use renews."""

    _PREFIX = "kindred-keys:"
    _LEDGER = f"{_PREFIX}{_ERASURES}"

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
        self.scrub()

    def scrub(self) -> None:
        """See KeyStore. The append-only file still says what the key was: Redis writes it anew.

        Where it does so already, or may not be asked, the next erasure or `scripts/retention` asks
        again.
        """
        with self._client.guard() as redis:
            try:
                redis.bgrewriteaof()
            except ResponseError:
                get_logger("store").warning("keys_not_scrubbed")

    def rows(self) -> Iterator[KeyRow]:
        """See KeyStore."""
        with self._client.guard() as redis:
            for name in redis.scan_iter(f"{self._PREFIX}*", count=1_000):
                owner = name.decode().removeprefix(self._PREFIX)
                if owner == _ERASURES:
                    continue
                wrapped, left = redis.get(name), redis.ttl(name)
                if wrapped is not None:
                    used_at = time.time() - (self._keep - left if left >= 0 else 0)
                    yield KeyRow(owner, cast(bytes, wrapped), used_at)

    def put(self, row: KeyRow, now: float) -> None:
        """See KeyStore."""
        left = None if row.owner.startswith("#") else round(row.used_at + self._keep - now)
        if left is None or left > 0:
            with self._client.guard() as redis:
                redis.set(self._PREFIX + row.owner, row.wrapped, ex=left)

    def record_erasures(self, names: Mapping[str, float]) -> None:
        """See KeyStore."""
        if names:
            with self._client.guard() as redis:
                redis.zadd(self._LEDGER, dict(names))

    def erasures(self) -> dict[str, float]:
        """See KeyStore."""
        with self._client.guard() as redis:
            rows = cast(
                "list[tuple[bytes, float]]", redis.zrange(self._LEDGER, 0, -1, withscores=True)
            )
        return {name.decode(): at for name, at in rows}

    def drop_erasures(self, names: Iterable[str]) -> None:
        """See KeyStore."""
        if wanted := list(names):
            with self._client.guard() as redis:
                redis.zrem(self._LEDGER, *wanted)

    def prune(self, now: float) -> None:
        """See KeyStore; the keys themselves expire."""
        with self._client.guard() as redis:
            redis.zremrangebyscore(self._LEDGER, "-inf", now - LEDGER_SECONDS)

    def close(self) -> None:
        """See KeyStore."""
        self._client.close()
