"""The loop of an import: every file, every line; what is good goes out, what is bad is reported.

The output appears whole or not at all. Beside it, `<name>.rejects.jsonl` lists each refused line
with file, number, reason and its beginning, so that it can be mended and imported again.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol, cast

from scripts.dataset.lines import At, BadRecord, Record, Reject

_EVERY = 5.0  # seconds between lines of progress
_REASONS_SHOWN = 5

Rows = Iterable[Mapping[str, Any]]
Read = Callable[[Path, At], Iterator[Record | Reject]]
Convert = Callable[[Path, Mapping[str, Any]], Rows]
Finish = Callable[[Path], Rows]
Once = Callable[[Mapping[str, Any], Mapping[str, Any]], bool]


class Sink(Protocol):
    """What lines are written to."""

    def write(self, text: str, /) -> int:
        """Write a text; how many bytes that was."""


def nothing(_path: Path) -> Rows:
    """No rows at the end of a file."""
    return ()


def always(_record: Mapping[str, Any], _row: Mapping[str, Any]) -> bool:
    """Equal rows are one."""
    return True


@dataclass(slots=True)
class Counts:
    """What became of the lines."""

    records: int = 0
    written: int = 0
    duplicates: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Import:
    """One import of several files into one.

    Args:
        read: a file's records and rejects.
        convert: a record as rows of the output (BadRecord: why not).
        finish: more rows, once a file was read.
        strict: leave no output where anything was rejected.
        once: whether a row of a record (an empty one at the end of a file) that was written before
            is the same again, and not another that says the same.
    """

    out: Path
    read: Read
    convert: Convert
    finish: Finish = nothing
    strict: bool = False
    once: Once = always
    counts: Counts = field(default_factory=Counts)
    _seen: set[bytes] = field(default_factory=set)

    @property
    def rejects(self) -> Path:
        """Where the refused lines are listed."""
        return self.out.with_name(f"{self.out.name.split('.')[0]}.rejects.jsonl")

    def run(self, files: Sequence[Path]) -> bool:
        """Import; whether an output was written.

        Raises:
            BadFile, OSError: a file cannot be read or written; nothing is left behind.
        """
        self.out.parent.mkdir(parents=True, exist_ok=True)
        refused = self.rejects.with_name(f".{self.rejects.name}.tmp")
        draft = self.out.with_name(f".{self.out.name}.tmp")
        try:
            with _writer(draft, self.out.suffix == ".gz") as good, _writer(refused) as bad:
                for path in files:
                    self._file(path, good, bad)
            done = self.counts.written > 0 and not (self.strict and self.counts.rejected)
            if done:
                draft.replace(self.out)
            if self.counts.rejected:
                refused.replace(self.rejects)
            else:
                self.rejects.unlink(missing_ok=True)
            return done
        finally:
            draft.unlink(missing_ok=True)
            refused.unlink(missing_ok=True)

    def _file(self, path: Path, good: Sink, bad: Sink) -> None:
        progress = _Progress(path)
        for record in self.read(path, progress.at):
            self.counts.records += 1
            if isinstance(record, Reject):
                self._reject(path, record, bad)
            else:
                self._take(path, record, good, bad)
            progress.show(self.counts)
        for row in self.finish(path):
            self._write(row, good, once=self.once({}, row))

    def _take(self, path: Path, record: Record, good: Sink, bad: Sink) -> None:
        try:
            rows = list(self.convert(path, record.value))
        except BadRecord as error:
            shown = json.dumps(record.value, ensure_ascii=True)[:2_000]
            self._reject(path, Reject(record.line, str(error), shown), bad)
            return
        for row in rows:
            self._write(row, good, once=self.once(record.value, row))

    def _write(self, row: Mapping[str, Any], good: Sink, *, once: bool) -> None:
        line = json.dumps(row, ensure_ascii=False)
        if once:
            digest = hashlib.blake2b(line.encode("utf-8", "replace"), digest_size=12).digest()
            if digest in self._seen:
                self.counts.duplicates += 1
                return
            self._seen.add(digest)
        good.write(line + "\n")
        self.counts.written += 1

    def _reject(self, path: Path, reject: Reject, bad: Sink) -> None:
        self.counts.rejected += 1
        self.counts.reasons[reject.reason.split(":")[0]] += 1
        if self.counts.rejected <= _REASONS_SHOWN:
            print(f"{path.name}:{reject.line}: {reject.reason}", file=sys.stderr)
        elif self.counts.rejected == _REASONS_SHOWN + 1:
            print(f"… more in {self.rejects}", file=sys.stderr)
        row = {
            "file": path.name,
            "line": reject.line,
            "reason": reject.reason,
            "text": reject.text,
        }
        bad.write(json.dumps(row) + "\n")


def report(work: Import, *, done: bool, what: str) -> None:
    """Say what came in and what did not."""
    counts = work.counts
    print(
        f"{counts.records} records: {counts.written} {what}, {counts.duplicates} repeated, "
        f"{counts.rejected} rejected"
    )
    for reason, count in counts.reasons.most_common(_REASONS_SHOWN):
        print(f"  {count} × {reason}")
    if counts.rejected:
        print(f"rejects: {work.rejects}")
    if done:
        print(f"written: {work.out}")
    elif counts.written:
        print("nothing written: --strict, and lines were rejected", file=sys.stderr)
    else:
        print("nothing written: no record came in", file=sys.stderr)


class _Progress:
    """A line every few seconds: share of the file read, records a second, time left."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = path.stat().st_size if path.is_file() else 0
        self._position = 0
        self._records = 0
        self._began = self._shown = time.monotonic()

    def at(self, position: int) -> None:
        self._position = position

    def show(self, counts: Counts) -> None:
        self._records += 1
        now = time.monotonic()
        if now - self._shown < _EVERY:
            return
        self._shown = now
        share = min(1.0, self._position / max(1, self._size))
        passed = now - self._began
        left = passed / max(1e-3, share) * (1.0 - share)
        print(
            f"{self._path.name}: {100 * share:5.1f} % | {left:.0f} s left | "
            f"{self._records / passed:.0f} records/s | {counts.rejected} rejected",
            flush=True,
        )


@contextlib.contextmanager
def _writer(path: Path, packed: bool = False) -> Iterator[Sink]:
    """A text file that is on the disk when the block ends; gzip without a time, so that the same
    rows give the same bytes."""
    with path.open("wb") as raw:
        if packed:
            with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as stream:
                yield _Utf8(cast("IO[bytes]", stream))
        else:
            yield _Utf8(raw)
        raw.flush()
        os.fsync(raw.fileno())


class _Utf8:
    """Writes texts as UTF-8; half surrogates, which JSON may hold, become question marks."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, text: str, /) -> int:
        return self._stream.write(text.encode("utf-8", "replace"))
