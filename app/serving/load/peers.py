"""What the other workers on this machine are doing: a small shared file, one slot a worker.

Workers share cores but no memory. Each writes a few numbers into a slot of its own of a file that
all map, and reads the others'. Nobody waits for anybody: there is no lock. A slot is taken by
writing into a free one; if two take the same one at once, the later write stands, and the other
worker sees at its next publication that the slot is not its own and takes another. A slot carries
a checksum, so one that is read while it is written is skipped; one whose heartbeat is old belongs
to a worker that has ended, or that has nothing to do. Workers in several containers may share the
file and have the same process id: a random number beside it tells them apart.
"""

from __future__ import annotations

import mmap
import os
import secrets
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.settings import Settings
from app.telemetry import get_logger

FILE = "workers"
SLOTS = 64
STALE_SECONDS = 2.0  # without a heartbeat
_BODY = struct.Struct("<QIdddd")  # pid, nonce, heartbeat, rate, in flight, busy share
_CHECK = struct.Struct("<I")
_SLOT = 64  # bytes: a cache line each


@dataclass(frozen=True, slots=True)
class Worker:
    """What one worker says of itself."""

    pid: int  # within its own namespace
    nonce: int  # 32 random bits
    heartbeat: float  # of the machine's monotonic clock, seconds
    rate: float  # requests a second that reach it
    in_flight: float  # requests in progress
    busy: float  # share of the time in which a model of it ran, 0 … 1

    @property
    def owner(self) -> tuple[int, int]:
        """Who it is: no two workers have the same."""
        return self.pid, self.nonce


def peers_of(settings: Settings) -> Peers | None:
    """The workers of this service, in its folder; None where there is only one, or no file."""
    if settings.workers < 2:
        return None
    try:
        settings.var_dir.mkdir(parents=True, exist_ok=True)
        return Peers(settings.var_dir / FILE)
    except (OSError, ValueError) as error:
        get_logger("serving.peers").warning("peers_unseen", error=type(error).__name__)
        return None


def cores_share(settings: Settings) -> float:
    """The part of the machine's cores that the models of one worker may use, above 0 to 1."""
    usable = len(os.sched_getaffinity(0))
    return min(1.0, (settings.threads or max(1, usable // settings.workers)) / usable)


class Peers:
    """The slots of all workers; made by each worker for itself, after the fork.

    Args:
        path: the file, made if it is not there; its folder must be.
        clock: the same for all processes of the machine (CLOCK_MONOTONIC is).
        pid: of this process, unless given.

    Raises OSError where the file cannot be made or mapped.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.monotonic,
        pid: int | None = None,
    ) -> None:
        self._clock = clock
        self._me = (os.getpid() if pid is None else pid, secrets.randbits(32))
        self._slot: int | None = None
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # The same length for all, so that nobody's map is cut short by another's truncation.
            os.ftruncate(handle, SLOTS * _SLOT)
            self._map = mmap.mmap(handle, SLOTS * _SLOT)
        finally:
            os.close(handle)

    def publish(self, rate: float, in_flight: int, busy: float) -> None:
        """Say what this worker is doing; without a free slot, nothing."""
        if self._slot is None or self._owner(self._slot) != self._me:
            self._slot = self._free()
        if self._slot is not None:
            body = _BODY.pack(*self._me, self._clock(), rate, float(in_flight), busy)
            begin = self._slot * _SLOT
            self._map[begin : begin + _BODY.size + _CHECK.size] = body + _CHECK.pack(
                zlib.crc32(body)
            )

    def others(self) -> list[Worker]:
        """The other workers that have published lately."""
        return [worker for worker in self._living() if worker.owner != self._me]

    def rate(self) -> float:
        """Requests a second that reach the other workers."""
        return sum(worker.rate for worker in self.others())

    def close(self) -> None:
        """Free the slot; may be called twice."""
        if self._map.closed:
            return
        if self._slot is not None and self._owner(self._slot) == self._me:
            begin = self._slot * _SLOT
            self._map[begin : begin + _SLOT] = bytes(_SLOT)
        self._map.close()

    def _living(self) -> Iterator[Worker]:
        for slot in range(SLOTS):
            worker = self._read(slot)
            if worker is not None and self._fresh(worker):
                yield worker

    def _fresh(self, worker: Worker) -> bool:
        return abs(self._clock() - worker.heartbeat) <= STALE_SECONDS

    def _read(self, slot: int) -> Worker | None:
        """What stands there; None where it is empty, or torn."""
        begin = slot * _SLOT
        body = self._map[begin : begin + _BODY.size]
        check = self._map[begin + _BODY.size : begin + _BODY.size + _CHECK.size]
        worker = Worker(*_BODY.unpack(body))
        sound = worker.pid != 0 and _CHECK.unpack(check)[0] == zlib.crc32(body)
        return worker if sound else None

    def _owner(self, slot: int) -> tuple[int, int] | None:
        worker = self._read(slot)
        return worker.owner if worker is not None else None

    def _free(self) -> int | None:
        """One's own slot, else the first that nobody living holds."""
        workers = [self._read(slot) for slot in range(SLOTS)]
        for slot, worker in enumerate(workers):
            if worker is not None and worker.owner == self._me:
                return slot
        for slot, worker in enumerate(workers):
            if worker is None or not self._fresh(worker):
                return slot
        return None
