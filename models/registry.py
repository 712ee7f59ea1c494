"""The models that were registered for serving: `var/models`, by kind and version.

    var/models/<kind>/<version>/                 the model's folder, with its manifest
    var/models/<kind>/<version>.evaluation.json  how it was judged (scripts/evaluate)
    var/models/<kind>/history.jsonl              what was done, by whom, when and why: only appended

The history is the one truth: what each version is (candidate, serving, retired) follows from it,
so that a crash leaves a step done or not begun. A folder is copied beside its place, verified and
renamed; a line is appended in one write and synced. Whoever changes anything holds the kind's lock
while they do (`changing`), so two promotes at once are one after the other.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from models.checkpoint import Manifest, ModelFileError, load_manifest, verify, write_atomically
from models.disk import sync

KINDS = ("reranker", "generator")
HISTORY = "history.jsonl"
INSTALLED = "installed"
"""The model that the settings name, where it has no manifest that could be registered."""
_VERSION = re.compile(r"[0-9a-f]{12}")


class RegistryError(Exception):
    """What was asked cannot be done; one line says why."""


class State(StrEnum):
    """What a version is."""

    CANDIDATE = "candidate"  # registered, perhaps tried by a share of the people
    SERVING = "serving"  # everybody's, but for a candidate's share
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the history.

    `action`: registered, promoted (to `share` per cent) or rolled-back (to `version`); `before` is
    what was everybody's until then; `forced`: against its evaluation, or without one.
    """

    at: str
    who: str
    action: str
    version: str
    share: int = 0
    before: str = ""
    forced: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A version as the history leaves it; `share` per cent of the people have it."""

    version: str
    state: State
    share: int
    registered: str


class Registry:
    """The models of one `var` folder."""

    def __init__(self, var_dir: Path) -> None:
        self.root = var_dir / "models"

    def folder(self, kind: str, version: str) -> Path:
        """Where a version's files are (or would be). Raises RegistryError for no such name."""
        if kind not in KINDS:
            raise RegistryError(f"{kind!r} is not one of {', '.join(KINDS)}")
        if not _VERSION.fullmatch(version):
            raise RegistryError(f"{version!r} is not a version (12 hexadecimal digits)")
        return self.root / kind / version

    def holds(self, kind: str, version: str) -> bool:
        """Whether a version's files are here."""
        return bool(_VERSION.fullmatch(version)) and self.folder(kind, version).is_dir()

    def verified(self, kind: str, version: str) -> Path:
        """The folder of a version, every file of it checked.

        Raises:
            RegistryError: it was never registered, or another model lies in its place.
            ModelFileError: a file is missing or altered.
        """
        folder = self.folder(kind, version)
        if not folder.is_dir():
            raise RegistryError(f"{kind} {version} is not registered")
        found = verify(folder, kind=kind).version
        if found != version:
            raise RegistryError(f"{folder}: holds version {found}")
        return folder

    @contextmanager
    def changing(self, kind: str) -> Iterator[None]:
        """Hold the kind's lock; others who change it wait. It ends with the process."""
        folder = self.folder(kind, "0" * 12).parent
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def register(self, kind: str, folder: Path, *, who: str, why: str = "") -> Manifest:
        """Copy a model folder here, verified; one that is here already stays. Hold `changing`.

        Raises:
            ModelFileError: the folder is altered, incomplete or of another kind.
        """
        manifest = verify(folder, kind=kind)
        place = self.folder(kind, manifest.version)
        if place.is_dir():
            self.verified(kind, manifest.version)
        else:
            self._copy(folder, place, kind)
        if manifest.version not in {entry.version for entry in self.entries(kind)}:
            self.append(kind, Event(_now(), who, "registered", manifest.version, why=why))
        return manifest

    def manifest(self, kind: str, version: str) -> Manifest:
        """What a registered version says of itself (ModelFileError where it cannot be read)."""
        return load_manifest(self.folder(kind, version))

    def report_path(self, kind: str, version: str) -> Path:
        """Where the evaluation of a version stands."""
        return self.folder(kind, version).with_name(f"{version}.evaluation.json")

    def report(self, kind: str, version: str) -> dict[str, Any] | None:
        """How a version was judged; None where it was not, or nobody can read it."""
        try:
            document = json.loads(self.report_path(kind, version).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return document if isinstance(document, dict) else None

    def save_report(self, kind: str, version: str, report: Mapping[str, Any]) -> Path:
        """Keep the evaluation of a version (registered or not yet); the latest stands."""
        path = self.report_path(kind, version)
        write_atomically(path, json.dumps(dict(report), indent=2) + "\n")
        return path

    def append(self, kind: str, event: Event) -> None:
        """Add to the history, durably. Hold `changing`. Raises OSError where there is no room."""
        path = self.root / kind / HISTORY
        # A line that a crash cut short is ended, so that it spoils no other.
        before = path.read_bytes() if path.exists() else b""
        torn = bool(before) and not before.endswith(b"\n")
        # ASCII alone: whatever was typed as a reason can be written, and no line is cut in two.
        line = (b"\n" if torn else b"") + json.dumps(asdict(event)).encode("ascii") + b"\n"
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            if os.write(handle, line) != len(line):
                raise OSError(errno.ENOSPC, "the history has no room for another line", str(path))
            os.fsync(handle)
        finally:
            os.close(handle)
        if not before:
            sync(path.parent)

    def promoted(self, kind: str, version: str, share: int, **more: Any) -> Event:
        """Write down that a version is now served to `share` per cent; hold `changing`."""
        if not 1 <= share <= 100:
            raise RegistryError(f"a share is 1 to 100 per cent, not {share}")
        before = self.serving(kind) or ""
        event = Event(_now(), action="promoted", version=version, share=share, **more)
        event = replace(event, before=event.before or before)
        self.append(kind, event)
        return event

    def history(self, kind: str) -> list[Event]:
        """All that was done, oldest first; a line that was cut short is left out."""
        self.folder(kind, "0" * 12)
        path = self.root / kind / HISTORY
        events = []
        for line in path.read_bytes().split(b"\n") if path.exists() else []:
            try:
                events.append(Event(**json.loads(line.decode(errors="replace"))))
            except (ValueError, TypeError):
                continue
        return events

    def entries(self, kind: str) -> list[Entry]:
        """Every version that was registered, in that order, and what it is now."""
        entries: dict[str, Entry] = {}
        for event in self.history(kind):
            if event.action == "registered":
                fresh = Entry(event.version, State.CANDIDATE, 0, event.at)
                entries.setdefault(event.version, fresh)
                continue
            for version, entry in entries.items():
                entries[version] = _after(entry, event)
        return list(entries.values())

    def serving(self, kind: str) -> str | None:
        """The version that is everybody's; None where it is still what the settings name."""
        for event in reversed(self.history(kind)):
            if event.action == "rolled-back" or (event.action == "promoted" and event.share == 100):
                return event.version
            if event.action == "promoted":
                return event.before or None
        return None

    def trial(self, kind: str) -> Entry | None:
        """The candidate that a share of the people has, if there is one."""
        for entry in self.entries(kind):
            if entry.state is State.CANDIDATE and entry.share > 0:
                return entry
        return None

    def before(self, kind: str) -> str | None:
        """What a rollback returns to: what was everybody's before the last promotion that stands.

        None where nothing was promoted, or all of it was rolled back.
        """
        promotions: list[Event] = []
        for event in self.history(kind):
            if event.action == "promoted":
                if promotions and promotions[-1].version == event.version:
                    event = replace(event, before=promotions.pop().before)  # its share grew
                elif promotions and promotions[-1].share < 100:
                    promotions.pop()  # a trial that another one took the place of
                promotions.append(event)
            elif event.action == "rolled-back" and promotions:
                promotions.pop()
        return promotions[-1].before if promotions else None

    def _copy(self, folder: Path, place: Path, kind: str) -> None:
        half = place.with_name(f".{place.name}.half")
        shutil.rmtree(half, ignore_errors=True)  # of one who was killed: we hold the lock
        try:
            shutil.copytree(folder, half, ignore=shutil.ignore_patterns(".*"))
            verify(half, kind=kind)
            for path in half.rglob("*"):
                sync(path)
            sync(half)
            half.rename(place)
            sync(place.parent)
        except (OSError, ModelFileError):
            shutil.rmtree(half, ignore_errors=True)
            raise


def _after(entry: Entry, event: Event) -> Entry:
    """An entry after a promotion or a rollback."""
    whole = event.action == "rolled-back" or event.share == 100
    if entry.version == event.version:
        state = State.SERVING if whole else State.CANDIDATE
        return replace(entry, state=state, share=100 if whole else event.share)
    if whole or entry.version != event.before:
        # Whatever was served beside it is not any more; what never was stays a candidate.
        known = entry.share > 0 or entry.version == event.before
        return replace(entry, state=State.RETIRED if known else entry.state, share=0)
    return replace(entry, state=State.SERVING, share=100 - event.share)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def event_now(action: str, version: str, *, who: str, **more: Any) -> Event:
    """An event of this moment."""
    return Event(at=_now(), who=who, action=action, version=version, **more)
