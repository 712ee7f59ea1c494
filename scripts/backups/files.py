"""A backup is a folder that appears whole or not at all, and says what it must hold.

    data-20260131T120000Z/manifest.json   kind, when, versions, counts, hashes of the other files
    data-20260131T120000Z/data.bin        every key of Redis
    data-20260131T120000Z/erasures        the erasure ledger as it was
    keys-20260131T120000Z/keys.jsonl      people's keys, wrapped by the master key

Folders are for their owner alone: ids and times in them are personal, though no text can be read.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.checkpoint import file_sha256
from models.disk import sync

NAME = "manifest.json"
FORMAT = 1
DATA, KEYS = "data", "keys"
KINDS = (DATA, KEYS)
_TIME = "%Y%m%dT%H%M%SZ"


class BackupError(Exception):
    """The backup cannot be made or used; the message is one line for whoever asked."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself.

    `master` tells one master key from another, and nothing of it; `counts` are keys by kind.
    """

    kind: str
    made: str
    master: str
    server: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)  # name → sha256
    bytes: int = 0


@contextmanager
def new_folder(out: Path, kind: str, now: float) -> Iterator[Path]:
    """A folder to write into; it has its name once the block ends, and is gone where it fails.

    Raises:
        BackupError: there is one of this second already, or the place cannot be written.
    """
    place = out / f"{kind}-{datetime.fromtimestamp(now, UTC).strftime(_TIME)}"
    half = place.with_name(f".{place.name}.half")
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        if place.exists():
            raise BackupError(f"{place} is there already")
        shutil.rmtree(half, ignore_errors=True)  # of one who was killed
        half.mkdir(mode=0o700)
    except OSError as error:
        raise BackupError(f"{out} cannot be written: {error.strerror}") from None
    try:
        yield half
        half.rename(place)
        sync(out)
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise


def folder_of(half: Path) -> Path:
    """The name that a folder of `new_folder` gets."""
    return half.with_name(half.name.removeprefix(".").removesuffix(".half"))


def seal(folder: Path, manifest: Manifest) -> Manifest:
    """Write the manifest over the files that are there; all of it is on the disk after this."""
    files = sorted(path for path in folder.iterdir() if path.name != NAME)
    for path in files:
        path.chmod(0o600)
        sync(path)
    whole = Manifest(
        **{
            **asdict(manifest),
            "files": {path.name: file_sha256(path) for path in files},
            "bytes": sum(path.stat().st_size for path in files),
        }
    )
    document = {"format": FORMAT, **asdict(whole)}
    path = folder / NAME
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    path.chmod(0o600)
    sync(path)
    sync(folder)
    return whole


def verify(folder: Path, kind: str) -> Manifest:
    """The manifest of a backup, every file of it checked.

    Raises:
        BackupError: it is none of that kind, or not whole.
    """
    manifest = load(folder)
    if manifest.kind != kind:
        raise BackupError(f"{folder} holds a backup of {manifest.kind}, not of {kind}")
    there = {path.name for path in folder.iterdir()} - {NAME}
    if there != set(manifest.files):
        odd = sorted(there ^ set(manifest.files))[0]
        raise BackupError(f"{folder} is not whole: {odd} is missing, or does not belong there")
    for name, expected in manifest.files.items():
        if file_sha256(folder / name) != expected:
            raise BackupError(f"{folder / name} is not what was written: nothing was put back")
    return manifest


def load(folder: Path) -> Manifest:
    """What a backup says of itself (BackupError: it is none, or of another format)."""
    path = folder / NAME
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if document.pop("format") != FORMAT:
            raise BackupError(f"{path} is not of format {FORMAT}")
        return Manifest(**document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise BackupError(f"{folder} holds no backup: {NAME} is missing or broken") from None


def made_at(manifest: Manifest) -> float:
    """When it was made, in Unix seconds (BackupError where that is no time)."""
    try:
        return datetime.fromisoformat(manifest.made).timestamp()
    except ValueError:
        raise BackupError(f"{manifest.made!r} is no time") from None
