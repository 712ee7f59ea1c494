"""One deadline for a whole reply, and shorter ones for its stages."""

from __future__ import annotations

import time
from collections.abc import Callable

from app.settings import Settings

# Of the whole: what is left must be enough for a reply without the store.
_BEGIN_SHARE, _STORE_SHARE = 0.4, 0.3


class Deadlines:
    """Monotonic times by which each stage of one reply must be done.

    What gathering leaves of its allowance is ranking's; no stage reaches past the reply's deadline
    less what the stages after it need.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        start = clock()
        whole = settings.chat_deadline_ms / 1000
        self._end = start + whole
        self._begun = start + _BEGIN_SHARE * whole
        self._store = _STORE_SHARE * whole
        self._gather = settings.gather_deadline_ms / 1000
        self._ranked = start + self._gather + settings.rank_deadline_ms / 1000
        self._rank = settings.rank_deadline_ms / 1000
        self._finish = settings.finish_deadline_ms / 1000

    def store(self) -> float:
        """By when the store must have answered what it is asked now, else it is done without.

        The reply is there when it is asked to keep it, and worth a wait that may take it a little
        past its own deadline.
        """
        return max(self._begun, self._clock() + self._store)

    def gather(self) -> float:
        """By when candidates must be there."""
        return min(self._clock() + self._gather, self._end - self._finish - self._rank / 2)

    def rank(self) -> float:
        """By when scores must be there."""
        return min(max(self._ranked, self._clock() + self._rank), self._end - self._finish)
