"""A circuit breaker (Nygard, "Release It!"): stop asking a service that fails, try it now and then.

    closed ──k failures in a row, or a share of the last w──► open
      ▲                                                        │ after the cool-down
      └──────────── the trial succeeds ◄── half-open ◄─────────┘
                    it fails: open again, for twice as long

Pure: a clock comes in, nothing sleeps.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

State = Literal["closed", "open", "half-open"]


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one call; `era` is the breaker's state in which it was given."""

    era: int


class Breaker:
    """Says whether a service may be asked; told how each call ended.

    Args:
        failures: so many in a row open it.
        share: so large a share of failures among the last `window` calls opens it.
        window: calls that the share is taken of; it is not taken of fewer.
        cooldown: seconds from opening to the first trial; doubles with each failed trial.
        cooldown_max: seconds, the longest cool-down.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        *,
        failures: int = 5,
        share: float = 0.5,
        window: int = 20,
        cooldown: float = 1.0,
        cooldown_max: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if failures < 1 or window < 1 or not 0.0 < share <= 1.0:
            raise ValueError("a breaker needs failures ≥ 1, window ≥ 1 and a share in (0, 1]")
        if not 0.0 < cooldown <= cooldown_max:
            raise ValueError("a breaker needs 0 < cooldown ≤ cooldown_max")
        self._failures, self._share, self._window = failures, share, window
        self._shortest, self._longest = cooldown, cooldown_max
        self._clock = clock
        self._recent: deque[bool] = deque(maxlen=window)
        self._row = 0  # failures in a row
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

    def leave(self, permit: Permit, ok: bool | None) -> None:
        """How the call ended; None says nothing of the service.

        Calls that began before the breaker last changed say nothing either.
        """
        if permit.era != self._era:
            return
        if self._trial is not None:
            self._judge(ok)
        elif self._closed and ok is not None:
            self._count(ok)

    def _judge(self, ok: bool | None) -> None:
        self._trial = None
        if ok:
            self._close()
        elif ok is None:
            self._trial_at = self._clock()  # the next call is the trial
        else:
            self._cooldown = min(2 * self._cooldown, self._longest)
            self._open()

    def _count(self, ok: bool) -> None:
        self._recent.append(ok)
        self._row = 0 if ok else self._row + 1
        failed = self._recent.count(False)
        full = len(self._recent) == self._window
        if self._row >= self._failures or (full and failed >= self._share * self._window):
            self._cooldown = self._shortest
            self._open()

    def _open(self) -> None:
        self._closed = False
        self._era += 1
        self._trial_at = self._clock() + self._cooldown

    def _close(self) -> None:
        self._closed = True
        self._era += 1
        self._row = 0
        self._recent.clear()
