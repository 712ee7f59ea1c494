"""Quotas (429), as the IETF draft of RateLimit headers (draft-11) tells them.

Guests and wrong keys are counted per address in Redis, for all workers together; in memory while
Redis is away. Messages are counted per person and per address, other requests per person, in the
memory of each worker: a write to a Redis that fsyncs each one would cost a message more than the
count is worth; so are a person's messages under way. Load (503) is another matter: see admission.

The counting in Redis is that of `limits`, the engine of Flask-Limiter; the extension itself would
count before anybody knows who calls, and tell it in other headers (docs/access.md has the figures).
"""

from __future__ import annotations

import hashlib
import hmac
import math
import time
from collections import Counter as Counts
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter

from app.errors import QuotaExceeded
from app.settings import Settings
from app.store.link.brief import ConnectionPool
from app.store.store import Store
from app.telemetry import Metrics, get_logger
from app.web.operation import Headers

_WINDOW = 60
REDIS_SECONDS = 0.05  # a request waits no longer for being counted
_BACK_TO_REDIS = 5.0  # seconds in memory after a failure
_READ_AT_ONCE = 4  # messages of one person, by the reader that is everybody's; the rest without


@dataclass(frozen=True, slots=True)
class Counted:
    """One hit counted: whether it fits, and what is left of the window."""

    allowed: bool
    remaining: int
    reset_seconds: int


class Counter(Protocol):
    """Counts hits of a name in a window; with `hits` 0 it only looks."""

    def __call__(self, item: RateLimitItem, who: str, hits: int = 1) -> Counted:
        """How it is now."""


class Quota:
    """So many hits a minute for each name; `name` is the policy's."""

    def __init__(self, name: str, per_minute: int, count: Counter):
        self._name = name
        self._amount = per_minute
        self._item = RateLimitItemPerMinute(per_minute, namespace=f"kindred:quota:{name}")
        self._count = count

    def take(self, who: str) -> Headers:
        """Count one; the headers to send. QuotaExceeded: no more in this window."""
        counted = self._count(self._item, who)
        headers = self.headers(counted)
        if not counted.allowed:
            raise Exceeded(headers, retry_after=counted.reset_seconds)
        return headers

    def check(self, who: str, under_way: int = 0) -> None:
        """Exceeded where no hit is left in this window beyond those under way; counts none."""
        counted = self._count(self._item, who, 0)
        if counted.remaining <= under_way:
            raise Exceeded(self.headers(counted), retry_after=counted.reset_seconds)

    def left(self, who: str) -> bool:
        """Whether a hit is left in this window; counts none."""
        return self._count(self._item, who, 0).remaining > 0

    def headers(self, counted: Counted) -> Headers:
        """RateLimit-Policy and RateLimit."""
        return {
            "RateLimit-Policy": f'"{self._name}";q={self._amount};w={_WINDOW}',
            "RateLimit": f'"{self._name}";r={counted.remaining};t={counted.reset_seconds}',
        }


class Exceeded(QuotaExceeded):
    """A quota that is used up, with the headers that say so."""

    def __init__(self, headers: Headers, *, retry_after: float) -> None:
        super().__init__(
            "You have sent too many requests for this minute.", retry_after=retry_after
        )
        self.headers = headers


class UnderWay:
    """So many messages of one person at once, in this worker: the places are everybody's."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count: Counts[str] = Counts()

    @contextmanager
    def one(self, person: str) -> Iterator[bool]:
        """While it is under way; False: this person's others shall be first, it has no place."""
        if self._count[person] >= self._most:
            yield False
            return
        self._count[person] += 1
        try:
            yield True
        finally:
            self._count[person] -= 1
            if not self._count[person]:
                del self._count[person]


