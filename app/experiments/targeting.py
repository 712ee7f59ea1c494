"""flagd's own operators: `fractional`, `starts_with`, `ends_with` and `sem_ver`.

Source: open-feature/flagd, `core/pkg/evaluator/{fractional,string_comparison,semver}.go`, in the
integer bucketing that the flagd test bed calls `fractional-v2`: the bucketing value is hashed by
MurmurHash3 x86 32 bit with seed 0 over UTF-8 (unsigned), scaled into the sum of the weights by
`(hash * total) >> 32`, and falls into the first bucket whose running total exceeds it. (The test
bed announces a `fractional-v3` that hashes CBOR; servers and providers do not evaluate it yet.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import mmh3

from app.experiments.json_logic import LogicError, Operator

PROPERTIES = "$flagd"
TARGETING_KEY = "targetingKey"
WEIGHT_MAX = 2**31 - 1  # of one bucket, and of all together


def fractional(arguments: Sequence[Any], data: Any) -> Any:
    """The variant of the bucket that the bucketing value falls into; None where there is none.

    The first argument is the bucketing value where it is a string; without one it is the flag key
    followed by the targeting key. The others are `[variant]` or `[variant, weight]`.
    """
    try:
        value, buckets = _bucketing(list(arguments), data)
        weights = [_weight(bucket) for bucket in buckets]
    except LogicError:
        return None
    if sum(weights) > WEIGHT_MAX:
        return None
    index = bucket_of(value, weights)
    return None if index is None else buckets[index][0]


def bucket_of(value: str, weights: Sequence[int]) -> int | None:
    """The index of the bucket that a value falls into; None where all weights are 0."""
    hashed: int = mmh3.hash(value.encode("utf-8", "surrogatepass"), 0, signed=False)
    position = (hashed * sum(weights)) >> 32
    end = 0
    for index, weight in enumerate(weights):
        end += weight
        if position < end:
            return index
    return None


def _bucketing(arguments: list[Any], data: Any) -> tuple[str, list[Any]]:
    if not arguments or not isinstance(data, Mapping):
        raise LogicError("nothing to distribute")
    if isinstance(arguments[0], str):
        return arguments[0], arguments[1:]
    if arguments[0] is None:  # a property that this context does not have
        arguments = arguments[1:]
    key = data.get(TARGETING_KEY)
    if not isinstance(key, str):
        raise LogicError("no bucketing value, and no targeting key")
    return f"{data.get(PROPERTIES, {}).get('flagKey', '')}{key}", arguments


def _weight(bucket: Any) -> int:
    if not isinstance(bucket, list) or not bucket or isinstance(bucket[0], list | dict):
        raise LogicError("a bucket is [variant, weight]")
    weight = bucket[1] if len(bucket) > 1 and bucket[1] is not None else 1
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        raise LogicError("a weight is a number")
    if not 0 <= weight <= WEIGHT_MAX or weight != int(weight):
        raise LogicError("a weight is a whole number that is not negative")
    return int(weight)


def _affix(test: Callable[[str, str], bool]) -> Operator:
    def compare(arguments: Sequence[Any], _: Any) -> bool:
        if len(arguments) != 2 or not all(isinstance(item, str) for item in arguments):
            return False
        return test(arguments[0], arguments[1])

    return compare


_VERSION = re.compile(
    r"v?(0|[1-9]\d*)(?:\.(0|[1-9]\d*)(?:\.(0|[1-9]\d*)"
    r"(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?)?)?",
    re.ASCII,
)
_VERSION_CHARS_MAX = 200
SEM_VER_OPERATORS = ("=", "!=", "<", "<=", ">=", ">", "^", "~")


def sem_ver(arguments: Sequence[Any], _: Any) -> bool:
    """Compare two semantic versions (semver.org 2.0.0); False where one is none.

    As in flagd a leading `v` is allowed, minor and patch may be left out (then they are 0), and
    build metadata does not count. `^` is the same major version, `~` the same major and minor.
    """
    if len(arguments) != 3 or arguments[1] not in SEM_VER_OPERATORS:
        return False
    left, right = _version(arguments[0]), _version(arguments[2])
    if left is None or right is None:
        return False
    order = _order(left, right)
    return {
        "=": order == 0,
        "!=": order != 0,
        "<": order < 0,
        "<=": order <= 0,
        ">=": order >= 0,
        ">": order > 0,
        "^": left[0][:1] == right[0][:1],
        "~": left[0][:2] == right[0][:2],
    }[arguments[1]]


Version = tuple[tuple[int, int, int], tuple[str, ...]]


def _version(value: Any) -> Version | None:
    if not isinstance(value, str) or len(value) > _VERSION_CHARS_MAX:
        return None
    match = _VERSION.fullmatch(value)
    if match is None:
        return None
    major, minor, patch, label = match.groups()
    parts = tuple(label.split(".")) if label else ()
    if any(part.isdecimal() and len(part) > 1 and part[0] == "0" for part in parts):
        return None
    return (int(major), int(minor or 0), int(patch or 0)), parts


def _order(left: Version, right: Version) -> int:
    """-1, 0 or 1, by the precedence of semver.org, section 11."""
    if left[0] != right[0]:
        return -1 if left[0] < right[0] else 1
    if not left[1] or not right[1]:  # a version without a pre-release label is the later one
        return bool(right[1]) - bool(left[1])
    for a, b in zip_longest(left[1], right[1]):
        if a == b:
            continue
        if a is None or b is None:
            return -1 if a is None else 1
        first, second = _rank(a), _rank(b)
        return -1 if first < second else 1
    return 0


def _rank(part: str) -> tuple[int, int, str]:
    return (0, int(part), "") if part.isdecimal() else (1, 0, part)


OPERATORS: Mapping[str, Operator] = {
    "fractional": fractional,
    "starts_with": _affix(str.startswith),
    "ends_with": _affix(str.endswith),
    "sem_ver": sem_ver,
}
