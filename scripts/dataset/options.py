"""What both imports ask on the command line, and how a file is read by it."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.dataset.importing import Import, report
from scripts.dataset.lines import At, BadFile, Record, Reject, read_csv, read_json

_PART = re.compile(r"[_-](train|dev|valid|validation|test)$")
_SUFFIXES = (".gz", ".jsonl", ".ndjson", ".json", ".csv", ".tsv")


def add_common(
    parser: argparse.ArgumentParser, formats: Sequence[str], out: str, *, needed: bool = True
) -> None:
    """The options of every import; `needed`: at least one file."""
    add = parser.add_argument
    add(
        "files",
        nargs="+" if needed else "*",
        type=Path,
        metavar="FILE",
        help="JSON lines or CSV, also gzip",
    )
    add("--out", type=Path, help=f"the file to write, gzip where it ends in .gz (default {out})")
    add("--format", choices=("auto", *formats), default="auto", help="of JSON lines (default auto)")
    add("--csv", action="store_true", help="the files are CSV (also told by their name)")
    add(
        "--delimiter",
        type=delimiter,
        metavar="CHARACTER",
        help="of CSV, \\t for a tab (default a comma; a tab for .tsv)",
    )
    add("--source", help="name of the source (default: the file's, without _train and the like)")
    add("--strict", action="store_true", help="write nothing where a line is rejected")


def delimiter(text: str) -> str:
    """What stands between the fields of a CSV file, as it is typed."""
    found = "\t" if text.lower() in {"\\t", "tab"} else text
    if len(found) != 1 or found in '"\r\n\0':
        raise argparse.ArgumentTypeError(f"must be one character (\\t: a tab), not {text!r}")
    return found


def stem(path: Path) -> str:
    """The file's name without its suffixes."""
    name = path.name
    while name.lower().endswith(_SUFFIXES):
        name = name[: name.rindex(".")]
    return name


def source_of(path: Path, options: argparse.Namespace) -> str:
    """The source that a file belongs to."""
    return str(options.source or _PART.sub("", stem(path)))


def is_csv(path: Path, options: argparse.Namespace) -> bool:
    """Whether a file is read as CSV."""
    return bool(options.csv) or path.name.lower().removesuffix(".gz").endswith((".csv", ".tsv"))


def csv_rows(
    path: Path, options: argparse.Namespace, at: At, columns: Sequence[str]
) -> Iterator[Record | Reject]:
    """The rows of a CSV file that must have these columns (BadFile: one is missing)."""
    tabs = path.name.lower().removesuffix(".gz").endswith(".tsv")
    checked = False
    for row in read_csv(path, options.delimiter or ("\t" if tabs else ","), at):
        if isinstance(row, Record) and not checked:
            missing = [column for column in columns if column not in row.value]
            if missing:
                has = ", ".join(map(repr, row.value))
                raise BadFile(f"{path}: no column {missing[0]!r}; there are {has}")
            checked = True
        yield row


def json_rows(path: Path, at: At) -> Iterator[Record | Reject]:
    """The records of a file of JSON lines."""
    return read_json(path, at)


def run(work: Import, options: argparse.Namespace, name: str, what: str) -> int:
    """Import and report; the exit status."""
    try:
        done = work.run(options.files)
    except (BadFile, OSError) as error:
        print(f"scripts/{name}: {error}", file=sys.stderr)
        return 1
    report(work, done=done, what=what)
    return 0 if done else 1
