"""Ends a command where nothing is begun that could be lost: while it reads, tokenises, writes.

`Run.stoppable` lets a loop reach a place where its state can be saved. Outside of it a signal
would end the process with a status that says that it failed; here it ends the work at once, and
the command can say that it was stopped.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(BaseException):
    """SIGTERM or SIGINT came. As KeyboardInterrupt it is no Exception: nobody handles it midway."""


@contextmanager
def stops_at_once() -> Iterator[None]:
    """Within, the first SIGTERM or SIGINT raises `Stopped`; `Run.stoppable` may be entered inside.

    Later ones do nothing: they would cut short what the first one closes.
    """
    told = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal told
        if not told:
            told = True
            raise Stopped

    previous = {s: signal.signal(s, stop) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
