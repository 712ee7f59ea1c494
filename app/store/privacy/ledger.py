"""The erasure ledger: who must stay forgotten, in a file that only grows and that no restore takes.

A backup brings back what was erased after it was made. So each erasure is first a line in a file
beside the keys, and the copies of data and keys are measured by it: `KeyRing.replay` and
`People.replay_erasures` erase again whomever an older copy brought back.

A line is `<keyed hash of the id> <Unix seconds>`: whoever reads the file without the master key
learns how many left, and when. Of several machines each has such a file; the key store holds all
their lines, and every machine takes over those that it lacks.
"""

from __future__ import annotations

import contextlib
import fcntl
import hmac
import mmap
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from app.errors import StartupError, StoreUnavailable
from app.store.disk import sync_folder
from app.store.sealing.wrapping import ledger_key

LEDGER_SECONDS = 400 * 86_400.0  # longer than any token lives, and than any backup may be kept
_LINE = re.compile(rb"([0-9a-f]{32}) (\d+(?:\.\d+)?)")
_FEW = 8  # lines that are searched for one by one
_T = TypeVar("_T")


class Offload(Protocol):
    """Runs blocking work elsewhere and gives what it returned, such as a pool of threads."""

    def __call__(self, work: Callable[[], _T], /) -> _T:
        """What the work returned."""


def inline(work: Callable[[], _T], /) -> _T:
    """The runner of processes in which waiting for the disk holds up nobody else."""
    return work()


class Ledger:
    """One file of erasures; any number of processes may add to it at once.

    A line that a crash cut short was never acknowledged, and is passed over.
    """

    def __init__(self, path: Path, master: bytes, offload: Offload = inline) -> None:
        self.path = path
        self._key = ledger_key(master)
        self._offload = offload
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
            sync_folder(path.parent)
        except OSError as error:
            raise StartupError(f"the erasure ledger {path} cannot be used: {error}") from None

    def rekey(self, key: bytes) -> None:
        """Name people as under the master key with which this ledger was begun (see `rotation`)."""
        self._key = key

    def name(self, owner: str) -> str:
        """What stands for an owner in the ledger: 32 hex digits, the same each time."""
        return hmac.digest(self._key, owner.encode(), "sha256").hex()[:32]

    def record(self, owner: str, now: float) -> str:
        """Add an erasure; its name. It is on the disk when this returns.

        Raises:
            StoreUnavailable: it could not be written, so nothing may be erased yet.
        """
        name = self.name(owner)
        self.merge({name: now})
        return name

    def merge(self, lines: Mapping[str, float]) -> int:
        """Add the lines of another copy of the ledger that this one lacks; how many."""
        return self._run(lambda: self._merge(lines))

    def lines(self) -> dict[str, float]:
        """Every erasure: its name, and its time in Unix seconds (of several the first)."""
        return self._run(self._read)

    def prune(self, before: float) -> int:
        """Forget the erasures before that time, whose every copy is gone too; how many."""
        return self._run(lambda: self._prune(before))

    def _run(self, work: Callable[[], _T]) -> _T:
        """Where the runner runs it; errors are returned, as pools of threads report raised ones."""

        def attempt() -> _T | OSError:
            try:
                return work()
            except OSError as error:
                return error

        outcome = self._offload(attempt)
        if isinstance(outcome, OSError):
            raise StoreUnavailable(
                "The erasure ledger is not available", retry_after=1.0
            ) from outcome
        return outcome

    def _read(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for line in self._whole().split(b"\n"):
            if match := _LINE.fullmatch(line):
                found.setdefault(match[1].decode(), float(match[2]))
        return found

    def _merge(self, lines: Mapping[str, float]) -> int:
        with self._lock():
            new = self._unknown(lines)
            if not new:
                return 0
            data = b"".join(f"{name} {at:.3f}\n".encode() for name, at in new.items())
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
            descriptor = os.open(self.path, flags, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                if size and os.pread(descriptor, 1, size - 1) != b"\n":
                    data = b"\n" + data  # end the line that a crash cut short
                if os.write(descriptor, data) != len(data):
                    raise OSError("the disk is full")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            return len(new)

    def _unknown(self, lines: Mapping[str, float]) -> Mapping[str, float]:
        """Those that the file lacks. One is searched for: to take every line of hundreds of
        thousands apart, for each person who leaves, would hold others up."""
        if len(lines) > _FEW:
            known = self._read()
            return {name: at for name, at in lines.items() if name not in known}
        with self._mapped() as text:
            return {name: at for name, at in lines.items() if not _holds(text, name.encode())}

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[mmap.mmap | bytes]:
        """The file as it lies on the disk, so that nobody who leaves costs a copy of it."""
        if not self.path.exists() or not self.path.stat().st_size:
            yield b""
            return
        with (
            self.path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text,
        ):
            yield text

    def _whole(self) -> bytes:
        """The file up to its last newline: behind that there is nothing, or a torn line."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return b""
        return text[: text.rfind(b"\n") + 1]

    def _prune(self, before: float) -> int:
        with self._lock():
            known = self._read()
            kept = {name: at for name, at in known.items() if at >= before}
            if len(kept) == len(known):
                return 0
            draft = self.path.with_name(f".{self.path.name}.tmp")
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(b"".join(f"{name} {at:.3f}\n".encode() for name, at in kept.items()))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
            sync_folder(self.path.parent)
            return len(known) - len(kept)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """One writer at a time: pruning replaces the file, and no line must go into the old one."""
        with self.path.with_name(f".{self.path.name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _holds(text: mmap.mmap | bytes, name: bytes) -> bool:
    """Whether one of these lines has that name; what follows the last newline is torn, and none."""
    at = text.find(name)
    while at >= 0:
        begins, end = at == 0 or text[at - 1 : at] == b"\n", text.find(b"\n", at)
        if begins and end >= 0 and _LINE.fullmatch(text[at:end]):
            return True
        at = text.find(name, at + 1)
    return False
