"""A circuit breaker (Nygard, "Release It!") for a store whose slowness costs more than its absence.

    closed ──k failures, or fewer slow answers, in a row──► open
      ▲                                                      │ after the cool-down
      └────────── the trial succeeds ◄── half-open ◄─────────┘
                  it fails: open again, for twice as long

A refused connection costs nothing, an answer that is waited for costs the whole wait: a few of
the latter open it. Pure: a clock comes in, nothing sleeps, nothing is locked. (pybreaker holds one
lock while the guarded call runs, so that callers of a frozen server wait one behind the other.)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal

State = Literal["closed", "open", "half-open"]


class Outcome(Enum):
    """How a call ended, as far as it tells of the server."""

    FINE = "fine"
    FAILED = "failed"  # at once: refused, reset, still loading
    SLOW = "slow"  # the whole wait was spent, or nearly


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one call; `era` is the breaker's state in which it was given."""

    era: int


class Breaker:
    """Says whether the server may be asked; told how each call ended.

    Args:
        failures: so many calls in a row that did not end well open it.
        slow: so many of them slow ones open it too.
        cooldown: seconds from opening to the first trial; doubles with each failed trial.
        cooldown_max: seconds, the longest cool-down.
        clock: seconds, monotonic.
        changed: told whether it is open, at every change.
    """

    def __init__(
        self,
        *,
        failures: int = 5,
        slow: int = 3,
        cooldown: float = 0.5,
        cooldown_max: float = 4.0,
        clock: Callable[[], float] = time.monotonic,
        changed: Callable[[bool], None] = lambda is_open: None,
    ) -> None:
        if failures < 1 or slow < 1:
            raise ValueError("a breaker needs failures ≥ 1 and slow ≥ 1")
        if not 0.0 < cooldown <= cooldown_max:
            raise ValueError("a breaker needs 0 < cooldown ≤ cooldown_max")
        self._failures_max, self._slow_max = failures, slow
        self._shortest, self._longest = cooldown, cooldown_max
        self._clock, self._changed = clock, changed
        self._failures = self._slow = 0  # in a row
        self._cooldown = cooldown
        self._closed = True
        self._trial_at = 0.0  # open: when the next trial may be made
        self._trial: Permit | None = None
        self._era = 0

    @property
    def state(self) -> State:
        """What `enter` goes by at this moment."""
        if self._closed:
            return "closed"
        return "half-open" if self._trial or self._clock() >= self._trial_at else "open"

    @property
    def wait(self) -> float:
        """Seconds until a call may be let through; 0 where one may be now."""
        return 0.0 if self._closed else max(0.0, self._trial_at - self._clock())

    def enter(self) -> Permit | None:
        """Leave to call, to be given back with `leave`; None: do not ask.

        After the cool-down one call is let through. One that never comes back is forgotten
        after another cool-down.
        """
        if self._closed:
            return Permit(self._era)
        now = self._clock()
        if now < self._trial_at:
            return None
        self._trial_at = now + self._cooldown
        self._era += 1
        self._trial = Permit(self._era)
        return self._trial

    def leave(self, permit: Permit, outcome: Outcome | None) -> None:
        """How the call ended; None says nothing of the server.

        Calls that began before the breaker last changed say nothing either.
        """
        if permit.era != self._era:
            return
        if self._trial is not None:
            self._judge(outcome)
        elif self._closed and outcome is not None:
            self._count(outcome)

    def _judge(self, outcome: Outcome | None) -> None:
        self._trial = None
        if outcome is Outcome.FINE:
            self._close()
        elif outcome is None:
            self._trial_at = self._clock()  # the next call is the trial
        else:
            self._cooldown = min(2 * self._cooldown, self._longest)
            self._open()

    def _count(self, outcome: Outcome) -> None:
        if outcome is Outcome.FINE:
            self._failures = self._slow = 0
            return
        self._failures += 1
        self._slow += outcome is Outcome.SLOW
        if self._failures >= self._failures_max or self._slow >= self._slow_max:
            self._cooldown = self._shortest
            self._open()

    def _open(self) -> None:
        was_closed, self._closed = self._closed, False
        self._era += 1
        self._trial_at = self._clock() + self._cooldown
        if was_closed:
            self._changed(True)

    def _close(self) -> None:
        self._closed = True
        self._era += 1
        self._failures = self._slow = 0
        self._changed(False)
