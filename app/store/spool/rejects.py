"""What could never be told to Redis, kept aside for a person to see, in frames as the spool's.

Each day has a file of its own, so that it ends in time (`scripts/retention`) however many follow.
"""

from __future__ import annotations

import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path

from app.store.spool.frames import MAGIC

_BYTES_MAX = 4 * 1024 * 1024  # of all days


def keep_rejected(folder: Path, packed: bytes, now: float) -> bool:
    """Append a frame to the day's file; False where they are full. Several processes may at once.

    Args:
        now: Unix seconds.

    Raises:
        OSError: it is not kept.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    path = folder / f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d}"
    descriptor = os.open(path, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        data = packed if size else MAGIC + packed
        if sum(file.stat().st_size for file in folder.iterdir()) + len(data) > _BYTES_MAX:
            return False
        if os.pwrite(descriptor, data, size) != len(data):
            os.ftruncate(descriptor, size)  # what comes behind half a frame could not be read
            raise OSError(28, "the disk is full")
        os.fsync(descriptor)
        return True
    finally:
        os.close(descriptor)
