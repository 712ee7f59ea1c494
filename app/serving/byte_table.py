"""Values by their digests, in memory that is taken once.

A table of sets as in a processor's cache: a digest belongs to one set of eight places, and a new
value takes the place in it that was used longest ago. Everything lies in four arrays, written to
when they are made: a worker's memory after hours is that after a minute, no value is an object that
the collector walks, and what leaves leaves no holes.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from hashlib import blake2b

from gevent.monkey import get_original

WAYS = 8
DIGEST_BYTES = 16
_BESIDE_BYTES = DIGEST_BYTES + 8 + 2  # of an entry: its digest, when it was used, its length
_WIDTH_STEP = 8
_WIDTH_MAX = (1 << 16) - 1


def entry_bytes(width: int) -> int:
    """What a value of at most `width` bytes takes."""
    return _BESIDE_BYTES + width


class ByteTable:
    """Bytes by bytes; may be used from any thread."""

    def __init__(self, capacity: int, width: int = 0) -> None:
        """Takes no memory before the first value, or at once where `width` is given.

        Args:
            capacity: bytes of all arrays; 0 keeps nothing.
            width: bytes of the longest value; 0: as the first one. A longer one that comes later
                empties the table, which is laid out anew.
        """
        self.capacity = capacity
        self.evicted = 0
        self._kept = self._tick = 0
        # The system's own lock, held for microseconds: gevent's cannot be shared with a native
        # thread, and the hub does not notice this one.
        self._lock = get_original("_thread", "allocate_lock")()
        self._lay_out(width)

    def __len__(self) -> int:
        return self._kept

    @property
    def held_bytes(self) -> int:
        """Of what is kept; the arrays take `capacity`, however much of them is in use."""
        return self._kept * entry_bytes(self._width)

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The value of each key, None where there is none; what is found counts as used."""
        digests = [_digest(key) for key in keys]
        with self._lock:
            return [self._found(digest) for digest in digests]

    def put(self, key: bytes, value: bytes) -> None:
        """Keep a value; of its set the one that was used longest ago leaves for it."""
        if not self.capacity or len(value) > _WIDTH_MAX:
            return
        digest = _digest(key)
        with self._lock:
            if len(value) > self._width:
                self._lay_out(len(value))
            if not self._sets:
                return  # not even one has room
            entry = self._entry(digest)
            if entry is None:
                entry = self._freed(digest)
                self._digests[entry * DIGEST_BYTES : (entry + 1) * DIGEST_BYTES] = digest
            self._tick += 1
            self._used[entry] = self._tick
            self._lengths[entry] = len(value)
            start = entry * self._width
            self._values[start : start + len(value)] = value

    def _found(self, digest: bytes) -> bytes | None:
        entry = self._entry(digest) if self._kept else None
        if entry is None:
            return None
        self._tick += 1
        self._used[entry] = self._tick
        start = entry * self._width
        return bytes(self._values[start : start + self._lengths[entry]])

    def _entry(self, digest: bytes) -> int | None:
        """Where a digest is, None where it is not."""
        start = self._set_of(digest) * self._ways * DIGEST_BYTES
        end = start + self._ways * DIGEST_BYTES
        at = start - 1
        while (at := self._digests.find(digest, at + 1, end)) >= 0:
            entry, beside = divmod(at, DIGEST_BYTES)
            if not beside and self._used[entry]:  # else across two digests, or an empty place
                return entry
        return None

    def _freed(self, digest: bytes) -> int:
        """A place of its set, the one that was used longest ago."""
        first = self._set_of(digest) * self._ways
        used = self._used[first : first + self._ways]
        oldest = min(used)
        if oldest:
            self.evicted += 1
        else:
            self._kept += 1
        return first + used.index(oldest)

    def _set_of(self, digest: bytes) -> int:
        return int.from_bytes(digest[:8], "little") % self._sets

    def _lay_out(self, width: int) -> None:
        """Empty arrays for values of `width` bytes, as many as there is room for."""
        self._width = width = -(-width // _WIDTH_STEP) * _WIDTH_STEP
        self.evicted += self._kept
        self._kept = 0
        room = self.capacity // entry_bytes(width) if width else 0
        self._ways = min(WAYS, room)
        self._sets = room // self._ways if room else 0
        entries = self._sets * self._ways
        # Repeating one zero writes each page; `bytearray(n)` leaves that to the middle of a day.
        zero = bytearray(1)
        self._digests = zero * (entries * DIGEST_BYTES)
        self._values = zero * (entries * width)
        self._used = array("Q", (0,)) * entries  # 0: an empty place
        self._lengths = array("H", (0,)) * entries


def _digest(key: bytes) -> bytes:
    """The key, or a digest of one that is not of the usual length."""
    return key if len(key) == DIGEST_BYTES else blake2b(key, digest_size=DIGEST_BYTES).digest()