class Memory:
    """Counts in this process: for each name a window that its first hit opens.

    The storage that `limits` has for this starts a thread for every hit. The clock is monotonic: a
    wall clock that is set back would lengthen every window.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, str], tuple[int, float]] = {}  # hits, end
        self._swept = clock()

    def __call__(self, item: RateLimitItem, who: str, hits: int = 1) -> Counted:
        """See Counter."""
        now = self._clock()
        if now - self._swept >= _WINDOW:
            self._swept = now
            self._windows = {k: v for k, v in self._windows.items() if v[1] > now}
        name = (item.namespace, who)
        before, end = self._windows.get(name, (0, now))
        if end <= now:
            before, end = 0, now + _WINDOW
        count = before + hits
        if hits:
            self._windows[name] = (count, end)
        return Counted(count <= item.amount, max(0, item.amount - count), _until(end, now))


class Shared:
    """Counts in Redis; in memory for a while after Redis did not answer.

    Whoever holds the secret of the tokens counts the same. Redis, and its append-only file, are
    given a keyed hash in place of an address: there are so few of those that without a key each
    could be found by trying.
    """

    def __init__(
        self,
        pool: ConnectionPool,
        metrics: Metrics,
        secret: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key = hashlib.sha256(b"kindred quotas\0" + secret.encode()).digest()
        # With redis-py's own pool a command without an answer would be sent, and waited for, anew.
        storage = RedisStorage("redis://", connection_pool=pool, wrap_exceptions=True)
        self._limiter = FixedWindowRateLimiter(storage)
        self._fallback = Memory()
        self._metrics = metrics
        self._clock = clock
        self._away_until = float("-inf")

    def __call__(self, item: RateLimitItem, who: str, hits: int = 1) -> Counted:
        """See Counter."""
        if self._clock() >= self._away_until:
            try:
                return _counted(self._limiter, item, self._hash(who), hits)
            except StorageError:
                self._away_until = self._clock() + _BACK_TO_REDIS
                self._metrics.failures.labels("quota").inc()
                get_logger("web").warning("quota_in_memory")
        return self._fallback(item, who, hits)

    def _hash(self, who: str) -> str:
        return hmac.digest(self._key, who.encode("utf-8", "replace"), "sha256").hex()[:32]


def _counted(limiter: FixedWindowRateLimiter, item: RateLimitItem, who: str, hits: int) -> Counted:
    allowed = limiter.hit(item, who) if hits else limiter.test(item, who)
    window = limiter.get_window_stats(item, who)
    # `limits` adds what Redis says is left to the wall clock.
    return Counted(allowed, window.remaining, _until(window.reset_time, time.time()))


def _until(end: float, now: float) -> int:
    return min(_WINDOW, max(1, math.ceil(end - now)))


@dataclass(frozen=True, slots=True)
class Quotas:
    """The quotas there are."""

    guests: Quota  # new ones, of an address
    messages: Quota  # of a person
    under_way: UnderWay  # messages of a person, at once
    read: UnderWay  # messages of a person that the sentence reader reads, at once
    addresses: Quota  # messages of an address, whoever writes from there
    requests: Quota  # all others of a person
    visits: Quota  # all others of an address, whoever asks from there
    wrong_keys: Quota  # of an address
    exports: Quota  # of all that is known of a person, by them

    @contextmanager
    def reading(self, person: str, address: str) -> Iterator[bool]:
        """While a message is read, before anybody knows whether it may be refused.

        False: the person, or all of the address, send more than anybody writes, and shall not have
        the sentence reader to themselves: what is late there is read without it, whoever wrote it.
        """
        with self.read.one(person) as place:
            yield place and self.messages.left(person) and self.addresses.left(address)

    def message(self, person: str, address: str) -> Headers:
        """Count a message, or what should have been one; see `Quota.take`."""
        headers = self.messages.take(person)
        self.addresses.take(address)
        return headers


def quotas(settings: Settings, store: Store, metrics: Metrics, secret: str) -> Quotas:
    """The quotas of these settings; the store's Redis counts guests and wrong keys."""
    shared, memory = Shared(store.brief_pool(REDIS_SECONDS), metrics, secret), Memory()
    return Quotas(
        guests=Quota("guests", settings.guest_limit_per_minute, shared),
        messages=Quota("messages", settings.message_limit_per_minute, memory),
        under_way=UnderWay(settings.person_in_flight_max),
        read=UnderWay(_READ_AT_ONCE),
        addresses=Quota("address", settings.address_limit_per_minute, memory),
        requests=Quota("requests", settings.request_limit_per_minute, memory),
        visits=Quota("visits", settings.address_limit_per_minute, memory),
        wrong_keys=Quota("wrong-keys", settings.wrong_key_limit_per_minute, shared),
        exports=Quota("exports", settings.export_limit_per_minute, memory),
    )
