from __future__ import annotations

import json
from typing import Any

import pytest

from app.experiments.schema import BYTES_MAX, STATES, Problem, is_sound, validate

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


def of_bytes(count: int) -> dict[str, Any]:
    """A sound definition of so many bytes as JSON, without its state."""
    definition = {**GOOD, "metadata": {"description": ""}}
    rest = {name: value for name, value in definition.items() if name != "state"}
    empty = len(json.dumps(rest, separators=(",", ":")))
    return {**definition, "metadata": {"description": "é" * ((count - empty) // 2)}}


def test_a_definition_has_at_most_16_kb_whatever_its_state() -> None:
    longest = of_bytes(BYTES_MAX)
    for state in STATES:
        assert validate({**longest, "state": state}) == []
        (problem,) = validate({**of_bytes(BYTES_MAX + 2), "state": state})
        assert problem.pointer == ""
        assert "at most 16,000 bytes" in problem.detail


def test_the_name_of_a_variant_has_at_most_100_characters_and_a_longer_one_is_not_repeated() -> (
    None
):
    name = "é" * 100
    assert validate({**GOOD, "variants": {name: True}, "defaultVariant": name}) == []
    problems = validate({**GOOD, "variants": {"x" * 101: None, "on": True}})
    assert problems == [Problem("/variants", "a variant's name has at most 100 characters")]


def test_the_key_of_a_flag_is_a_name_of_at_most_100_characters() -> None:
    for key in ("a", "Tone-2.b_c", "x" * 100):
        assert is_sound(key, GOOD)
        assert not is_sound(key, {**GOOD, "state": "ON"})
    for key in ("", "x" * 101, "-a", "a b", "a:b", "é"):
        assert not is_sound(key, GOOD)


def test_what_json_cannot_say_is_no_definition() -> None:
    deep: Any = {}
    for _ in range(10_000):
        deep = {"a": deep}
    for value in (deep, {"a": float("nan")}, {"a": "\ud800"}, {"a": {1}}):
        (problem,) = validate({**GOOD, "variants": {"on": value}})
        assert problem == Problem("", "must be something that JSON can say")


def test_something_else_than_an_object() -> None:
    assert validate([])[0].pointer == ""
