"""The files of a backup: keys of Redis as framed bytes, people's keys as JSON lines, the ledger."""

from __future__ import annotations

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


def read_data(path: Path) -> Iterator[Dumped]:
    """The keys of a file, one by one (BackupError where it breaks off)."""
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise BackupError(f"{path} holds no data of this format")
        while head := file.read(_HEAD.size):
            if len(head) < _HEAD.size:
                raise BackupError(f"{path} breaks off")
            name, expires, value = _HEAD.unpack(head)
            if name > _NAME_MAX or value > _VALUE_MAX:
                raise BackupError(f"{path} is broken")
            yield Dumped(_read(file, name, path), _read(file, value, path), expires)


def write_keys(path: Path, rows: Iterable[KeyRow]) -> int:
    """Write people's wrapped keys; how many."""
    count = 0
    with path.open("x", encoding="ascii") as file:
        for row in rows:
            wrapped = b64encode(row.wrapped).decode()
            file.write(json.dumps([row.owner, wrapped, round(row.used_at)]) + "\n")
            count += 1
    return count


def read_keys(path: Path) -> list[KeyRow]:
    """The wrapped keys of a file (BackupError where a line is none)."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), 1):
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


def read_ledger(path: Path) -> dict[str, float]:
    """The erasures of a file (BackupError where a line is none)."""
    try:
        pairs = [line.split(" ") for line in path.read_text(encoding="ascii").splitlines()]
        return {name: float(at) for name, at in pairs}
    except (OSError, ValueError):
        raise BackupError(f"{path} is no ledger") from None


def _read(file: IO[bytes], count: int, path: Path) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise BackupError(f"{path} breaks off")
    return data
