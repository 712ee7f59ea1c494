from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.experiments.assignment import Reason, evaluate
from app.experiments.defaults import DEFAULT_FLAGS
from app.experiments.json_logic import Evaluator
from app.experiments.schema import validate

VARIANTS = {"hit": True, "miss": False, "none": False}


def run(rule: Any, context: dict[str, Any] | None = None, **changes: Any) -> str | None:
    definition = {"state": "ENABLED", "variants": VARIANTS, "defaultVariant": "none", **changes}
    return evaluate({**definition, "targeting": rule}, "flag", context or {}, now=1_000).variant


def chosen(condition: Any, context: dict[str, Any] | None = None) -> bool:
    return run({"if": [condition, "hit", "miss"]}, context) == "hit"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"==": [1, "1"]}, True),
        ({"==": [None, 0]}, False),
        ({"==": [True, 1]}, True),
        ({"===": [1, "1"]}, False),
        ({"===": [1, 1.0]}, True),
        ({"===": [True, 1]}, False),
        ({"!=": ["a", "b"]}, True),
        ({"!==": [1, "1"]}, True),
        ({"<": [1, 2, 3]}, True),
        ({"<": [1, 3, 3]}, False),
        ({"<=": [1, 3, 3]}, True),
        ({">": ["10", 9]}, True),
        ({">=": ["b", "a"]}, True),
        ({">": ["x", 1]}, False),
        ({"in": ["@example.org", {"var": "email"}]}, True),
        ({"in": ["de", ["de", "fr"]]}, True),
        ({"in": ["it", ["de", "fr"]]}, False),
        ({"and": [True, 0, "x"]}, False),
        ({"or": [0, "", "x"]}, True),
        ({"!": [[]]}, True),
        ({"!": {"var": "absent"}}, True),
        ({"!!": ["0"]}, True),
        ({"==": [{"var": ["absent", 7]}, 7]}, True),
        ({"==": [{"var": "list.1"}, "b"]}, True),
        ({"==": [{"+": [1, "2"]}, 3]}, True),
        ({"==": [{"-": [2]}, -2]}, True),
        ({"==": [{"%": [{"var": "$flagd.timestamp"}, 7]}, 6]}, True),
        ({">": [10**400, 1]}, True),  # larger than any float, which Python refuses to make of it
        ({"<": [-(10**400), {"min": [10**400]}]}, True),
        ({"==": [{"+": [10**400, 1]}, "Infinity"]}, True),
        ({"==": [{"var": "list." + "9" * 5_000}, None]}, True),
        ({"==": [{"max": [[1, 5, 2]]}, 5]}, True),
        ({"==": [{"substr": ["companion", 3, 2]}, "pa"]}, True),
        ({"==": [{"cat": ["a", 1, True, None]}, "a1true"]}, True),
        ({"missing": ["email", "absent"]}, True),
        ({"missing_some": [1, ["email", "absent"]]}, False),
        ({"some": [{"var": "list"}, {"==": [{"var": ""}, "b"]}]}, True),
        ({"all": [[], True]}, False),
        ({"none": [{"var": "list"}, {"==": [{"var": ""}, "z"]}]}, True),
        (
            {
                "==": [
                    {"reduce": [[1, 2, 3], {"+": [{"var": "current"}, {"var": "accumulator"}]}, 0]},
                    6,
                ]
            },
            True,
        ),
        ({"==": [{"cat": {"map": [[1, 2], {"*": [{"var": ""}, 2]}]}}, "2,4"]}, True),
        ({"in": ["b", {"filter": [{"var": "list"}, {"!=": [{"var": ""}, "b"]}]}]}, False),
        ({"starts_with": [{"var": "email"}, "ann"]}, True),
        ({"ends_with": [{"var": "email"}, ".org"]}, True),
        ({"ends_with": [3, ".org"]}, False),
    ],
)
def test_json_logic(condition: Any, expected: bool) -> None:
    assert chosen(condition, {"email": "ann@example.org", "list": ["a", "b"]}) is expected


