"""The shape in which every human judgement reaches a trainer, and its files.

Reactions exported from the service, judgements made elsewhere and public corpora all become
`Example`s: one response to one context with a label in [0, 1] under one head. A head whose label
is missing for a response is simply not among its examples, so a loss is masked by construction.
"""

from __future__ import annotations

import gzip
import json
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


def write_examples(path: Path, examples: Iterable[Example]) -> int:
    """Write JSON lines (gzip where the name ends so), atomically; returns how many."""
    count = 0
    half_written = path.with_name(f".{path.name}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _open(half_written, path.suffix == ".gz", "wt") as stream:
        for example in examples:
            stream.write(json.dumps(asdict(example), ensure_ascii=False) + "\n")
            count += 1
    half_written.replace(path)
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
    try:
        values = {**row, "context": tuple(row["context"]), "facts": tuple(row.get("facts", ()))}
        example = Example(**values)
    except (KeyError, TypeError) as error:
        raise BadExample(f"incomplete: {error}") from error
    texts = (*example.context, *example.facts, example.response)
    if not example.context or not all(isinstance(text, str) and text.strip() for text in texts):
        raise BadExample("context and response must be texts, none of them empty")
    if not isinstance(example.label, int | float) or not 0.0 <= example.label <= 1.0:
        raise BadExample(f"label must lie in [0, 1], not {example.label!r}")
    return example


def _open(path: Path, packed: bool, mode: str) -> IO[str]:
    if packed:
        return cast("IO[str]", gzip.open(path, mode, encoding="utf-8"))
    return path.open(mode.replace("t", ""), encoding="utf-8")
