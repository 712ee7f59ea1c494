"""Is a flag definition sound? flagd's JSON schema (flagd.dev/schema/v0), and what it cannot say.

Beyond the schema, names must fit: the default variant and every variant that targeting names in
plain text must exist, and rules use operators that this evaluator has, in bounds that it keeps.
Names and definitions are short: every reply tells the names, every worker reads all definitions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from app.experiments import json_logic, targeting
from app.experiments.json_logic import DEPTH_MAX
from app.experiments.values import text

STATES = ("ENABLED", "DISABLED")
NODES_MAX = 2_000
NAME_MAX = 100  # characters of a flag's key, and of a variant's name
BYTES_MAX = 16_000  # of a definition as JSON, without its state
_KEY = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{NAME_MAX - 1}}}")
_FIELDS = {"state", "variants", "defaultVariant", "targeting", "metadata"}
_OPERATORS = {*json_logic.OPERATORS, *json_logic.LAZY, *targeting.OPERATORS}
# How many arguments an operator takes, where it is not any number.
_COUNTS: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(("==", "!=", "===", "!==", ">", ">=", "%", "in", "/"), (2, 2)),
    **dict.fromkeys(("starts_with", "ends_with", "filter", "all", "none", "some", "map"), (2, 2)),
    **dict.fromkeys(("<", "<=", "substr", "reduce"), (2, 3)),
    **dict.fromkeys(("!", "!!"), (1, 1)),
    "if": (2, 3),
    "?:": (3, 3),
    "sem_ver": (3, 3),
    "missing_some": (2, 2),
    "var": (1, 2),
    "fractional": (1, NODES_MAX),
}


class Problem(NamedTuple):
    """What is wrong, and where (RFC 6901 pointer into the definition)."""

    pointer: str
    detail: str


def is_key(key: str) -> bool:
    """Whether a flag may be called so: letters, digits, dots, dashes, underscores, not too many."""
    return _KEY.fullmatch(key) is not None


def is_sound(key: str, definition: Any) -> bool:
    """Whether there may be such a flag."""
    return is_key(key) and not validate(definition)


def validate(definition: Any) -> list[Problem]:
    """All problems of a definition; an empty list for a sound one."""
    if not isinstance(definition, dict):
        return [Problem("", "must be an object")]
    size = _bytes({name: value for name, value in definition.items() if name != "state"})
    if size is None:
        return [Problem("", "must be something that JSON can say")]
    if size > BYTES_MAX:
        return [Problem("", f"must have at most {BYTES_MAX:,} bytes as JSON, and has {size:,}")]
    return list(_problems(definition))


def _bytes(definition: dict[str, Any]) -> int | None:
    """How long a definition is as JSON, as it is stored; None where it cannot be written."""
    try:
        written = json.dumps(
            definition, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        ).encode()
    except (RecursionError, TypeError, ValueError):
        return None
    return len(written)


def _problems(definition: dict[str, Any]) -> Iterator[Problem]:
    for name in definition:
        if name not in _FIELDS and not name.startswith("$"):
            yield Problem(_join("", name), "is not a field of a flag definition")
    if definition.get("state") not in STATES:
        yield Problem("/state", "must be ENABLED or DISABLED")
    variants = definition.get("variants")
    yield from _variants(variants)
    names = set(variants) if isinstance(variants, dict) else set()
    default = definition.get("defaultVariant")
    if default is not None and (not isinstance(default, str) or default not in names):
        yield Problem("/defaultVariant", "must name one of the variants, or be null")
    yield from _metadata(definition.get("metadata", {}))
    rule = definition.get("targeting", {})
    if not isinstance(rule, dict):
        yield Problem("/targeting", "must be an object with one operator, or empty")
    elif rule:
        yield from _Rules(names).check(rule)


def _variants(variants: Any) -> Iterator[Problem]:
    if not isinstance(variants, dict) or not variants:
        yield Problem("/variants", "must be an object with at least one variant")
        return
    if "" in variants:
        yield Problem("/variants", "a variant needs a name")
    if any(len(name) > NAME_MAX for name in variants):
        yield Problem("/variants", f"a variant's name has at most {NAME_MAX} characters")
        return  # the other problems would repeat it
    if len({_type(value) for value in variants.values()}) > 1:
        yield Problem("/variants", "all values must be of one type")
    for name, value in variants.items():
        if _type(value) == "":
            yield Problem(
                _join("/variants", name), "must be a boolean, a string, a number or an object"
            )


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    kinds = {str: "string", int: "number", float: "number", dict: "object"}
    return kinds.get(type(value), "")


def _metadata(metadata: Any) -> Iterator[Problem]:
    if not isinstance(metadata, dict):
        yield Problem("/metadata", "must be an object")
        return
    for name, value in metadata.items():
        if _type(value) in {"", "object"}:
            yield Problem(_join("/metadata", name), "must be a boolean, a string or a number")


class _Rules:
    """One walk over a targeting rule."""

    def __init__(self, variants: set[str]) -> None:
        self._variants = variants
        self._nodes = 0

    def check(self, rule: dict[str, Any]) -> Iterator[Problem]:
        yield from self._node(rule, "/targeting", 0, result=True)
        if self._nodes > NODES_MAX:
            yield Problem("/targeting", f"has more than {NODES_MAX} parts")

    def _node(self, node: Any, pointer: str, depth: int, *, result: bool) -> Iterator[Problem]:
        """`result`: this node's value is the variant that targeting gives."""
        self._nodes += 1
        if self._nodes > NODES_MAX:
            return
        if depth >= DEPTH_MAX:
            yield Problem(pointer, f"is nested more than {DEPTH_MAX} deep")
        elif isinstance(node, dict):
            yield from self._rule(node, pointer, depth, result=result)
        elif isinstance(node, list):
            for i, item in enumerate(node):
                yield from self._node(item, f"{pointer}/{i}", depth + 1, result=False)
        elif result and node is not None and text(node) not in self._variants:
            yield Problem(pointer, "must name one of the variants, or be null")

    def _rule(
        self, node: dict[str, Any], pointer: str, depth: int, *, result: bool
    ) -> Iterator[Problem]:
        if len(node) != 1:
            yield Problem(pointer, "must have exactly one operator")
            return
        name, raw = next(iter(node.items()))
        here = _join(pointer, name)
        if name not in _OPERATORS:
            yield Problem(here, "is not an operator")
            return
        arguments = raw if isinstance(raw, list) else [raw]
        least, most = _COUNTS.get(name, (1, NODES_MAX))
        if not least <= len(arguments) <= most:
            yield Problem(here, "has the wrong number of arguments")
            return
        if name == "fractional":
            yield from self._fractional(arguments, here, depth, result=result)
            return
        if name == "sem_ver" and arguments[1] not in targeting.SEM_VER_OPERATORS:
            yield Problem(f"{here}/1", "must be one of " + " ".join(targeting.SEM_VER_OPERATORS))
        for i, item in enumerate(arguments):
            branch = result and name in {"if", "?:"} and i > 0
            at = f"{here}/{i}" if isinstance(raw, list) else here
            yield from self._node(item, at, depth + 1, result=branch)

    def _fractional(
        self, arguments: list[Any], pointer: str, depth: int, *, result: bool
    ) -> Iterator[Problem]:
        total, buckets = 0, 0
        for i, item in enumerate(arguments):
            at = f"{pointer}/{i}"
            if i == 0 and not isinstance(item, list):
                yield from self._node(item, at, depth + 1, result=False)
                continue
            buckets += 1
            if not isinstance(item, list) or not 1 <= len(item) <= 2:
                yield Problem(at, "must be [variant] or [variant, weight]")
                continue
            yield from self._node(item[0], f"{at}/0", depth + 1, result=result)
            weight = item[1] if len(item) == 2 else 1
            if isinstance(weight, dict):
                yield from self._node(weight, f"{at}/1", depth + 1, result=False)
            elif isinstance(weight, bool) or not isinstance(weight, int) or weight < 0:
                yield Problem(f"{at}/1", "must be a whole number that is not negative")
            else:
                total += weight
        if not buckets:
            yield Problem(pointer, "needs at least one bucket")
        if total > targeting.WEIGHT_MAX:
            yield Problem(pointer, f"the weights add up to more than {targeting.WEIGHT_MAX}")


def _join(pointer: str, name: str) -> str:
    return f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
