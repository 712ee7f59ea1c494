"""One file of the spool: appended to and fsynced by its owner, adopted once that one is dead.

The owner holds a lock (flock) on its file for as long as it lives, however it ends. Everything here
waits for the disk, in C: it runs where that holds up no greenlet, and takes no lock of Python's.
"""

from __future__ import annotations

import fcntl
import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from app.store.disk import sync_folder
from app.store.spool.frames import MAGIC, SETTLED, STATE_AT, Frame, frame_at, frames_of

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_KNOWN = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW


class SpoolFile:
    """An open file of which this process is the owner.

    `waiting` are the frames not settled yet, in order; `end` is where the next one goes; `torn` are
    the bytes behind the last whole frame that were cut off at opening.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self.waiting: deque[Frame] = deque()
        self.end = 0
        self.torn = 0
        self.whole = True  # False: the disk failed, nothing more may be appended

    @classmethod
    def make(cls, path: Path) -> SpoolFile:
        """A new file, which is on the disk with its name when this returns (OSError)."""
        made = cls(path, os.open(path, _NEW, 0o600))
        try:
            fcntl.flock(made._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            made._begin()
            sync_folder(path.parent)
        except OSError:
            made.close()
            path.unlink(missing_ok=True)
            raise
        return made

    @classmethod
    def adopt(cls, path: Path) -> SpoolFile | None:
        """A file whose owner is dead, its torn tail cut off; None where somebody owns it."""
        try:
            descriptor = os.open(path, _KNOWN)
        except FileNotFoundError:
            return None
        found = cls(path, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not found._is_named():  # its last owner deleted it just then
                found.close()
                return None
            found._load()
        except BlockingIOError:
            found.close()
            return None
        except OSError:
            found.close()
            raise
        return found

    def append(self, packed: Sequence[bytes]) -> list[Frame]:
        """Write frames and wait until they are on the disk.

        Raises:
            OSError: they are not, and may not be taken as kept; what was there before is.
        """
        if not self.whole:
            raise OSError(5, "this file failed before")
        offset, data = self.end, b"".join(packed)
        try:
            _write_all(self._descriptor, data, offset)
            os.fdatasync(self._descriptor)
        except OSError:
            # After a failed fsync nobody knows what the disk holds: the file takes no more.
            self.whole = False
            self._cut(offset)
            raise
        self.end = offset + len(data)
        frames = []
        for _ in packed:
            frame = frame_at(self.read, offset)
            if frame is None:
                self.whole = False
                raise OSError(5, "what was written does not read back")
            frames.append(frame)
            offset += frame.size
        self.waiting.extend(frames)
        return frames

    def read(self, size: int, offset: int) -> bytes:
        """Bytes of the file."""
        return os.pread(self._descriptor, size, offset)

    def settle(self, frame: Frame) -> None:
        """Note that the first of `waiting` was told to Redis.

        Not fsynced: the note lost in a power cut, it is told once more, which changes nothing.
        """
        if not self.waiting or self.waiting[0] is not frame:
            raise ValueError("frames are settled in order")
        self.waiting.popleft()
        os.pwrite(self._descriptor, SETTLED, frame.offset + STATE_AT)

    def close(self, *, delete: bool = False) -> None:
        """Let go of the file; `delete` it where nothing waits in it."""
        if delete and not self.waiting:
            self.path.unlink(missing_ok=True)  # while it is ours: nobody can adopt it between
        os.close(self._descriptor)

    def _begin(self) -> None:
        os.ftruncate(self._descriptor, 0)
        _write_all(self._descriptor, MAGIC, 0)
        os.fdatasync(self._descriptor)
        self.end = len(MAGIC)

    def _load(self) -> None:
        size = os.fstat(self._descriptor).st_size
        frames, self.end = frames_of(self.read)
        self.torn = size - self.end
        self.waiting.extend(frame for frame in frames if not frame.settled)
        if self.end == 0:
            if size > len(MAGIC):  # nothing is appended before the magic line is on the disk
                raise OSError(8, "not a spool of this release")
            self._begin()
        elif self.torn:
            os.ftruncate(self._descriptor, self.end)
            os.fsync(self._descriptor)

    def _cut(self, offset: int) -> None:
        """Take back what may be half written; where even that fails its checksum tells."""
        try:
            os.ftruncate(self._descriptor, offset)
        except OSError:
            return

    def _is_named(self) -> bool:
        try:
            named = os.stat(self.path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(self._descriptor))


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        if written <= 0:
            raise OSError(28, "nothing could be written")
        view, offset = view[written:], offset + written
