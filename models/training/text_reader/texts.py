"""Labelled texts and their files: JSON lines of `{"id", "text", "label", "kind"}`.

`label` is what a text is, `kind` what makes it easy or hard to see ("misspelt", "fiction").
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from models.checkpoint import write_atomically

HARMLESS = "harmless"
_FIELDS = ("id", "text", "label", "kind")


class BadText(ValueError):
    """A file that holds no labelled texts; the message names the line and what is wrong."""


@dataclass(frozen=True, slots=True)
class LabelledText:
    """One text that somebody judged."""

    id: str
    text: str
    label: str
    kind: str


def read_texts(path: Path, labels: Collection[str] | None = None) -> list[LabelledText]:
    """Every line of a file.

    Raises:
        BadText: a line that is none, an id or a text that comes twice, a label not of `labels`.
        OSError: the file cannot be read.
    """
    found: list[LabelledText] = []
    ids: set[str] = set()
    texts: set[str] = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        text = _parse(line, f"{path.name}:{number}")
        plain = " ".join(text.text.split()).casefold()
        for what, value, seen in (("id", text.id, ids), ("text", plain, texts)):
            if value in seen:
                raise BadText(f"{path.name}:{number}: its {what} stands in an earlier line too")
            seen.add(value)
        if labels is not None and text.label not in labels:
            raise BadText(f"{path.name}:{number}: the label {text.label!r} is not known")
        found.append(text)
    return found


def write_texts(path: Path, texts: Iterable[LabelledText]) -> None:
    """Write a file that `read_texts` reads, one line a text."""
    lines = (
        json.dumps({name: getattr(text, name) for name in _FIELDS}, ensure_ascii=False)
        for text in texts
    )
    write_atomically(path, "".join(f"{line}\n" for line in lines))


def _parse(line: str, place: str) -> LabelledText:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise BadText(f"{place}: not JSON: {error}") from None
    if not isinstance(row, dict) or set(row) != set(_FIELDS):
        raise BadText(f"{place}: must have exactly the fields {', '.join(_FIELDS)}")
    if not all(isinstance(row[name], str) and row[name].strip() for name in _FIELDS):
        raise BadText(f"{place}: a field is empty or no string")
    return LabelledText(**row)
