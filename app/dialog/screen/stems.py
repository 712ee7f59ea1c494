"""What every match of an expression must hold: a few short texts, of which one is always there.

Looking for these first takes a tenth of the time of the expressions themselves, and rules need no
hand-written lists beside them that could be wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from re import _parser  # type: ignore[attr-defined]
from typing import Any

_MOST = 24  # texts that a part of an expression may stand for, before it is left out
_LONG = 5  # characters; a longer stem is no better

Texts = frozenset[str]
_NOTHING: Texts = frozenset({""})


def stems_of(pattern: str) -> tuple[str, ...]:
    """Texts of which every match holds at least one; empty where none can be told."""
    found = _needed(_parser.parse(pattern)) or ()
    return tuple(sorted(text for text in found if not any(o in text for o in found if o != text)))


def _needed(sequence: Iterable[tuple[Any, Any]]) -> Texts | None:
    """The best of what a sequence needs: of its runs of known texts, and of its parts."""
    choices: list[Texts] = []
    run: Texts = _NOTHING
    for item in sequence:
        texts = _texts(item)
        if texts is not None and len(run) * len(texts) <= _MOST:
            run = frozenset(map("".join, product(run, texts)))
            continue
        choices.append(run)
        run = texts if texts is not None else _NOTHING
        if texts is None and (part := _of_part(item)) is not None:
            choices.append(part)
    choices.append(run)
    fit = [choice for choice in choices if "" not in choice]
    return max(fit, key=_worth) if fit else None


def _worth(texts: Texts) -> float:
    return 3.0 * min(_LONG, *map(len, texts)) - len(texts)


def _texts(item: tuple[Any, Any]) -> Texts | None:
    """All texts that an item can stand for, where they are few; None where they are not."""
    operation, argument = str(item[0]), item[1]
    if operation == "LITERAL":
        return frozenset({chr(argument)})
    if operation in ("AT", "ASSERT", "ASSERT_NOT"):
        return _NOTHING
    if operation == "IN":
        return _of_class(argument)
    if operation == "SUBPATTERN":
        return _of_sequence(argument[-1])
    if operation == "BRANCH":
        return _union(map(_of_sequence, argument[1]))
    if operation in ("MAX_REPEAT", "MIN_REPEAT"):
        least, most, inner = argument
        if most > 2:
            return None
        once = _of_sequence(inner)
        if once is None:
            return None
        return _union(_power(once, times) for times in range(least, most + 1))
    return None


def _of_sequence(sequence: Iterable[tuple[Any, Any]]) -> Texts | None:
    run = _NOTHING
    for item in sequence:
        texts = _texts(item)
        if texts is None or len(run) * len(texts) > _MOST:
            return None
        run = frozenset(map("".join, product(run, texts)))
    return run


def _of_class(members: Sequence[tuple[Any, Any]]) -> Texts | None:
    if any(str(operation) != "LITERAL" for operation, _ in members):
        return None
    return frozenset(chr(code) for _, code in members)


def _power(texts: Texts, times: int) -> Texts | None:
    if len(texts) ** times > _MOST:
        return None
    return frozenset(map("".join, product(texts, repeat=times)))


def _union(parts: Iterable[Texts | None]) -> Texts | None:
    found: Texts = frozenset()
    for part in parts:
        if part is None or len(found | part) > _MOST:
            return None
        found |= part
    return found


def _of_part(item: tuple[Any, Any]) -> Texts | None:
    """What an item needs that stands for too many texts to be listed."""
    operation, argument = str(item[0]), item[1]
    if operation == "SUBPATTERN":
        return _needed(argument[-1])
    if operation == "BRANCH":
        found: Texts = frozenset()
        for branch in argument[1]:
            needed = _needed(branch)
            if needed is None:
                return None
            found |= needed
        return found if len(found) <= 2 * _MOST else None
    if operation in ("MAX_REPEAT", "MIN_REPEAT") and argument[0] >= 1:
        return _needed(argument[2])
    return None
