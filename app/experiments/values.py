"""What JSON Logic makes of values: truth, numbers, texts, equality, paths. As JavaScript does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_PLACE_DIGITS = 9  # of a place in a list


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
    return str(value)


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
    """`==` with JavaScript's coercion between null, booleans, numbers and strings."""
    if left is None or right is None:
        return left is None and right is None
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    if isinstance(left, list | dict) or isinstance(right, list | dict):
        return type(left) is type(right) and bool(left == right)
    return number(left) == number(right)


def strictly_equal(left: Any, right: Any) -> bool:
    """`===`: the same JSON type and the same value."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    return (numbers or type(left) is type(right)) and bool(left == right)
