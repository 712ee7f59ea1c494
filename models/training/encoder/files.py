"""Files of labelled text pairs: JSON lines, TSV or CSV, plain or gzip.

Columns go by the names that public sets use (`_NAMES`); a table without a header is read by place.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.prompt import normalise

_NAMES: dict[str, tuple[str, ...]] = {
    "first": ("first", "text_a", "sentence1", "premise", "anchor", "query", "question", "context"),
    "second": ("second", "text_b", "sentence2", "hypothesis", "positive", "answer", "response"),
    "negative": ("negative", "text_c"),
    "label": ("label", "class", "gold_label", "score", "similarity"),
}
NO_LABEL = "-"  # what SNLI and MultiNLI write where the annotators did not agree


class BadFile(ValueError):
    """A file that holds no such rows; the message names the file, the line and what is wrong."""


@dataclass(frozen=True, slots=True)
class TextRow:
    """Two texts, a third where triplets are wanted, and the label as it was written."""

    first: str
    second: str
    negative: str = ""
    label: str = ""


def read_text_rows(
    path: Path, wanted: Sequence[str], optional: Sequence[str] = ()
) -> list[TextRow]:
    """The rows of a file that have all `wanted` fields (of `TextRow`), and `optional` ones if any.

    A list of turns as a text is joined by line breaks. Rows whose label is `-` are left out.
    Raises BadFile.
    """
    rows = []
    for number, raw in _raw_rows(path, wanted):
        texts = {name: _text(raw.get(name)) for name in wanted}
        empty = [name for name, text in texts.items() if not normalise(text)]
        if empty:
            known = ", ".join(_NAMES[empty[0]])
            raise BadFile(f"{path.name}:{number}: no {empty[0]} text (a column named {known})")
        texts |= {name: _text(raw[name]) for name in optional if name in raw}
        if texts.get("label") != NO_LABEL:
            rows.append(TextRow(**texts))
    if not rows:
        raise BadFile(f"{path.name}: holds no rows")
    return rows


def classes_of(rows: Sequence[TextRow]) -> list[str]:
    """The distinct labels, sorted. Raises BadFile where there are not at least two."""
    classes = sorted({row.label for row in rows})
    if not 2 <= len(classes) <= 100:
        raise BadFile(f"{len(classes)} classes in the file; a softmax needs 2 to 100")
    return classes


def scores_of(rows: Sequence[TextRow], highest: float) -> list[float]:
    """The labels as numbers divided by `highest`. Raises BadFile outside [-1, 1]."""
    scores = []
    for row in rows:
        try:
            score = float(row.label) / highest
        except ValueError:
            raise BadFile(f"{row.label!r} is no score") from None
        if not -1.0 <= score <= 1.0:
            raise BadFile(f"a score of {row.label} is above the highest, {highest:g}")
        scores.append(score)
    return scores


def _raw_rows(path: Path, wanted: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, values by the names of `TextRow`)."""
    opener = gzip.open if path.suffix == ".gz" else open
    kind = Path(path.name.removesuffix(".gz")).suffix
    with opener(path, "rt", encoding="utf-8", newline="") as stream:
        if kind in (".tsv", ".csv"):
            yield from _table(stream, kind, wanted)
            return
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                raw = json.loads(line)
            except ValueError as error:
                raise BadFile(f"{path.name}:{number}: not JSON: {error}") from None
            if not isinstance(raw, dict):
                raise BadFile(f"{path.name}:{number}: not an object")
            yield number, _renamed(raw)


def _table(stream: Any, kind: str, wanted: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    # A quotation mark in a TSV is a character of its text.
    lines = (
        csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        if kind == ".tsv"
        else csv.reader(stream)
    )
    header: Sequence[str] | None = None
    for number, cells in enumerate(lines, 1):
        if header is None:
            named = set(wanted) <= set(_renamed(dict.fromkeys(cells)))
            header = cells if named else list(wanted)
            if named:
                continue
        if cells:
            yield number, _renamed(dict(zip(header, cells, strict=False)))


def _renamed(raw: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for ours, theirs in _NAMES.items():
        name = next((name for name in theirs if name in raw), None)
        if name is not None:
            found[ours] = raw[name]
    return found


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(str(part) for part in value)
    return "" if value is None else str(value)
