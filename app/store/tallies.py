"""How often help was named, honesty was shown and a break was advised: by day, and of nobody.

The yearly report that companion-chatbot law asks for (California SB 243, Bus. & Prof. Code § 22603)
is made of these counts. They hold no person, no text and no time of day, so they outlive every
conversation. A process gathers them and adds them to Redis in batches; each batch is numbered, so
that one whose answer was lost is added once. What waits in a process that is killed is lost; that
Redis was away is waited out.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from app.errors import StoreUnavailable
from app.store.core import Core
from app.store.keys import SAFETY
from app.store.link.client import Argument, RedisClient
from app.telemetry import get_logger

KEPT_SECONDS = 6 * 366 * 86_400  # a report may be asked for years later
_WRITER_SECONDS = 7 * 86_400  # no batch is sent again after that long
_EVERY_SECONDS = 1.0  # at most so often for what may wait

Day = str  # "2026-11-21", in UTC
Event = str  # "referral:self", "disclosure", …


class Tallies:
    """The counts of one process, on their way to Redis."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._writer = f"{SAFETY}writer:{secrets.token_hex(8)}"
        self._number = 0
        self._waiting: Counter[tuple[Day, Event]] = Counter()
        self._batch: Counter[tuple[Day, Event]] = Counter()  # sent, and not known to have arrived
        self._sending = False
        self._flushed = float("-inf")

    @property
    def waiting(self) -> Mapping[tuple[Day, Event], int]:
        """What Redis is not known to have."""
        return self._batch + self._waiting

    def count(self, *events: Event) -> None:
        """Count each of them once, today; nothing is sent."""
        day = datetime.fromtimestamp(self._core.clock(), UTC).date().isoformat()
        self._waiting.update((day, event) for event in events)
        for event in events:
            self._core.metrics.safety_events.labels(event).inc()

    def flush(self, *, hasty: bool = True) -> bool:
        """Send what waits; False where Redis is away, or where others are sending.

        Args:
            hasty: now; else only where nothing was sent for a second.
        """
        now = self._core.clock()
        if self._sending or not (self._batch or self._waiting):
            return not self._sending
        if not hasty and 0 <= now - self._flushed < _EVERY_SECONDS:
            return True
        self._sending = True
        try:
            while self._batch or self._waiting:
                if not self._batch:
                    self._batch, self._waiting = self._waiting, Counter()
                    self._number += 1
                self._send()
                self._batch = Counter()
            self._flushed = now
        except StoreUnavailable:
            return False
        finally:
            self._sending = False
        return True

    def close(self) -> None:
        """Send what waits; what cannot be sent is written to the log, which holds no person."""
        if not self.flush():
            counts = {f"{day} {event}": n for (day, event), n in self.waiting.items()}
            get_logger("store").error("safety_counts_unsent", counts=counts)

    def _send(self) -> None:
        months = sorted({day[:7] for day, _ in self._batch})
        arguments: list[Argument] = [self._number, _WRITER_SECONDS, KEPT_SECONDS]
        for (day, event), times in sorted(self._batch.items()):
            arguments += [2 + months.index(day[:7]), f"{day}:{event}", times]
        names = [self._writer, *map(_month, months)]
        self._core.client.run("tally", names, arguments)


def year(client: RedisClient, which: int) -> Mapping[Day, Mapping[Event, int]]:
    """Every day of a year on which anything was counted, in order, with its counts.

    Raises:
        StoreUnavailable: Redis is away.
    """
    with client.pipeline() as pipe:
        for month in range(1, 13):
            pipe.hgetall(_month(f"{which:04d}-{month:02d}"))
        answers = pipe.execute()
    days: dict[Day, dict[Event, int]] = {}
    for day, event, times in sorted(_counts(answers)):
        days.setdefault(day, {})[event] = times
    return days


def _counts(answers: list[dict[bytes, bytes]]) -> Iterator[tuple[Day, Event, int]]:
    for answer in answers:
        for field, times in answer.items():
            day, _, event = field.decode().partition(":")
            yield day, event, int(times)


def _month(month: str) -> str:
    return f"{SAFETY}{month}"
