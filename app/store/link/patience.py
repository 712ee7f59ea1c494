"""How long a caller will wait for the store: by a time of its own, shorter than the client's.

A message has a deadline of its own and can be answered without the store; it must not wait the two
seconds that an administrator's listing may. The time is set around the calls, as a context
variable, so that it holds for every command below, whoever sends it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_LEAST = 0.001  # seconds: a socket's timeout of 0 would mean not to wait at all
_until: ContextVar[float | None] = ContextVar("kindred_store_until", default=None)


@contextmanager
def patience(until: float) -> Iterator[None]:
    """Wait for no command inside the block past this time (`time.monotonic()` seconds).

    Of blocks within blocks the earliest time holds.
    """
    outer = _until.get()
    token = _until.set(until if outer is None else min(outer, until))
    try:
        yield
    finally:
        _until.reset(token)


def seconds_left(most: float) -> float:
    """Seconds that a command may take now: at most `most`, and never none."""
    until = _until.get()
    if until is None:
        return most
    return max(_LEAST, min(most, until - time.monotonic()))
