"""The files of a backup: keys of Redis as framed bytes, people's keys as JSON lines, the ledger.

Each is hashed as it is read: where backups lie a file may be exchanged after it was looked at, and
what is used must be what was checked.
"""

from __future__ import annotations

import hashlib
import json
import struct
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

from app.store.dump import Dumped
from app.store.sealing.keystore import KeyRow
from scripts.backups.files import BackupError

DATA_FILE, KEYS_FILE, LEDGER_FILE = "data.bin", "keys.jsonl", "erasures"
_MAGIC = b"kindred data 1\n"
_HEAD = struct.Struct(">IQQ")  # bytes of the name, expiry in Unix ms, bytes of the value
_NAME_MAX, _VALUE_MAX = 1_024, 2 << 30


def write_data(path: Path, entries: Iterable[Dumped]) -> Counter[str]:
    """Write every key; how many of each kind."""
    counts: Counter[str] = Counter()
    with path.open("xb") as file:
        file.write(_MAGIC)
        for entry in entries:
            file.write(_HEAD.pack(len(entry.name), entry.expires_ms, len(entry.value)))
            file.write(entry.name)
            file.write(entry.value)
            counts[entry.kind] += 1
    return counts


def read_data(path: Path, sha256: str) -> Iterator[Dumped]:
    """The keys of a file, one by one.

    Raises:
        BackupError: it breaks off, or, told when all were read, it is not the file of that hash.
    """
    with path.open("rb") as stream:
        file = _Hashed(stream, path)
        if file.read(len(_MAGIC)) != _MAGIC:
            raise BackupError(f"{path} holds no data of this format")
        while head := file.read(_HEAD.size, may_end=True):
            name, expires, value = _HEAD.unpack(head)
            if name > _NAME_MAX or value > _VALUE_MAX:
                raise BackupError(f"{path} is broken")
            yield Dumped(file.read(name), file.read(value), expires)
        _require(path, file.sha256, sha256)


def write_keys(path: Path, rows: Iterable[KeyRow]) -> int:
    """Write people's wrapped keys; how many."""
    count = 0
    with path.open("x", encoding="ascii") as file:
        for row in rows:
            wrapped = b64encode(row.wrapped).decode()
            file.write(json.dumps([row.owner, wrapped, round(row.used_at)]) + "\n")
            count += 1
    return count


def read_keys(path: Path, sha256: str) -> list[KeyRow]:
    """The wrapped keys of the file of that hash (BackupError: it is another, or no keys)."""
    rows = []
    for number, line in enumerate(_text(path, sha256).splitlines(), 1):
        try:
            owner, wrapped, used_at = json.loads(line)
            rows.append(KeyRow(str(owner), b64decode(wrapped, validate=True), float(used_at)))
        except (ValueError, TypeError):
            raise BackupError(f"{path}:{number} is no key") from None
    return rows


def write_ledger(path: Path, lines: Mapping[str, float]) -> None:
    """Write the erasures known at this moment."""
    text = "".join(f"{name} {at:.3f}\n" for name, at in sorted(lines.items()))
    path.write_text(text, encoding="ascii")


def read_ledger(path: Path, sha256: str) -> dict[str, float]:
    """The erasures of the file of that hash (BackupError: it is another, or no ledger)."""
    try:
        pairs = [line.split(" ") for line in _text(path, sha256).splitlines()]
        return {name: float(at) for name, at in pairs}
    except ValueError:
        raise BackupError(f"{path} is no ledger") from None


def _text(path: Path, sha256: str) -> str:
    data = path.read_bytes()
    _require(path, hashlib.sha256(data).hexdigest(), sha256)
    return data.decode("ascii", "replace")


def _require(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise BackupError(f"{path} is not what was written: it was exchanged while it was read")


class _Hashed:
    """A file that is hashed as it is read."""

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        self._stream = stream
        self._path = path
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of all that was read until now."""
        return self._digest.hexdigest()

    def read(self, count: int, *, may_end: bool = False) -> bytes:
        """So many bytes, or none where the file may end here (BackupError where it breaks off)."""
        data = self._stream.read(count)
        if len(data) < count and (data or not may_end):
            raise BackupError(f"{self._path} breaks off")
        self._digest.update(data)
        return data