@pytest.mark.parametrize(
    ("left", "operator", "right", "expected"),
    [
        ("2.0.0", "=", "2.0.0", True),
        ("2.1.0", ">", "2.0.0", True),
        ("1.9.0", "<", "2.0.0", True),
        ("2.0.0-alpha", "<", "2.0.0", True),
        ("1.0.0-alpha.1", "<", "1.0.0-alpha.beta", True),
        ("1.0.0-alpha", "<", "1.0.0-alpha.1", True),
        ("1.0.0-beta.2", "<", "1.0.0-beta.11", True),
        ("2.0.0.0", "=", "2.0.0", False),
        ("3.0.1", "~", "3.0.0", True),
        ("3.1.0", "~", "3.0.0", False),
        ("3.1.0", "^", "3.0.0", True),
        ("4.0.0", "^", "3.0.0", False),
        ("1.5.0", "^", "1", True),
        ("v1.0.0", "=", "1.0.0+build", True),
        ("1.0.0", "!=", "1.0.1", True),
        ("1.0.0", "===", "1.0.0", False),
        ("01.0.0", "=", "1.0.0", False),
        ("not-a-version", "=", "1.0.0", False),
        (1, "=", "1.0.0", False),
    ],
)
def test_semantic_versions(left: Any, operator: str, right: str, expected: bool) -> None:
    assert chosen({"sem_ver": [{"var": "version"}, operator, right]}, {"version": left}) is expected


def test_reasons() -> None:
    base = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}
    static = evaluate(base, "f", {})
    assert (static.variant, static.value, static.reason) == ("on", True, Reason.STATIC)
    disabled = evaluate({**base, "state": "DISABLED"}, "f", {})
    assert (disabled.variant, disabled.value, disabled.reason) == (None, None, Reason.DISABLED)
    nothing = evaluate({**base, "targeting": {"if": [False, "off"]}}, "f", {})
    assert (nothing.variant, nothing.reason) == ("on", Reason.DEFAULT)
    code = evaluate({**base, "defaultVariant": None}, "f", {})
    assert (code.variant, code.reason) == (None, Reason.DEFAULT)


@pytest.mark.parametrize(
    "rule",
    [
        {"nonsense": [1]},
        {"a": 1, "b": 2},
        "absent",
        ["hit"],
        {"if": [True, "absent"]},
        {"/": [1, 0]},
        {"<": [1]},
        7,
    ],
)
def test_a_broken_rule_gives_the_default_variant(rule: Any) -> None:
    definition = {"state": "ENABLED", "variants": VARIANTS, "defaultVariant": "none"}
    result = evaluate({**definition, "targeting": rule}, "flag", {})
    assert (result.variant, result.reason) == ("none", Reason.ERROR)
    assert result.error


def test_an_error_that_nobody_foresaw_gives_the_default_variant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: Any) -> Any:
        raise RuntimeError("of an operator")

    monkeypatch.setattr(Evaluator, "evaluate", fails)
    definition = {"state": "ENABLED", "variants": VARIANTS, "defaultVariant": "none"}
    result = evaluate({**definition, "targeting": {"!": [1]}}, "flag", {})
    assert (result.variant, result.reason, result.error) == ("none", Reason.ERROR, "RuntimeError")


def test_endless_rules_end() -> None:
    deep: Any = True
    for _ in range(5_000):
        deep = {"!": deep}
    assert run({"if": [deep, "hit", "miss"]}) == "none"
    wide = {"map": [{"var": "l"}, {"map": [{"var": "l"}, 1]}]}
    context = {"l": [{"l": list(range(1_000))} for _ in range(1_000)]}
    assert run(wide, context) == "none"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["if", "var", "fractional", "cat", "<", "sem_ver", "%", "substr", "x"])
            | st.text(max_size=4),
            inner,
            max_size=2,
        )
    ),
    max_leaves=20,
)


@given(_JSON)
def test_no_definition_raises(anything: Any) -> None:
    context = {"targetingKey": "u"}
    assert isinstance(evaluate(anything, "f", context).reason, Reason)
    definition = {"state": "ENABLED", "variants": VARIANTS, "defaultVariant": "hit"}
    result = evaluate({**definition, "targeting": anything}, "f", context)
    assert result.variant in VARIANTS
    assert all(problem.detail for problem in validate(anything))
    assert all(problem.detail for problem in validate({**definition, "targeting": anything}))


def test_the_default_flags_are_sound_and_on() -> None:
    assert set(DEFAULT_FLAGS) == {"generator", "personal-facts", "personal-taste", "exploration"}
    for key, definition in DEFAULT_FLAGS.items():
        assert validate(definition) == []
        result = evaluate(definition, key, {"targetingKey": "anyone"})
        assert (result.variant, result.value, result.reason) == ("on", True, Reason.STATIC)
