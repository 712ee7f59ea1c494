"""What could never be told to Redis, kept aside for a person to see, in frames as the spool's."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from app.store.spool.frames import MAGIC

_BYTES_MAX = 4 * 1024 * 1024


def keep_rejected(path: Path, packed: bytes) -> bool:
    """Append a frame; False where the file is full. Several processes may at once (OSError)."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        if size + len(packed) > _BYTES_MAX:
            return False
        os.write(descriptor, packed if size else MAGIC + packed)
        os.fsync(descriptor)
        return True
    finally:
        os.close(descriptor)
