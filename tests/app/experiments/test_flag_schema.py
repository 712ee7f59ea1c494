from __future__ import annotations

from typing import Any

import pytest

from app.experiments.schema import validate

GOOD: dict[str, Any] = {
    "state": "ENABLED",
    "variants": {"on": True, "off": False},
    "defaultVariant": "on",
}
SPLIT = {"fractional": [["on", 90], ["off", 10]]}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"state": "DISABLED"},
        {"defaultVariant": None},
        {"targeting": {}},
        {"targeting": SPLIT},
        {
            "targeting": {
                "fractional": [{"cat": ["seed", {"var": "targetingKey"}]}, ["on"], ["off"]]
            }
        },
        {"targeting": {"if": [{"in": [{"var": "country"}, ["de"]]}, "off", SPLIT]}},
        {"targeting": {"if": [{"sem_ver": [{"var": "v"}, "^", "1.0.0"]}, "off", None]}},
        {"variants": {"on": {"k": 3}, "off": {}}},
        {"metadata": {"owner": "us", "since": 3, "live": True}},
        {"$comment": "why"},
    ],
)
def test_sound_definitions(changes: dict[str, Any]) -> None:
    assert validate({**GOOD, **changes}) == []


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"state": "ON"}, "/state"),
        ({"variants": {}}, "/variants"),
        ({"variants": {"on": True, "off": "no"}}, "/variants"),
        ({"variants": {"on": True, "a/b": None}}, "/variants/a~1b"),
        ({"defaultVariant": "absent"}, "/defaultVariant"),
        ({"defaultVariant": 1}, "/defaultVariant"),
        ({"defualtVariant": "on"}, "/defualtVariant"),
        ({"metadata": []}, "/metadata"),
        ({"metadata": {"a": {}}}, "/metadata/a"),
        ({"targeting": "on"}, "/targeting"),
        ({"targeting": {"frac": []}}, "/targeting/frac"),
        ({"targeting": {"if": [True, "absent", "on"]}}, "/targeting/if/1"),
        ({"targeting": {"if": [True]}}, "/targeting/if"),
        ({"targeting": {"fractional": [["on", -1]]}}, "/targeting/fractional/0/1"),
        ({"targeting": {"fractional": [["on", 1.5]]}}, "/targeting/fractional/0/1"),
        ({"targeting": {"fractional": [["absent", 1]]}}, "/targeting/fractional/0/0"),
        ({"targeting": {"fractional": ["seed"]}}, "/targeting/fractional"),
        ({"targeting": {"fractional": [["on", 2**31], ["off"]]}}, "/targeting/fractional"),
        ({"targeting": {"sem_ver": ["1.0.0", "?", "1.0.0"]}}, "/targeting/sem_ver/1"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], pointer: str) -> None:
    problems = validate({**GOOD, **changes})
    assert pointer in [problem.pointer for problem in problems]


def test_bounds() -> None:
    deep: Any = True
    for _ in range(40):
        deep = {"!": [deep]}
    problems = validate({**GOOD, "targeting": {"if": [deep, "on", "off"]}})
    assert any("nested" in problem.detail for problem in problems)
    wide = {"if": [{"in": ["a", ["b"] * 3_000]}, "on", "off"]}
    assert any("parts" in problem.detail for problem in validate({**GOOD, "targeting": wide}))


def test_something_else_than_an_object() -> None:
    assert validate([])[0].pointer == ""
