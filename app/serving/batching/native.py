"""One native thread for one model, driven from gevent's hub.

What runs there never raises: a `SystemError` that leaves a gevent thread pool's task is thrown
into the hub's MAIN greenlet, and any other error would be printed there. It also touches no
logger, metric or patched lock, since those belong to the hub's thread.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import gevent
from gevent.threadpool import ThreadPool

_FRAMES_KEPT = 6
_CLOSING_LOOKS = 20
_CLOSING_PAUSE = 0.002  # seconds


@dataclass(frozen=True, slots=True)
class Ended:
    """How a native call ended: its value, or its error and where it came from."""

    ok: bool
    value: Any
    seconds: float
    where: str = ""

    @property
    def out_of_memory(self) -> bool:
        """Whether the call failed for want of memory."""
        return not self.ok and is_out_of_memory(self.value)


class Runner(Protocol):
    """Runs one call at a time away from the hub; the calling greenlet waits."""

    def call(self, function: Callable[[Any], Any], argument: Any) -> Ended:
        """Run `function(argument)` and say how it ended; never raises its error."""

    def close(self) -> None:
        """End the thread; a call that hangs is left behind."""


class NativeThread:
    """A gevent thread pool of one.

    Only one greenlet may call at a time: a pool of one keeps a second task waiting and blocks
    the third caller, and neither would be seen by the batcher's queue.
    """

    def __init__(self) -> None:
        self._pool = ThreadPool(1)

    def call(self, function: Callable[[Any], Any], argument: Any) -> Ended:
        """Run `function(argument)` in the native thread; the hub goes on meanwhile."""
        ended: Ended = self._pool.spawn(_guarded, function, argument).get()
        return ended

    def close(self) -> None:
        """End the thread if it is idle; a hanging call cannot be ended and is left behind."""
        for _ in range(_CLOSING_LOOKS):
            if len(self._pool) == 0:  # the thread says so a moment after the call has returned
                self._pool.kill()
                return
            gevent.sleep(_CLOSING_PAUSE)


def _guarded(function: Callable[[Any], Any], argument: Any) -> Ended:
    start = time.perf_counter()
    try:
        value = function(argument)
    except BaseException as error:  # noqa: BLE001 - see the module's docstring
        where = " < ".join(
            f"{frame.name}:{frame.lineno}"
            for frame in reversed(traceback.extract_tb(error.__traceback__)[-_FRAMES_KEPT:])
        )
        # The frames hold the batch's tensors: memory that a retry will need.
        error.__traceback__ = None
        error.__context__ = None
        return Ended(False, error, time.perf_counter() - start, where)
    return Ended(True, value, time.perf_counter() - start)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that host or device memory ran out, whichever library raised it."""
    if isinstance(error, MemoryError):
        return True
    if any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "can't allocate memory" in text
    )
