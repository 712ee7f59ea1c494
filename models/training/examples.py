"""The shape in which every human judgement reaches a trainer, and its files.

Reactions exported from the service, judgements made elsewhere and public corpora all become
`Example`s: one response to one context with a label in [0, 1] under one head. A head whose label
is missing for a response is simply not among its examples, so a loss is masked by construction.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any, cast

REACTION_HEADS = ("upvote", "love", "funny", "meaningless", "offensive", "downvote")
"""Heads that reactions have labels for; `upvote` is liked (upvote, love, funny) against not."""


@dataclass(frozen=True, slots=True)
class Example:
    """One judged response.

    `context` holds texts, oldest first, the last one is answered. Examples of one `group` were
    judged beside each other, so that pairs within it compare. `conversation` and `rater` are what
    splits keep together; ids, never names. `weight` damps what is not to be trusted.
    """

    source: str
    head: str
    context: tuple[str, ...]
    response: str
    label: float
    group: str = ""
    conversation: str = ""
    rater: str = ""
    weight: float = 1.0
    facts: tuple[str, ...] = ()


class BadExample(ValueError):
    """A line that is no example; the message says why."""


_FIELDS = {field.name for field in fields(Example)}
_NEEDED = ("source", "head", "context", "response", "label")
_NAMES = frozenset({"source", "head", "group", "conversation", "rater"})


def write_examples(path: Path, examples: Iterable[Example]) -> int:
    """Write JSON lines (gzip where the name ends so), atomically; returns how many.

    The texts are in clear: nothing half-written is left when this fails, and what a run that was
    killed left is removed first.
    """
    count = 0
    half_written = path.with_name(f".{path.name}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    half_written.unlink(missing_ok=True)
    try:
        with _open(half_written, path.suffix == ".gz", "wt") as stream:
            for example in examples:
                stream.write(json.dumps(asdict(example), ensure_ascii=False) + "\n")
                count += 1
        half_written.replace(path)
    finally:
        half_written.unlink(missing_ok=True)
    return count


def read_examples(path: Path) -> Iterator[Example]:
    """The examples of a file. Raises BadExample, naming file and line."""
    with _open(path, path.suffix == ".gz", "rt") as stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                try:
                    yield parse_example(json.loads(line))
                except ValueError as error:
                    raise BadExample(f"{path.name}:{number}: {error}") from error


def parse_example(row: Any) -> Example:
    """An example from its JSON form. Raises BadExample."""
    if not isinstance(row, dict):
        raise BadExample("not an object")
    unknown = sorted(set(row) - _FIELDS)
    if unknown:
        raise BadExample(f"unknown field {unknown[0]!r}")
    missing = [name for name in _NEEDED if name not in row]
    if missing:
        raise BadExample(f"incomplete: {missing[0]!r} is missing")
    values = {name: _texts(row[name], name) for name in ("context", "facts") if name in row}
    if not values["context"]:
        raise BadExample("context must hold texts, none of them empty")
    if not isinstance(row["response"], str) or not row["response"].strip():
        raise BadExample("response must be a text that is not empty")
    for name in _NAMES & set(row):
        if not isinstance(row[name], str):
            raise BadExample(f"{name} must be a text, not {_short(row[name])}")
    numbers = {"label": _number(row["label"], "label", 1.0, "[0, 1]")}
    if "weight" in row:
        numbers["weight"] = _number(row["weight"], "weight", sys.float_info.max, "[0, ∞)")
    return Example(**{**row, **values, **numbers})


def _texts(value: Any, name: str) -> tuple[str, ...]:
    """A list of texts; a lone text is none, though it could be taken for its characters."""
    if not isinstance(value, list | tuple) or not all(
        isinstance(text, str) and text.strip() for text in value
    ):
        raise BadExample(f"{name} must be a list of texts, none of them empty")
    return tuple(value)


def _number(value: Any, name: str, highest: float, words: str) -> float:
    if not isinstance(value, int | float) or not 0.0 <= value <= highest:
        raise BadExample(f"{name} must lie in {words}, not {_short(value)}")
    return float(value)


def _short(value: Any) -> str:
    """As much of a value as a message has room for; a number may have thousands of digits."""
    return repr(value)[:40]


def _open(path: Path, packed: bool, mode: str) -> IO[str]:
    if packed:
        return cast("IO[str]", gzip.open(path, mode, encoding="utf-8"))
    return path.open(mode.replace("t", ""), encoding="utf-8")
