"""The spool of one process: promises in files that outlive it, in order, within bounds.

Each process appends to a file of its own. Those of processes that are dead are adopted, so that
what they promised is told to Redis too. Concurrent promises share an fsync.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from app.errors import StartupError, StoreUnavailable
from app.store.disk import sync_folder
from app.store.privacy.ledger import Offload
from app.store.spool.file import SpoolFile
from app.store.spool.frames import PAYLOAD_MAX, Entry, Frame, pack
from app.store.spool.rejects import keep_rejected
from app.telemetry import Metrics, get_logger

_T = TypeVar("_T")
_SUFFIX = ".spool"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one process keeps at most; those of a person keep one person from taking it all."""

    entries: int = 100_000
    bytes: int = 16 * 1024 * 1024
    person_entries: int = 200

    @property
    def person_bytes(self) -> int:
        """A part in 128: two hundred long comments would be one in ten."""
        return max(PAYLOAD_MAX, self.bytes // 128)


@dataclass(slots=True)
class _Ticket:
    """One promise on its way to the disk; those that wait together are written together."""

    packed: bytes
    kept: bool = False
    error: OSError | None = None


class Spool:
    """What was promised and is not in Redis yet. Callers are greenlets or threads, many at once."""

    def __init__(
        self,
        folder: Path,
        metrics: Metrics,
        clock: Callable[[], float],
        offload: Offload,
        bounds: Bounds | None = None,
    ) -> None:
        """Make the folder and adopt what the dead left in it.

        Raises:
            StartupError: the folder cannot be used.
        """
        self._folder = folder
        self._metrics = metrics
        self._clock = clock
        self._offload = offload
        self._bounds = bounds or Bounds()
        self._lock = threading.Lock()  # of the files: whoever holds it waits for the disk
        self._notes = threading.Lock()  # of what is only in memory: held for a moment
        self._queue: list[_Ticket] = []
        self._file: SpoolFile | None = None
        self._others: list[SpoolFile] = []  # adopted, or ours that the disk failed
        self._lost: list[SpoolFile] = []  # of which nobody knows what was written; see `_write`
        self._entries = self._bytes = 0  # waiting, those on their way to the disk among them
        self._targets: Counter[str] = Counter()
        self._people: Counter[str] = Counter()
        self._people_bytes: Counter[str] = Counter()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
            sync_folder(folder.parent)
        except OSError as error:
            raise StartupError(f"the spool {folder} cannot be used: {error.strerror}") from None
        self.adopt()

    @property
    def entries(self) -> int:
        """How many promises wait."""
        return self._entries

    def holds(self, target: str) -> bool:
        """Whether something waits that is about this reply or conversation."""
        return target in self._targets

    def put(self, entry: Entry) -> None:
        """Keep a promise: on the disk, with its name, when this returns.

        Raises:
            StoreUnavailable: it is not kept: no room, or the disk failed.
        """
        ticket = _Ticket(pack(entry))
        with self._notes:
            self._require_room(entry, len(ticket.packed))
            self._count(entry, len(ticket.packed), 1)
            self._queue.append(ticket)
        try:
            with self._lock:
                if not ticket.kept and ticket.error is None:
                    self._write()
        finally:
            if not ticket.kept:
                with self._notes:
                    self._count(entry, len(ticket.packed), -1)
        if not ticket.kept:
            self._metrics.spool_outcomes.labels("refused-disk").inc()
            raise StoreUnavailable("It cannot be kept just now", retry_after=2.0) from ticket.error
        self._metrics.spool_outcomes.labels("kept").inc()
        self.tell()

    def first(self) -> tuple[SpoolFile, Frame] | None:
        """What was promised first of all that waits; None where nothing does."""
        files = [file for file in (*self._others, self._file) if file and file.waiting]
        if not files:
            return None
        file = min(files, key=lambda each: each.waiting[0].entry.at)
        return file, file.waiting[0]

    def settle(self, file: SpoolFile, frame: Frame) -> None:
        """Redis has it: forget it."""
        with self._lock:
            failed = self._attempt(lambda: file.settle(frame))
            if isinstance(failed, OSError):  # it is told again after a restart, and known there
                self._metrics.failures.labels("spool").inc()
            with self._notes:
                self._count(frame.entry, frame.size, -1)
            if not file.waiting:
                self._empty(file)
        self.tell()

    def reject(self, file: SpoolFile, frame: Frame) -> None:
        """It can never be told: put it aside, sealed as it is, and go on."""
        folder, now = self._folder / "rejects", self._clock()
        kept = self._attempt(lambda: keep_rejected(folder, pack(frame.entry), now))
        if kept is not True:
            self._metrics.failures.labels("spool.rejects").inc()
        self.settle(file, frame)

    def adopt(self) -> None:
        """Take over the files of the dead; a file that cannot be read stays for another time."""
        with self._lock:
            ours = {file.path for file in (*self._others, *self._lost, self._file) if file}
            found = self._attempt(lambda: [_adopted(path) for path in self._listed() - ours])
            if isinstance(found, OSError):
                self._metrics.failures.labels("spool").inc()
                return
            for file in found:
                if isinstance(file, OSError):
                    self._metrics.failures.labels("spool").inc()
                elif file is not None:
                    self._take(file)
        self.tell()

    def tell(self) -> None:
        """Set the gauges."""
        files = [file for file in (*self._others, self._file) if file]
        head = self.first()
        oldest = max(0.0, self._clock() - head[1].entry.at) if head else 0.0
        self._metrics.spool_entries.set(self._entries)
        self._metrics.spool_bytes.set(sum(file.end for file in files))
        self._metrics.spool_oldest_seconds.set(oldest)

    def close(self) -> None:
        """Let go of the files; what waits stays for whoever adopts it."""
        with self._lock:
            for file in (*self._others, *self._lost, self._file):
                if file is not None:
                    self._attempt(lambda file=file: file.close(delete=file not in self._lost))  # type: ignore[misc]
            self._file, self._others, self._lost = None, [], []

    def _require_room(self, entry: Entry, size: int) -> None:
        bounds = self._bounds
        full = self._entries >= bounds.entries or self._bytes + size > bounds.bytes
        theirs = self._people[entry.user_id] >= bounds.person_entries
        long = self._people_bytes[entry.user_id] + size > bounds.person_bytes
        if full or theirs or long:
            self._metrics.spool_outcomes.labels("refused-full").inc()
            raise StoreUnavailable("No more can be kept just now", retry_after=5.0)

    def _write(self) -> None:
        """Write all that waits for it, with one fsync; each ticket is told what became of it."""
        with self._notes:
            batch, self._queue = self._queue, []
        try:
            outcome = self._attempt(lambda: self._append([ticket.packed for ticket in batch]))
        except BaseException:
            # This greenlet was ended, its write goes on: nobody may write behind it.
            if self._file is not None:
                self._lost.append(self._file)
                self._file = None
            raise
        for ticket in batch:
            ticket.kept = outcome is None
            ticket.error = outcome
        if outcome is not None:
            get_logger("store").error("spool_disk", errno=outcome.errno)
            self._metrics.failures.labels("spool").inc()
            self._retire()

    def _append(self, packed: list[bytes]) -> None:
        if self._file is not None and self._file.end > self._bounds.bytes:
            # What was settled goes with its file: one that never runs empty would grow for ever.
            self._others.append(self._file)
            self._file = None
        if self._file is None:
            name = f"{os.getpid()}-{secrets.token_hex(8)}{_SUFFIX}"
            self._file = SpoolFile.make(self._folder / name)
        self._file.append(packed)

    def _retire(self) -> None:
        """The disk failed: what was kept before is still told, the next promise gets a new file."""
        file, self._file = self._file, None
        if file is None:
            return
        if file.waiting:
            self._others.append(file)
        else:
            self._attempt(lambda: file.close(delete=True))

    def _take(self, file: SpoolFile) -> None:
        if file.torn:
            get_logger("store").warning("spool_torn", bytes=file.torn, kept=len(file.waiting))
            self._metrics.spool_outcomes.labels("torn").inc()
        with self._notes:
            for frame in file.waiting:
                self._count(frame.entry, frame.size, 1)
        if file.waiting:
            self._others.append(file)
        else:
            self._attempt(lambda: file.close(delete=True))

    def _empty(self, file: SpoolFile) -> None:
        """Nothing waits in a file: delete it; the next promise gets a new one."""
        if file is self._file:
            self._file = None
        else:
            self._others.remove(file)
        self._attempt(lambda: file.close(delete=True))

    def _count(self, entry: Entry, size: int, by: int) -> None:
        self._entries += by
        self._bytes += by * size
        for counts, name, much in (
            (self._targets, entry.target, by),
            (self._people, entry.user_id, by),
            (self._people_bytes, entry.user_id, by * size),
        ):
            counts[name] += much
            if not counts[name]:
                del counts[name]

    def _listed(self) -> set[Path]:
        return set(self._folder.glob(f"*{_SUFFIX}"))

    def _attempt(self, work: Callable[[], _T]) -> _T | OSError:
        """What the work gives, or its error: a pool of threads would report what is raised."""

        def attempt() -> _T | OSError:
            try:
                return work()
            except OSError as error:
                return error

        return self._offload(attempt)


def _adopted(path: Path) -> SpoolFile | OSError | None:
    try:
        return SpoolFile.adopt(path)
    except OSError as error:
        return error
