"""What JSON Logic makes of values: truth, numbers, texts, equality, paths. As JavaScript does.

A value may hold another many times over: thirty lists, each with the one before it twice, are small
in memory and have a thousand million leaves. So `size` is asked first, by whoever writes a value
out or walks through it, and two lists are compared by being the same one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_PLACE_DIGITS = 9  # of a place in a list
_FLOAT_CHARS = 24  # of the longest that a float has as text
_OBJECT = "[object Object]"
CHARS_AS_ONE = 10  # characters that `size` counts like one value more


def truthy(value: Any) -> bool:
    """JSON Logic's truth: false, null, 0, NaN, "" and [] are false."""
    if isinstance(value, float) and math.isnan(value):
        return False
    return True if isinstance(value, dict) else bool(value)


def number(value: Any) -> float:
    """A number as JavaScript would make it of a value; NaN where there is none."""
    if value is None:
        return 0.0
    if isinstance(value, bool | int | float):
        try:
            return float(value)
        except OverflowError:  # an integer of more than 308 digits
            return math.inf if value > 0 else -math.inf
    if isinstance(value, str):
        try:
            return float(value) if value.strip() else 0.0
        except ValueError:
            return math.nan
    return math.nan


def text(value: Any) -> str:
    """A value as text, as `cat` and variant names need it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, list):
        return ",".join(text(item) for item in value)
    return _OBJECT if isinstance(value, dict) else str(value)


def size(value: Any, most: int) -> int:
    """How much there is to read in a value: each value in it, and one more for 10 characters.

    What is in a list twice counts twice, as it stands twice in the list's text: that text has at
    most ten times as many characters. What an object holds does not count, for nothing but `var`
    looks into one. It is counted no further than just above `most`, and takes as long.
    """
    found, waiting = 1, [value]
    while waiting and found <= most:
        one = waiting.pop()
        if isinstance(one, list):
            found += len(one)
            if found <= most:
                waiting += one
        else:
            found += _characters(one) // CHARS_AS_ONE
    return found


def _characters(value: Any) -> int:
    """At least as many as its text has, without making that."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, int):
        return value.bit_length() // 3 + 1
    return _FLOAT_CHARS if isinstance(value, float) else len(_OBJECT)


def lookup(data: Any, path: Any, default: Any = None) -> Any:
    """`var`: a dotted path into objects and lists; the empty path is the data itself."""
    if path is None or path == "":
        return data
    for part in text(path).split("."):
        if isinstance(data, Mapping) and part in data:
            data = data[part]
        elif isinstance(data, list) and _counts(part) and int(part) < len(data):
            data = data[int(part)]
        else:
            return default
    return default if data is None else data


def _counts(part: str) -> bool:
    """Whether a part of a path may be a place in a list: of thousands of digits is no number."""
    return part.isdecimal() and len(part) <= _PLACE_DIGITS


def loosely_equal(left: Any, right: Any) -> bool:
    """`==` with JavaScript's coercion between null, booleans, numbers and strings.

    A list or an object equals itself alone.
    """
    if left is None or right is None:
        return left is None and right is None
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    if isinstance(left, list | dict) or isinstance(right, list | dict):
        return left is right
    return number(left) == number(right)


def strictly_equal(left: Any, right: Any) -> bool:
    """`===`: the same JSON type and the same value; of lists and objects the very same one."""
    if isinstance(left, bool | list | dict) or isinstance(right, bool | list | dict):
        return left is right
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    return (numbers or type(left) is type(right)) and bool(left == right)
