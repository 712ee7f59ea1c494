"""The response bank: what Kindred's authors wrote that it may say.

A bank is a folder of JSON-lines files, one entry a line:

    {"id", "topic", "feeling", "kind", "contexts": [2-5 ways to put it], "replies": [1-3 answers]}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


class CorpusError(ValueError):
    """The bank cannot be used; the message names the file, the line and what is wrong."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that people say, and what to answer."""

    entry_id: str
    topic: str
    feeling: str
    kind: str
    contexts: tuple[str, ...]
    replies: tuple[str, ...]

    @property
    def tags(self) -> tuple[str, ...]:
        """`topic:…`, `feeling:…` and `kind:…`, as they travel with a candidate."""
        return (f"topic:{self.topic}", f"feeling:{self.feeling}", f"kind:{self.kind}")


@dataclass(frozen=True, slots=True)
class Corpus:
    """All entries in a fixed order; `sha256` changes when any of them does."""

    entries: tuple[Entry, ...]
    sha256: str

    @property
    def contexts(self) -> list[tuple[str, int]]:
        """(text, entry number) of every context, in index order."""
        return [(text, i) for i, entry in enumerate(self.entries) for text in entry.contexts]

    @property
    def replies(self) -> list[tuple[str, int]]:
        """(text, entry number) of every reply, in index order."""
        return [(text, i) for i, entry in enumerate(self.entries) for text in entry.replies]


def load_corpus(data_dir: Path) -> Corpus:
    """Read `data_dir/bank/*.jsonl`.

    Raises:
        CorpusError: no bank there, a line that is not an entry, or an id used twice.
    """
    files = sorted((data_dir / "bank").glob("*.jsonl"))
    if not files:
        raise CorpusError(f"no response bank in {data_dir / 'bank'} (*.jsonl)")
    entries: dict[str, Entry] = {}
    for path in files:
        for number, line in _lines(path):
            entry = _parse(line, f"{path}:{number}")
            if entry.entry_id in entries:
                raise CorpusError(f"{path}:{number}: the id {entry.entry_id!r} is used twice")
            entries[entry.entry_id] = entry
    return Corpus(tuple(entries.values()), _digest(entries.values()))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, line


def _parse(line: str, where: str) -> Entry:
    try:
        raw = json.loads(line)
    except json.JSONDecodeError as error:
        raise CorpusError(f"{where}: not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise CorpusError(f"{where}: an entry is a JSON object")
    words = {}
    for name in ("id", "topic", "feeling", "kind"):
        value = raw.get(name)
        if not isinstance(value, str) or not value:
            raise CorpusError(f"{where}: {name} must be a text")
        words[name] = value
    contexts, replies = (_texts(raw, name, where) for name in ("contexts", "replies"))
    return Entry(words["id"], words["topic"], words["feeling"], words["kind"], contexts, replies)


def _texts(raw: dict[str, object], name: str, where: str) -> tuple[str, ...]:
    value = raw.get(name)
    if not isinstance(value, list) or not value:
        raise CorpusError(f"{where}: {name} must be a list of texts")
    if not all(isinstance(text, str) and text.strip() for text in value):
        raise CorpusError(f"{where}: {name} holds something that is not a text")
    return tuple(value)


def _digest(entries: Iterable[Entry]) -> str:
    digest = hashlib.sha256()
    for entry in entries:
        fields = [entry.entry_id, *entry.tags, *entry.contexts, "\x1e", *entry.replies]
        digest.update("\x1f".join(fields).encode() + b"\x1d")
    return digest.hexdigest()
