"""The contract of every shipped model folder: a manifest that names and hashes each file.

A model folder holds `manifest.json` beside its weights, tokenizer and configuration::

    {"format": 1, "name": ..., "kind": ..., "version": ..., "created": ..., "command": ...,
     "data": [{"name": ..., "licence": ..., "url"?: ...}], "metrics": {...},
     "files": {"model.safetensors": "<sha256>", ...}, "base"?: {...}, "people"?: [{...}]}

`people` holds a filter of whom it learned from, and those of the models that it was made of
(`people_filter`).

`version` is derived from the hashes of the files alone, so that the same weights have the same
version wherever they were built. Weights are safetensors only: a pickle runs code when it is
loaded, so a folder that holds one is refused.

    ModelFileError                 what a folder can do wrong
    ├── ManifestError              no manifest, or one that cannot be read
    ├── MissingFileError           the manifest names a file that is not there
    ├── AlteredFileError           a file differs from the manifest, or is not named in it
    └── UnsafeFileError            a pickle, or a path that leaves the folder
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from models.people_filter import filter_of

MANIFEST_NAME = "manifest.json"
MANIFEST_FORMAT = 1
PICKLE_SUFFIXES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"})
_HASH_CHUNK = 1 << 20


class ModelFileError(Exception):
    """A model folder cannot be trusted or read; the message names the file and the reason."""


class ManifestError(ModelFileError):
    """There is no manifest, or it is not one that this code can read."""


class MissingFileError(ModelFileError):
    """The manifest names a file that is not in the folder."""


class AlteredFileError(ModelFileError):
    """A file's content differs from the manifest, or the manifest does not know it."""


class UnsafeFileError(ModelFileError):
    """A pickled file, or a name that points outside the folder."""


@dataclass(frozen=True)
class DataSource:
    """What a model was trained on, and under which licence."""

    name: str
    licence: str
    url: str | None = None
    rows: int | None = None


