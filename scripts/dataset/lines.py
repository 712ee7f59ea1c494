"""Records of JSON lines and CSV files of any make; what cannot be read is reported, not fatal.

Files may be gzip (told by their first bytes, not by their name), begin with a byte order mark, end
lines with CR LF, hold lines of any length, or be cut off in the middle.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

LINE_BYTES_MAX = 4 << 20
_GZIP = b"\x1f\x8b"
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_SHOWN = 2_000  # characters of a bad line that are kept
_ESCAPED = range(0xDC80, 0xDD00)  # what `surrogateescape` makes of bytes that are not UTF-8

At = Callable[[int], None]  # told the position in the file, in bytes as they lie on the disk


class BadRecord(ValueError):
    """A record that cannot be used; the message says why."""


class BadFile(Exception):
    """A file that cannot be read at all; the message is one line."""


@dataclass(frozen=True, slots=True)
class Record:
    """One JSON object or CSV row; `line` counts from 1 (for CSV: the line on which it ends)."""

    line: int
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reject:
    """One line that is no record, with the beginning of it."""

    line: int
    reason: str
    text: str = ""


def read_json(
    path: Path, at: At | None = None, line_bytes_max: int = LINE_BYTES_MAX
) -> Iterator[Record | Reject]:
    """The objects of a file of JSON lines (BadFile: it cannot be opened). Blank lines are none."""
    for number, line in _lines(path, at, line_bytes_max):
        if isinstance(line, Reject):
            yield line
        elif line.strip():
            yield _parse(number, line)


def read_csv(
    path: Path,
    delimiter: str = ",",
    at: At | None = None,
    line_bytes_max: int = LINE_BYTES_MAX,
) -> Iterator[Record | Reject]:
    """The rows of a CSV file (RFC 4180) by the names of its first row.

    A row may go over several lines. Where that comes to no good, as a quote that is never closed
    takes in everything behind it, only the line on which the row begins is refused, and the next
    line is read as the beginning of another.

    Raises:
        BadFile: it cannot be opened, or its first row names no columns.
    """
    csv.field_size_limit(line_bytes_max)
    lines = _Lines(_lines(path, at, line_bytes_max), line_bytes_max)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    names: list[str] | None = None
    while True:
        lines.begin()
        try:
            row = next(rows)
        except StopIteration:
            break
        except csv.Error as error:
            if names is None and not lines.refused:
                raise BadFile(f"{path}: the first row is not CSV: {error}") from None
            rows = csv.reader(lines, delimiter=delimiter, strict=True)
            yield lines.give_back(f"not CSV: {error}")
            continue
        finally:
            yield from lines.refused
            lines.refused.clear()
        if names is None:
            names = _column_names(path, row)
        elif row:
            yield _row(lines, names, row)
    yield from lines.refused


class _Lines:
    """Lines for a CSV reader, of which those behind a row's first can be given back.

    Lines that cannot be read are collected in `refused`; one within a row ends it.
    """

    def __init__(self, lines: Iterator[tuple[int, bytes | Reject]], bytes_max: int) -> None:
        self._lines, self._bytes_max = lines, bytes_max
        self._back: deque[tuple[int, str]] = deque()
        self._taken: list[tuple[int, str]] = []
        self._size = 0
        self.refused: list[Reject] = []

    @property
    def first(self) -> int:
        """The number of the line on which the row begins."""
        return self._taken[0][0]

    @property
    def last(self) -> int:
        """The number of the last line that was taken for the row."""
        return self._taken[-1][0]

    def begin(self) -> None:
        """The next line begins a row."""
        self._taken.clear()
        self._size = 0

    def give_back(self, why: str) -> Reject:
        """Refuse the row's first line; the others come again."""
        (number, line), *others = self._taken
        if others:
            why = f"{why} (up to line {others[-1][0]}; read on from line {others[0][0]})"
        self._back.extendleft(reversed(others))
        return Reject(number, why, _printable(line.rstrip("\r\n")))

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._size > self._bytes_max:
            raise StopIteration  # in the midst of a row, which the reader then refuses
        if not self._back:
            self._fetch()
        number, line = self._back.popleft()
        self._taken.append((number, line))
        self._size += len(line)
        return line

    def _fetch(self) -> None:
        while True:
            number, line = next(self._lines)
            if not isinstance(line, Reject):
                self._back.append((number, line.decode("utf-8", "surrogateescape")))
                return
            self.refused.append(line)
            if self._taken:
                raise StopIteration


def _column_names(path: Path, row: list[str]) -> list[str]:
    names = [name.strip() for name in row]
    if not any(names) or len(set(names)) < len(names):
        raise BadFile(f"{path}: the first row must name the columns, each once")
    return names


def _row(lines: _Lines, names: list[str], row: list[str]) -> Record | Reject:
    text = ",".join(row)
    over = f" (lines {lines.first} to {lines.last})" if lines.last > lines.first else ""
    if len(row) != len(names):
        why = f"{len(row)} fields instead of {len(names)}{over}"
        return Reject(lines.last, why, _printable(text))
    if any(ord(character) in _ESCAPED for character in text):
        return Reject(lines.last, f"not UTF-8{over}", _printable(text))
    return Record(lines.last, dict(zip(names, row, strict=True)))


def _parse(number: int, line: bytes) -> Record | Reject:
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Reject(number, f"not UTF-8: {error.reason} at byte {error.start}", _shown(line))
    except RecursionError:
        return Reject(number, "nested too deeply", _shown(line))
    except ValueError as error:
        return Reject(number, f"not JSON: {error}", _shown(line))
    if isinstance(value, list):
        return Reject(number, "a JSON array; write one object a line", _shown(line))
    if not isinstance(value, dict):
        return Reject(number, "not a JSON object", _shown(line))
    return Record(number, value)


def _lines(path: Path, at: At | None, line_bytes_max: int) -> Iterator[tuple[int, bytes | Reject]]:
    """Numbered lines with their ends; no more than `line_bytes_max` is held in memory."""
    try:
        raw = path.open("rb")
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror}") from None
    number = 0
    with raw:
        stream = _unpacked(raw)
        try:
            while line := stream.readline(line_bytes_max + 1):
                number += 1
                if number == 1:
                    line = line.removeprefix(_UTF8_MARK)
                    if line.startswith(_UTF16_MARKS):
                        yield 1, Reject(1, "UTF-16; save the file as UTF-8")
                        return
                if len(line) > line_bytes_max:
                    _skip_line(stream, line, line_bytes_max)
                    why = f"longer than {line_bytes_max} bytes"
                    yield number, Reject(number, why, _shown(line))
                else:
                    yield number, line
                if at is not None:
                    at(raw.tell())
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            yield number + 1, Reject(number + 1, f"broken gzip from here on: {error}")
        except OSError as error:
            raise BadFile(f"{path}: {error.strerror or error}") from None


def _unpacked(raw: IO[bytes]) -> IO[bytes]:
    packed = raw.read(2) == _GZIP
    raw.seek(0)
    return cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if packed else raw


def _skip_line(stream: IO[bytes], line: bytes, size: int) -> None:
    while line and not line.endswith(b"\n"):
        line = stream.readline(size)


def _shown(line: bytes) -> str:
    return _printable(line[: 4 * _SHOWN].decode("utf-8", "replace").rstrip("\r\n"))


def _printable(text: str) -> str:
    return text[:_SHOWN].encode("utf-8", "replace").decode()
