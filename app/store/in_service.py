"""Whether a process of this machine serves people from a `var` folder.

Told by a lock (flock) that ends with whoever holds it. What must have the folder to itself (putting
a backup back, giving the keys another master key) asks for the lock alone.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import StartupError

_NAME = "serving"


class InService:
    """Held by a process that serves, from its making to `end`."""

    def __init__(self, var_dir: Path) -> None:
        """Take a share of the lock (StartupError: somebody has the folder to themselves)."""
        self._descriptor: int | None = _lock(
            var_dir,
            fcntl.LOCK_SH,
            "a backup is being put back, or the master key replaced: start again when that is done",
        )

    def end(self) -> None:
        """Serve no longer."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@contextmanager
def out_of_service(var_dir: Path) -> Iterator[None]:
    """Nobody serves from this folder inside the block (StartupError: somebody does)."""
    wanted = f"a service runs on {var_dir}: end it first (what people say meanwhile would be lost)"
    descriptor = _lock(var_dir, fcntl.LOCK_EX, wanted)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(var_dir: Path, how: int, why_not: str) -> int:
    try:
        var_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(var_dir / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartupError(f"{var_dir / _NAME} cannot be used: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StartupError(why_not) from None
    return descriptor
