"""Keeps a thread's signal stack while OpenVINO compiles.

Each model that OpenVINO (2026.4) compiles puts a signal stack of its own in the place of the
thread's, and puts back what it found when it is released. Released in another order than made,
the last one leaves a stack that is freed; the next signal (SIGTERM, at the end of a service) is
then delivered into it and ends the process by SIGSEGV, without a word. With the thread's own stack
put back right after each compilation, every model finds, and leaves, the same.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    """`stack_t` of Linux."""

    _fields_ = (
        ("pointer", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("size", ctypes.c_size_t),
    )


def current() -> tuple[int | None, int, int]:
    """Address, flags (2: none) and bytes of the calling thread's signal stack; Linux alone."""
    stack = _read()
    return stack.pointer, stack.flags, stack.size


@contextmanager
def kept() -> Iterator[None]:
    """Within, a library may replace the calling thread's signal stack; afterwards it is back."""
    if not sys.platform.startswith("linux"):
        yield
        return
    stack = _read()
    try:
        yield
    finally:
        ctypes.CDLL(None).sigaltstack(ctypes.byref(stack), None)


def _read() -> _Stack:
    stack = _Stack()
    ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack))
    return stack
