"""What lies in files for longer than the settings say: found here, deleted only when asked."""

from __future__ import annotations

import gzip
import json
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.settings import Settings
from scripts.backups import files
from scripts.backups.files import DATA, BackupError
from scripts.dataset import manifest as manifests
from scripts.dataset.reader import ELSEWHERE, SOURCE

_DAY = 86_400.0
_HALF_DAYS = 1.0  # after which what a killed command left half-written is nobody's any more
# In the folders of runs, until their end: people's texts as ids, and the replies chosen.
_RUN_TEXTS = ("tokens", "judged")


@dataclass(frozen=True, slots=True)
class Overdue:
    """A file or folder that stays too long, and why."""

    path: Path
    why: str
    bytes: int

    def delete(self) -> None:
        """Delete it; one that is gone by now is no error."""
        if self.path.is_dir():
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            self.path.unlink(missing_ok=True)


def overdue(
    settings: Settings, backups: Iterable[Path] = (), now: float | None = None
) -> Iterator[Overdue]:
    """Every file and folder that is to be deleted, each once."""
    now = time.time() if now is None else now
    var = settings.var_dir
    yield from _older(_rejects(var), settings.reject_days, now, "refused by an import")
    yield from _older(_opened(var), settings.opened_days, now, "people's texts in clear")
    yield from _older(_run_texts(var), settings.opened_days, now, "texts of a run given up")
    yield from _older(_logs(var), settings.log_days, now, "a log")
    for folder in backups:
        yield from _backups(folder, settings, now)


def oldest_day(settings: Settings, now: float | None = None) -> str:
    """The first day (UTC) of the dataset that is kept: YYYY-MM-DD."""
    now = time.time() if now is None else now
    first = datetime.fromtimestamp(now - settings.kept_export_days * _DAY, UTC)
    return f"{first:%Y-%m-%d}"


def old_days(folder: Path, oldest: str) -> dict[str, int]:
    """The days of a dataset before that one, and how many rows each has."""
    manifest = manifests.load(folder)
    days: dict[str, int] = {}
    for part in manifest.parts if manifest else ():
        if part.day < oldest:
            days[part.day] = days.get(part.day, 0) + part.rows
    return dict(sorted(days.items()))


def _older(paths: Iterable[Path], days: float, now: float, why: str) -> Iterator[Overdue]:
    for path in sorted(set(paths)):
        try:
            age = now - path.stat().st_mtime
            size = _size(path)
        except OSError:
            continue  # gone meanwhile
        if age > days * _DAY:
            yield Overdue(path, f"{why}, {age / _DAY:.0f} days old, kept for {days:g}", size)


def _rejects(var: Path) -> Iterator[Path]:
    yield from (var / "imported").rglob("*.rejects.jsonl")
    rejects = var / "spool" / "rejects"
    yield from rejects.iterdir() if rejects.is_dir() else [rejects] if rejects.is_file() else []


def _opened(var: Path) -> Iterator[Path]:
    """Files of examples that hold what this service's own people said."""
    for pattern in ("*.jsonl", "*.jsonl.gz"):
        for path in (var / "imported").rglob(pattern):
            if not path.name.endswith(".rejects.jsonl") and _is_of_people(path):
                yield path


def _is_of_people(path: Path) -> bool:
    try:
        packed = path.suffix == ".gz"
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            source = json.loads(file.readline(1 << 22)).get("source", "")
    except (OSError, EOFError, ValueError, AttributeError):
        return False
    return isinstance(source, str) and (source == SOURCE or source.startswith(ELSEWHERE))


def _run_texts(var: Path) -> Iterator[Path]:
    for name in _RUN_TEXTS:
        yield from (path for path in (var / "runs").glob(f"*/{name}") if path.is_dir())


def _logs(var: Path) -> Iterator[Path]:
    for place, pattern in (("", "*.log*"), ("logs", "**/*"), ("redis", "*.log.*")):
        folder = var / place
        if folder.is_dir():
            yield from (path for path in folder.glob(pattern) if path.is_file())


def _backups(folder: Path, settings: Settings, now: float) -> Iterator[Overdue]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name.startswith(".") and path.name.endswith(".half"):
            yield from _older([path], _HALF_DAYS, now, "half a backup")
            continue
        try:
            manifest = files.load(path)
            age = (now - files.made_at(manifest)) / _DAY
        except BackupError:
            continue  # none of ours
        days = settings.backup_days if manifest.kind == DATA else settings.key_backup_days
        if age > days:
            why = f"a backup of {manifest.kind}, {age:.0f} days old, kept for {days:g}"
            yield Overdue(path, why, manifest.bytes)


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size
