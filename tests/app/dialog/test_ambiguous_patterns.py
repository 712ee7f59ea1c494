"""No expression that meets a person's words can read them in two ways.

A repeat over phrases of which one is made of others ("like", "a", "like a") tries every division of
what it finds: twice as many with each phrase more, so that a message of two hundred characters
would hold everybody up for minutes. Unique division: A. A. Sardinas, G. W. Patterson, 1953.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from itertools import product
from re import _parser  # type: ignore[attr-defined]  # sre_parse, under its name of today
from typing import Any

import pytest

import app.dialog
from app.dialog.safety import Reading

MANY = 16  # times that a repeat may go round before its divisions are too many
TEXTS_MAX = 3_000


def texts(parsed: Iterable[tuple[Any, Any]]) -> list[str] | None:
    """Every text that a part finds, as often as there are ways; None where there are too many."""
    found = [""]
    for operator, value in parsed:
        name = str(operator)
        if name == "LITERAL":
            more: list[str] | None = [chr(value)]
        elif name == "BRANCH":
            parts = [texts(part) for part in value[1]]
            more = [t for part in parts for t in part or ()] if None not in parts else None
        elif name == "SUBPATTERN":
            more = texts(value[-1])
        elif name in ("MAX_REPEAT", "MIN_REPEAT") and int(value[1]) <= 2:
            one = texts(value[2])
            times = range(value[0], int(value[1]) + 1)
            more = one and ["".join(p) for n in times for p in product(one, repeat=n)]
        else:
            return None
        if more is None or len(found) * len(more) > TEXTS_MAX:
            return None
        found = [a + b for a in found for b in more]
    return found


def repeats(parsed: Any) -> Iterator[Any]:
    """The body of every repeat that may go round often."""
    for item in parsed if isinstance(parsed, list | tuple | _parser.SubPattern) else ():
        pair = isinstance(item, tuple) and len(item) == 2
        if pair and str(item[0]) in ("MAX_REPEAT", "MIN_REPEAT") and int(item[1][1]) >= MANY:
            yield item[1][2]
        yield from repeats(item)


def divisible(words: list[str]) -> str | None:
    """A text with which two divisions begin to differ and meet again, or None."""
    known = set(words)
    if len(known) < len(words):
        return max(known, key=words.count)

    def left(one: Iterable[str], other: Iterable[str]) -> set[str]:
        return {b[len(a) :] for a in one for b in other if b.startswith(a) and a != b}

    seen: set[str] = set()
    new = left(known, known)
    while new:
        if new & known:
            return min(new & known)
        seen |= new
        new = (left(known, new) | left(new, known)) - seen
    return None


def patterns(value: Any, deep: int = 0) -> Iterator[re.Pattern[str]]:
    """All that a value holds."""
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        yield from patterns(list(value.values()), deep)
    elif isinstance(value, list | tuple) and deep < 4:
        for item in value:
            yield from patterns(item, deep + 1)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from patterns([getattr(value, item.name) for item in fields(value)], deep + 1)


def modules() -> list[str]:
    return [m.name for m in pkgutil.walk_packages(app.dialog.__path__, "app.dialog.")]


@pytest.mark.faults(25)
@pytest.mark.parametrize("name", modules())
def test_every_repeat_divides_its_text_in_one_way(name: str) -> None:
    held = dict(vars(importlib.import_module(name)))
    for pattern in patterns(list(held.values())):
        for body in repeats(_parser.parse(pattern.pattern, pattern.flags)):
            words = texts(body)
            assert words is None or divisible(words) is None, divisible(words)


@pytest.mark.faults(25)
@pytest.mark.parametrize(
    ("before", "unit", "after"),
    [
        ("what a burden . i am ", "like a ", "x"),
        ("goodbye . she said ", "my final ", "x"),
        ("i just want ", "this life ", "x . over"),
        ("nudes ? send ", "your ", "x"),
    ],
)
def test_phrases_over_and_over_are_read_at_once(before: str, unit: str, after: str) -> None:
    begun = time.process_time()
    Reading.of(before + unit * 24 + after)  # seconds otherwise; the double with each one more
    assert time.process_time() - begun < 0.5