@dataclass(frozen=True)
class Manifest:
    """What a model folder says of itself. `files` maps a relative path to its sha256."""

    name: str
    kind: str
    version: str
    created: str
    command: str
    data: tuple[DataSource, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    base: Mapping[str, Any] | None = None
    people: tuple[Mapping[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As it is written to `manifest.json`."""
        document: dict[str, Any] = {"format": MANIFEST_FORMAT, **asdict(self)}
        document["data"] = [_without_none(asdict(source)) for source in self.data]
        document["people"] = list(self.people) or None
        return _without_none(document)


def _without_none(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if value is not None}


def file_sha256(path: Path) -> str:
    """The sha256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_HASH_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def content_version(files: Mapping[str, str]) -> str:
    """A short version (12 hexadecimal digits) of the files' names and hashes."""
    lines = "\n".join(f"{name}:{files[name]}" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()[:12]


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write beside `path` and rename, so that a crash leaves the old file or the new one."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp makes 0600; a model folder is read by whoever may read its neighbours.
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_manifest(
    folder: Path,
    *,
    name: str,
    kind: str,
    command: str,
    data: Sequence[DataSource] = (),
    metrics: Mapping[str, Any] | None = None,
    base: Mapping[str, Any] | None = None,
    people: Iterable[str] = (),
    made_of: Sequence[Manifest] = (),
) -> Manifest:
    """Hash every file of `folder` and write its manifest, atomically.

    Args:
        people: keyed hashes of the people that it learned from (`Example.rater`); only a filter of
            them is kept.
        made_of: the models that it was made of, whose people it knows too.

    Raises UnsafeFileError if the folder holds a pickle, ManifestError if it holds nothing.
    """
    files = {name: file_sha256(folder / name) for name in _present_files(folder)}
    if not files:
        raise ManifestError(f"{folder}: no files to write a manifest for")
    manifest = Manifest(
        name=name,
        kind=kind,
        version=content_version(files),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        data=tuple(data),
        metrics=dict(metrics or {}),
        files=files,
        base=base,
        people=_known(people, made_of),
    )
    text = json.dumps(manifest.to_json(), indent=2, ensure_ascii=False, sort_keys=False)
    write_atomically(folder / MANIFEST_NAME, text + "\n")
    return manifest


def _known(people: Iterable[str], made_of: Sequence[Manifest]) -> tuple[Mapping[str, Any], ...]:
    own = filter_of(people)
    before = [known for manifest in made_of for known in manifest.people]
    return tuple(before if own is None else [*before, own])


def load_manifest(folder: Path) -> Manifest:
    """Read a folder's manifest without hashing its files. Raises ManifestError."""
    path = folder / MANIFEST_NAME
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ManifestError(f"{folder}: there is no {MANIFEST_NAME}") from None
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path}: cannot be read: {error}") from error
    return _parse(document, path)


def _parse(document: Any, path: Path) -> Manifest:
    if not isinstance(document, dict) or document.get("format") != MANIFEST_FORMAT:
        raise ManifestError(f"{path}: not a manifest of format {MANIFEST_FORMAT}")
    files = document.get("files")
    if not isinstance(files, dict) or not files:
        raise ManifestError(f"{path}: names no files")
    if not all(isinstance(value, str) for value in files.values()):
        raise ManifestError(f"{path}: a file has no sha256")
    try:
        manifest = Manifest(
            name=str(document["name"]),
            kind=str(document["kind"]),
            version=str(document["version"]),
            created=str(document["created"]),
            command=str(document["command"]),
            data=tuple(DataSource(**source) for source in document.get("data", [])),
            metrics=dict(document.get("metrics", {})),
            files=dict(files),
            base=document.get("base"),
            people=tuple(dict(known) for known in document.get("people", [])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ManifestError(f"{path}: incomplete: {error}") from error
    if manifest.version != content_version(manifest.files):
        raise ManifestError(f"{path}: its version does not follow from its files")
    return manifest


def verify(folder: Path, *, kind: str | None = None) -> Manifest:
    """Check every file of `folder` against its manifest and return the manifest.

    Raises ManifestError (none, unreadable, of another kind), MissingFileError,
    AlteredFileError (content differs, or a file that the manifest does not name) or
    UnsafeFileError (a pickle, a path outside the folder).
    """
    manifest = load_manifest(folder)
    if kind is not None and manifest.kind != kind:
        raise ManifestError(f"{folder}: holds a {manifest.kind}, not a {kind}")
    for name in manifest.files:
        _refuse_unsafe(folder, name)
    present = _present_files(folder)
    for name, expected in manifest.files.items():
        if name not in present:
            raise MissingFileError(f"{folder / name}: named in the manifest, but not there")
        if file_sha256(folder / name) != expected:
            raise AlteredFileError(f"{folder / name}: its content differs from the manifest")
    unknown = sorted(set(present) - set(manifest.files))
    if unknown:
        raise AlteredFileError(f"{folder / unknown[0]}: not named in the manifest")
    return manifest


def refuse_pickles(folder: Path) -> None:
    """Raise UnsafeFileError if a folder without a manifest holds a pickled file."""
    _present_files(folder)


def _present_files(folder: Path) -> list[str]:
    """The relative names of a folder's files; dot files (half-written ones) are not counted."""
    if not folder.is_dir():
        raise ManifestError(f"{folder}: there is no such folder")
    names: list[str] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or path.name.startswith(".") or name == MANIFEST_NAME:
            continue
        _refuse_unsafe(folder, name)
        names.append(name)
    return names


def _refuse_unsafe(folder: Path, name: str) -> None:
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts:
        raise UnsafeFileError(f"{folder}: the manifest names {name!r}, outside the folder")
    if pure.suffix.lower() in PICKLE_SUFFIXES:
        raise UnsafeFileError(f"{folder / name}: a pickle runs code when it is loaded: refused")
