"""A stop where there is nothing to save: the command ends with status 0, and can be run again."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def leaves_when_stopped() -> Iterator[None]:
    """Within, the first SIGTERM or SIGINT raises SystemExit(0): what is open is closed on the way.

    For all that comes before, between and after the parts that save when they are stopped; these
    (`Run.stoppable`) take the signals over and hand them back.
    """
    told = False

    def leave(_number: int, _frame: FrameType | None) -> None:
        nonlocal told
        # Once: a second signal must not cut short what the first one closes.
        if not told:
            told = True
            print("stopped; the same command resumes", flush=True)
            raise SystemExit(0)

    previous = {number: signal.signal(number, leave) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
