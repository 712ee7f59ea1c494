"""JSON Logic (https://jsonlogic.com/operations.html), bounded in depth and work.

A rule is `{"operator": arguments}`; everything else is a literal. Values follow JavaScript, as the
published definition does: `==` coerces, an empty list is false, "0" is true. Evaluation is pure,
ends and stays small: rules nest at most `DEPTH_MAX` deep and take so many steps. Each part that is
evaluated is one, and an operator takes the `size` of what it is given, before it begins: none makes
more than that of it. So no list has more items than there are steps, and no text more than ten
times as many characters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from itertools import pairwise
from typing import Any

from app.experiments.values import (
    lookup,
    loosely_equal,
    number,
    size,
    strictly_equal,
    text,
    truthy,
)

DEPTH_MAX = 32
STEPS_MAX = 10_000

Operator = Callable[[Sequence[Any], Any], Any]
Lazy = Callable[["Evaluator", Sequence[Any], Any], Any]


class LogicError(ValueError):
    """A rule that cannot be evaluated; the message says why."""


class Evaluator:
    """One evaluation: its operators, and how many steps it has left."""

    def __init__(self, extra: Mapping[str, Operator], steps: int = STEPS_MAX) -> None:
        self._operators = {**OPERATORS, **extra}
        self._steps = steps
        self._left = steps
        self._depth = 0

    @property
    def taken(self) -> int:
        """The steps that were taken."""
        return self._steps - self._left

    def evaluate(self, rule: Any, data: Any) -> Any:
        """The value of a rule over some data (LogicError: it has none)."""
        self._take(1)
        if self._depth >= DEPTH_MAX:
            raise LogicError(f"nested more than {DEPTH_MAX} deep")
        self._depth += 1
        try:
            if isinstance(rule, list):
                return [self.evaluate(item, data) for item in rule]
            if isinstance(rule, dict):
                return self._apply(rule, data)
            return rule
        finally:
            self._depth -= 1

    def _apply(self, rule: Mapping[str, Any], data: Any) -> Any:
        if len(rule) != 1:
            raise LogicError("a rule has exactly one operator")
        name, raw = next(iter(rule.items()))
        arguments = raw if isinstance(raw, list) else [raw]
        if name in LAZY:
            return LAZY[name](self, arguments, data)
        operator = self._operators.get(name)
        if operator is None:
            raise LogicError(f"unknown operator {name!r}")
        values = [self.evaluate(item, data) for item in arguments]
        self._take(size(values, self._left))
        return operator(values, data)

    def _take(self, steps: int) -> None:
        if steps > self._left:
            self._left = 0
            raise LogicError(f"more than {self._steps} steps")
        self._left -= steps


def _at(arguments: Sequence[Any], index: int, default: Any = None) -> Any:
    return arguments[index] if index < len(arguments) else default


def _compare(test: Callable[[Any, Any], bool]) -> Operator:
    """A comparison of neighbours: two arguments, or three for "between"."""

    def compare(arguments: Sequence[Any], _: Any) -> bool:
        if not 2 <= len(arguments) <= 3:
            raise LogicError("a comparison takes two or three arguments")
        pairs = pairwise(arguments)
        return all(
            test(a, b) if isinstance(a, str) and isinstance(b, str) else test(number(a), number(b))
            for a, b in pairs
        )

    return compare


def _contains(arguments: Sequence[Any], _: Any) -> bool:
    needle, hay = _at(arguments, 0), _at(arguments, 1)
    if isinstance(hay, str):
        return needle is not None and text(needle) in hay
    return isinstance(hay, list) and any(strictly_equal(needle, item) for item in hay)


def _concatenate(arguments: Sequence[Any], _: Any) -> str:
    return "".join("" if argument is None else text(argument) for argument in arguments)


def _substring(arguments: Sequence[Any], _: Any) -> str:
    value, start, length = text(_at(arguments, 0)), number(_at(arguments, 1)), _at(arguments, 2)
    rest = value[_whole(start) :]
    return rest if length is None else rest[: _whole(number(length))]


def _whole(value: float) -> int:
    if not math.isfinite(value):
        raise LogicError("a position is not a number")
    return int(value)


def _merge(arguments: Sequence[Any], _: Any) -> list[Any]:
    merged: list[Any] = []
    for argument in arguments:
        merged += argument if isinstance(argument, list) else [argument]
    return merged


def _missing(arguments: Sequence[Any], data: Any) -> list[Any]:
    names = arguments[0] if arguments and isinstance(arguments[0], list) else arguments
    return [name for name in names if lookup(data, name) in (None, "")]


def _missing_some(arguments: Sequence[Any], data: Any) -> list[Any]:
    names = _at(arguments, 1, [])
    if not isinstance(names, list):
        raise LogicError("missing_some takes a number and a list")
    missing = _missing([names], data)
    return [] if len(names) - len(missing) >= number(_at(arguments, 0)) else missing


def _arithmetic(operation: Callable[[float, float], float]) -> Operator:
    def calculate(arguments: Sequence[Any], _: Any) -> float:
        values = [number(argument) for argument in arguments]
        if not values:
            raise LogicError("arithmetic needs an argument")
        try:
            return reduce(operation, values)
        except (ZeroDivisionError, OverflowError, ValueError):
            raise LogicError("the result is not a number") from None

    return calculate


def _subtract(arguments: Sequence[Any], data: Any) -> float:
    if len(arguments) == 1:
        return -number(arguments[0])
    return float(_arithmetic(lambda a, b: a - b)(arguments, data))


def _extreme(pick: Callable[[list[float]], float]) -> Operator:
    def extreme(arguments: Sequence[Any], data: Any) -> float | None:
        values = [number(item) for item in _merge(arguments, data)]
        return pick(values) if values else None

    return extreme


OPERATORS: Mapping[str, Operator] = {
    "var": lambda a, data: lookup(data, _at(a, 0), _at(a, 1)),
    "missing": _missing,
    "missing_some": _missing_some,
    "==": lambda a, _: loosely_equal(_at(a, 0), _at(a, 1)),
    "!=": lambda a, _: not loosely_equal(_at(a, 0), _at(a, 1)),
    "===": lambda a, _: strictly_equal(_at(a, 0), _at(a, 1)),
    "!==": lambda a, _: not strictly_equal(_at(a, 0), _at(a, 1)),
    "!": lambda a, _: not truthy(_at(a, 0)),
    "!!": lambda a, _: truthy(_at(a, 0)),
    "<": _compare(lambda a, b: bool(a < b)),
    "<=": _compare(lambda a, b: bool(a <= b)),
    ">": _compare(lambda a, b: bool(a > b)),
    ">=": _compare(lambda a, b: bool(a >= b)),
    "in": _contains,
    "cat": _concatenate,
    "substr": _substring,
    "merge": _merge,
    "+": _arithmetic(lambda a, b: a + b),
    "*": _arithmetic(lambda a, b: a * b),
    "/": _arithmetic(lambda a, b: a / b),
    "%": _arithmetic(math.fmod),
    "-": _subtract,
    "min": _extreme(min),
    "max": _extreme(max),
}


def _if(evaluator: Evaluator, arguments: Sequence[Any], data: Any) -> Any:
    for i in range(0, len(arguments) - 1, 2):
        if truthy(evaluator.evaluate(arguments[i], data)):
            return evaluator.evaluate(arguments[i + 1], data)
    return evaluator.evaluate(arguments[-1], data) if len(arguments) % 2 else None


def _first(*, stop_at: bool) -> Lazy:
    """`or` (stops at the first true value) and `and` (at the first false one)."""

    def first(evaluator: Evaluator, arguments: Sequence[Any], data: Any) -> Any:
        value = None
        for argument in arguments:
            value = evaluator.evaluate(argument, data)
            if truthy(value) is stop_at:
                return value
        return value

    return first


def _over(fold: Callable[[list[Any], list[bool]], Any]) -> Lazy:
    """`filter`, `all`, `none` and `some`: a test of every item of a list."""

    def over(evaluator: Evaluator, arguments: Sequence[Any], data: Any) -> Any:
        items, rule = _items(evaluator, arguments, data)
        return fold(items, [truthy(evaluator.evaluate(rule, item)) for item in items])

    return over


def _items(evaluator: Evaluator, arguments: Sequence[Any], data: Any) -> tuple[list[Any], Any]:
    items = evaluator.evaluate(_at(arguments, 0), data)
    return (items if isinstance(items, list) else []), _at(arguments, 1)


def _map(evaluator: Evaluator, arguments: Sequence[Any], data: Any) -> list[Any]:
    items, rule = _items(evaluator, arguments, data)
    return [evaluator.evaluate(rule, item) for item in items]


def _reduce(evaluator: Evaluator, arguments: Sequence[Any], data: Any) -> Any:
    items, rule = _items(evaluator, arguments, data)
    value = evaluator.evaluate(_at(arguments, 2), data)
    for item in items:
        value = evaluator.evaluate(rule, {"current": item, "accumulator": value})
    return value


LAZY: Mapping[str, Lazy] = {
    "if": _if,
    "?:": _if,
    "and": _first(stop_at=False),
    "or": _first(stop_at=True),
    "map": _map,
    "reduce": _reduce,
    "filter": _over(lambda items, kept: [i for i, keep in zip(items, kept, strict=True) if keep]),
    "all": _over(lambda items, kept: bool(items) and all(kept)),
    "none": _over(lambda _, kept: not any(kept)),
    "some": _over(lambda _, kept: any(kept)),
}
