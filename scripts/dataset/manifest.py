"""What counts as exported: one file, replaced as a whole, that names every other.

A part that the manifest does not name does not exist for a reader, and is swept away by the next
run. The positions reached in the streams stand in the same file as the parts that hold what came
before them, so a crash leaves both old or both new.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from scripts.dataset.schema import FOLDERS, FORMAT

NAME = "manifest.json"
_LOCK = ".lock"


class DatasetError(Exception):
    """The dataset cannot be used as asked; the message is one line for whoever asked."""


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file; `path` is relative to the dataset, `first` and `last` are event ids."""

    path: str
    kind: str
    day: str
    rows: int
    bytes: int
    sha256: str
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far one partition's stream was read.

    `after` is the last stream id that is covered; `from_` the id behind which coverage begins
    ("0-0": the beginning; later where `--since` skipped something); `added` as in StreamState.
    """

    after: str = "0-0"
    from_: str = "0-0"
    added: int | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """Entries that were trimmed before they were read: after < id < before; `lost` where known."""

    partition: int
    after: str
    before: str
    lost: int | None
    noticed: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The dataset at one moment. `sequence` numbers the commits and names the parts."""

    keys: str  # fingerprint of the dataset key
    impressions: bool  # whether replies without a reaction are in
    sequence: int = 0
    updated: str = ""
    cursors: dict[str, Cursor] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    gaps: tuple[Gap, ...] = ()
    dropped: int = 0  # rows left out or taken out: erased people, days past retention

    def cursor(self, partition: int) -> Cursor:
        """How far that stream was read."""
        return self.cursors.get(f"{partition:02x}", Cursor())

    def moved(self, positions: dict[int, Cursor]) -> Manifest:
        """With some cursors moved on."""
        moved = {f"{partition:02x}": cursor for partition, cursor in positions.items()}
        return replace(self, cursors=self.cursors | moved)

    def rows(self, kind: str) -> int:
        """How many rows of a kind there are."""
        return sum(part.rows for part in self.parts if part.kind == kind)


def load(folder: Path) -> Manifest | None:
    """The manifest of a dataset; None where there is none yet.

    Raises:
        DatasetError: it is not one that this code reads.
    """
    path = folder / NAME
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from None
    if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
        raise DatasetError(f"{path} is not of format {FORMAT}")
    document.pop("erasures_until", None)  # of manifests made before the whole ledger was read
    try:
        return Manifest(
            **{
                **document,
                "cursors": {k: Cursor(**v) for k, v in document["cursors"].items()},
                "parts": tuple(Part(**part) for part in document["parts"]),
                "gaps": tuple(Gap(**gap) for gap in document["gaps"]),
            }
        )
    except (KeyError, TypeError) as error:
        raise DatasetError(f"{path} is incomplete: {error}") from None


def dump(manifest: Manifest) -> bytes:
    """The manifest as it is written."""
    document = {"format": FORMAT, **asdict(manifest)}
    return (json.dumps(document, indent=1) + "\n").encode()


def sweep(folder: Path, manifest: Manifest | None) -> int:
    """Delete what a crash left behind: half-written files and parts that nobody names."""
    named = {part.path for part in manifest.parts} if manifest else set()
    swept = 0
    parts = [path for kind in FOLDERS for path in folder.glob(f"{kind}/day=*/part-*.parquet*")]
    for path in [*folder.glob(f"{NAME}.tmp"), *parts]:
        if path.relative_to(folder).as_posix() not in named:
            path.unlink()
            swept += 1
    for kind in FOLDERS:
        for day in folder.glob(f"{kind}/day=*"):
            with contextlib.suppress(OSError):  # not empty
                day.rmdir()
    return swept


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One exporter at a time; the lock goes with the process.

    Raises:
        DatasetError: another one is at work, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DatasetError(f"{folder} cannot be written: {error.strerror}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            raise DatasetError(f"{folder} is being written by process {holder or '?'}") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
