"""How late this process itself is: an answer that waited for us says nothing of who gave it.

Under gevent one thread does everybody's work. Where hundreds of messages come at once, each answer
of Redis is read seconds after it came; a breaker that counted those seconds would take Redis away
from everybody because one person asked much.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_TICK_SECONDS = 0.02


class Lateness:
    """A thread (a greenlet under gevent) that sleeps, and measures how much later it wakes.

    `clock` gives seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lost = 0.0
        self._due: float | None = None  # when it should wake; None before it sleeps
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kindred-lateness", daemon=True)

    def start(self) -> None:
        """Begin to measure."""
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._ended.set()

    def lost(self) -> float:
        """Seconds in all in which nobody here could do anything, until this moment."""
        due = self._due
        return self._lost + (max(0.0, self._clock() - due) if due is not None else 0.0)

    def _run(self) -> None:
        while not self._ended.is_set():
            self._due = self._clock() + _TICK_SECONDS
            self._ended.wait(_TICK_SECONDS)
            self._lost += max(0.0, self._clock() - self._due)
