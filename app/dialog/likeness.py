"""When two lines are the same to a reader: letters and spaces aside, or nearly so."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NOT_WORD = re.compile(r"[^\w\s]|_", re.UNICODE)
_SPACE = re.compile(r"\s+")
_SHINGLE = 4  # characters


def plain(text: str) -> str:
    """Lower case, without punctuation, single spaces."""
    return _SPACE.sub(" ", _NOT_WORD.sub("", text.casefold())).strip()


def shingles(text: str) -> frozenset[str]:
    """The character 4-grams of the plain text (Broder, 1997)."""
    line = plain(text)
    if len(line) <= _SHINGLE:
        return frozenset({line})
    return frozenset(line[i : i + _SHINGLE] for i in range(len(line) - _SHINGLE + 1))


def resemblance(a: frozenset[str], b: frozenset[str]) -> float:
    """Jaccard likeness of two shingle sets, 0…1."""
    if not a or not b:
        return 0.0
    return len(a & b) / len(a | b)


def near(one: frozenset[str], others: Iterable[frozenset[str]], threshold: float) -> bool:
    """Whether any of the others resembles the one at least so much."""
    return any(resemblance(one, other) >= threshold for other in others)
