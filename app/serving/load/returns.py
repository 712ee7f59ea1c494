"""When people who were turned away may come back: one after another, as fast as is answered. Pure.

Were all told some seconds at random, everybody whom an overload turned away would be back soon
after it ends, find too many others, and be turned away again until the tries are used up; and who
writes for the first time then would be turned away with them. So each is given a place of a queue
that nobody has to stand in. Nothing is kept for it: who comes earlier or later is a request like
any other.
"""

from __future__ import annotations

import math

SOONEST, LATEST = 1.0, 30.0  # seconds, before jitter: for longer nobody waits with a telephone


class Returns:
    """The places that were given, as the time of the last one."""

    def __init__(self) -> None:
        self._last = -math.inf

    def book(self, now: float, pace: float, *, background: bool = False) -> float:
        """Seconds until this one may come back.

        Args:
            now: seconds of a clock that only rises.
            pace: how many may come back a second, 0 for none that soon.
            background: comes when all others were there, and takes no place.
        """
        apart = min(LATEST, 1.0 / pace) if pace > 0 else LATEST
        place = min(max(max(self._last, now) + apart, now + SOONEST), now + LATEST)
        if not background:
            self._last = place
        return place - now
