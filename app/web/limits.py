"""Quotas (429), as the IETF draft of RateLimit headers (draft-11) tells them.

Guests are counted per address in Redis, for all workers together; in memory while Redis is away.
Messages are counted per person in the memory of each worker: a write to a Redis that fsyncs each
one would cost a message more than the count is worth. Load (503) is another matter: see admission.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter

from app.errors import QuotaExceeded
from app.settings import Settings
from app.telemetry import Metrics, get_logger
from app.web.operation import Headers

_WINDOW = 60
_REDIS_SECONDS = 0.5
_BACK_TO_REDIS = 5.0  # seconds in memory after a failure


@dataclass(frozen=True, slots=True)
class Counted:
    """One hit counted: whether it fits, and what is left of the window."""

    allowed: bool
    remaining: int
    reset_seconds: int


class Quota:
    """So many hits a minute for each name; `name` is the policy's."""

    def __init__(self, name: str, per_minute: int, count: Callable[[RateLimitItem, str], Counted]):
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


class Memory:
    """Counts in this process: for each name a window that its first hit opens.

    The storage that `limits` has for this starts a thread for every hit. The clock is monotonic: a
    wall clock that is set back would lengthen every window.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, str], tuple[int, float]] = {}  # hits, end
        self._swept = clock()

    def __call__(self, item: RateLimitItem, who: str) -> Counted:
        """Count one."""
        now = self._clock()
        if now - self._swept >= _WINDOW:
            self._swept = now
            self._windows = {k: v for k, v in self._windows.items() if v[1] > now}
        name = (item.namespace, who)
        hits, end = self._windows.get(name, (0, now))
        if end <= now:
            hits, end = 0, now + _WINDOW
        hits += 1
        self._windows[name] = (hits, end)
        return Counted(hits <= item.amount, max(0, item.amount - hits), _until(end, now))


class Shared:
    """Counts in Redis; in memory for a while after Redis did not answer."""

    def __init__(self, url: str, metrics: Metrics, clock: Callable[[], float] = time.monotonic):
        storage = RedisStorage(
            url,
            wrap_exceptions=True,
            socket_timeout=_REDIS_SECONDS,
            socket_connect_timeout=_REDIS_SECONDS,
        )
        self._limiter = FixedWindowRateLimiter(storage)
        self._fallback = Memory()
        self._metrics = metrics
        self._clock = clock
        self._away_until = float("-inf")

    def __call__(self, item: RateLimitItem, who: str) -> Counted:
        """Count one."""
        if self._clock() >= self._away_until:
            try:
                return _counted(self._limiter, item, who)
            except StorageError:
                self._away_until = self._clock() + _BACK_TO_REDIS
                self._metrics.failures.labels("quota").inc()
                get_logger("web").warning("quota_in_memory")
        return self._fallback(item, who)


def _counted(limiter: FixedWindowRateLimiter, item: RateLimitItem, who: str) -> Counted:
    allowed = limiter.hit(item, who)
    window = limiter.get_window_stats(item, who)
    # `limits` adds what Redis says is left to the wall clock.
    return Counted(allowed, window.remaining, _until(window.reset_time, time.time()))


def _until(end: float, now: float) -> int:
    return min(_WINDOW, max(1, math.ceil(end - now)))


@dataclass(frozen=True, slots=True)
class Quotas:
    """The quotas there are."""

    guests: Quota
    messages: Quota


def quotas(settings: Settings, url: str, metrics: Metrics) -> Quotas:
    """The quotas of these settings; `url` is the Redis that counts guests."""
    return Quotas(
        guests=Quota("guests", settings.guest_limit_per_minute, Shared(url, metrics)),
        messages=Quota("messages", settings.message_limit_per_minute, Memory()),
    )
