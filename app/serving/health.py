"""Is this process fit to serve: a canary through each real model, and how late the hub wakes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gevent
from gevent.lock import BoundedSemaphore

from app.errors import DeadlineExceeded, KindredError, Overloaded
from app.telemetry import Metrics

TICK_SECONDS = 0.01
_GAPS_KEPT = 1_000  # the last ten seconds
_FRESH_SECONDS = 1.0  # many may ask; the models are asked once a second
_CANARY_SECONDS = 2.0
_ALIVE_SECONDS = 5.0  # a model too busy for the canary is well if it finished a batch since


@dataclass(frozen=True, slots=True)
class Health:
    """Whether this process is ready, and why (or why not); `detail` is plain JSON."""

    ready: bool
    detail: dict[str, Any]


class HubMonitor:
    """A greenlet that sleeps 10 ms at a time, and measures how much later it wakes."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.perf_counter) -> None:
        self._metrics = metrics
        self._clock = clock
        self._gaps: deque[float] = deque(maxlen=_GAPS_KEPT)
        self._ticker = gevent.spawn(self._tick)

    def p99(self) -> float:
        """The 99th percentile of the last ten seconds' gaps, in seconds; 0 before any."""
        gaps = sorted(self._gaps)
        return gaps[int(0.99 * (len(gaps) - 1))] if gaps else 0.0

    def close(self) -> None:
        """Stop measuring."""
        self._ticker.kill()

    def _tick(self) -> None:
        while True:
            start = self._clock()
            gevent.sleep(TICK_SECONDS)
            gap = max(0.0, self._clock() - start - TICK_SECONDS)
            self._gaps.append(gap)
            self._metrics.hub_gap_seconds.observe(gap)


Canary = Callable[[float], object]
"""Sends something small through a model before a deadline; raises KindredError if it fails."""


class Canaries:
    """Asks each model something small, at most once a second however many want to know."""

    def __init__(
        self, canaries: Mapping[str, Canary], last_batch: Callable[[str], float | None]
    ) -> None:
        """`last_batch`: the monotonic time of a model's last good batch, None before any."""
        self._canaries = canaries
        self._last_batch = last_batch
        self._lock = BoundedSemaphore(1)
        self._asked_at = -_FRESH_SECONDS
        self._health = Health(False, {})

    def ask(self) -> Health:
        """Ready if every model answers, or is alive but busy."""
        with self._lock:
            if time.monotonic() - self._asked_at >= _FRESH_SECONDS:
                # Side by side: a model that hangs must not hide the others.
                asked = {
                    name: gevent.spawn(self._one, name, canary)
                    for name, canary in self._canaries.items()
                }
                models = {name: greenlet.get() for name, greenlet in asked.items()}
                ready = all(model["ok"] for model in models.values())
                self._health = Health(ready, {"models": models})
                self._asked_at = time.monotonic()
            return self._health

    def _one(self, name: str, canary: Canary) -> dict[str, Any]:
        start = time.monotonic()
        try:
            canary(start + _CANARY_SECONDS)
        except (DeadlineExceeded, Overloaded) as error:
            last = self._last_batch(name)
            busy = last is not None and time.monotonic() - last < _ALIVE_SECONDS
            return {"ok": busy, "busy": busy, "error": error.code}
        except KindredError as error:
            return {"ok": False, "error": error.code}
        return {"ok": True, "ms": round(1000 * (time.monotonic() - start), 1)}
