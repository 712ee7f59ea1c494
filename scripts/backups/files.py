"""A backup is a folder that appears whole or not at all, and says what it must hold.

    data-20260131T120000Z/manifest.json   kind, when, versions, counts, hashes of the other files,
                                          and a signature under the master key
    data-20260131T120000Z/data.bin        every key of Redis
    data-20260131T120000Z/erasures        the erasure ledger as it was
    keys-20260131T120000Z/keys.jsonl      people's keys, wrapped by the master key

Folders are for their owner alone: ids and times in them are personal, though no text can be read.
Where they lie nobody is trusted: what they say is believed once its signature was checked (see
`signatures`), and every file is hashed again as it is read (see `records`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.checkpoint import file_sha256
from models.disk import sync

NAME = "manifest.json"
FORMAT = 2
_UNSIGNED = 1  # the format of releases that did not sign
DATA, KEYS = "data", "keys"
KINDS = (DATA, KEYS)
_TIME = "%Y%m%dT%H%M%SZ"


class BackupError(Exception):
    """The backup cannot be made or used; the message is one line for whoever asked."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself.

    `master` tells one master key from another, and nothing of it; `counts` are keys by kind;
    `signature` is of all else, and empty where the backup was made before they were signed.
    """

    kind: str
    made: str
    master: str
    server: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)  # name → sha256
    bytes: int = 0
    signature: str = ""


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


def seal(folder: Path, manifest: Manifest, sign: Callable[[bytes], str]) -> Manifest:
    """Write the manifest over the files that are there; all of it is on the disk after this.

    Args:
        sign: the signature of a statement.
    """
    files = sorted(path for path in folder.iterdir() if path.name != NAME)
    for path in files:
        path.chmod(0o600)
        sync(path)
    whole = replace(
        manifest,
        files={path.name: file_sha256(path) for path in files},
        bytes=sum(path.stat().st_size for path in files),
    )
    whole = replace(whole, signature=sign(statement(whole)))
    path = folder / NAME
    document = {"format": FORMAT, **asdict(whole)}
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    path.chmod(0o600)
    sync(path)
    sync(folder)
    return whole


def statement(manifest: Manifest) -> bytes:
    """What is signed: everything but the signature, always in the same bytes."""
    told = {"format": FORMAT, **asdict(manifest)}
    del told["signature"]
    return json.dumps(told, sort_keys=True, separators=(",", ":")).encode("ascii")


@dataclass(frozen=True, slots=True)
class Backup:
    """A folder and what it says of itself."""

    folder: Path
    manifest: Manifest

    @classmethod
    def of(cls, folder: Path, kind: str) -> Backup:
        """The backup of that kind in a folder; nothing of it was checked (BackupError)."""
        manifest = load(folder)
        if manifest.kind != kind:
            raise BackupError(f"{folder} holds a backup of {manifest.kind}, not of {kind}")
        return cls(folder, manifest)

    def file(self, name: str) -> tuple[Path, str]:
        """One of its files, and the hash that it must have (BackupError: it has none)."""
        if name not in self.manifest.files:
            raise BackupError(f"{self.folder} is not whole: {name} is missing")
        return self.folder / name, self.manifest.files[name]

    def require_whole(self) -> None:
        """Look at every file (BackupError: one is missing, altered, or does not belong there)."""
        there = {path.name for path in self.folder.iterdir()} - {NAME}
        if there != set(self.manifest.files):
            odd = sorted(there ^ set(self.manifest.files))[0]
            raise BackupError(
                f"{self.folder} is not whole: {odd!r} is missing, or does not belong there"
            )
        for name, expected in self.manifest.files.items():
            if file_sha256(self.folder / name) != expected:
                raise BackupError(
                    f"{self.folder / name} is not what was written: nothing was put back"
                )


def load(folder: Path) -> Manifest:
    """What a backup says of itself, which is not to be believed before its signature was checked.

    Raises:
        BackupError: it is none, or of another format.
    """
    path = folder / NAME
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        made_as = document.pop("format")
        manifest = Manifest(**document)
        if made_as not in ((FORMAT,) if manifest.signature else (FORMAT, _UNSIGNED)):
            raise BackupError(f"{path} is not of format {FORMAT}")
        if not _is_sound(manifest):
            raise ValueError
        return manifest
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BackupError(f"{folder} holds no backup: {NAME} is missing or broken") from None


def made_at(manifest: Manifest) -> float:
    """When it was made, in Unix seconds."""
    return datetime.fromisoformat(manifest.made).timestamp()


def _is_sound(manifest: Manifest) -> bool:
    """Whether every part is of its kind: anybody may have written it (ValueError: no time)."""
    texts = [manifest.master, manifest.server, manifest.signature]
    texts += [*manifest.counts, *manifest.files, *manifest.files.values()]
    numbers = [*manifest.counts.values(), manifest.bytes]
    return (
        manifest.kind in KINDS
        and datetime.fromisoformat(manifest.made).tzinfo is not None
        and all(isinstance(text, str) for text in texts)
        and all(type(number) is int for number in numbers)
    )
