"""What a rule makes stays small, and is looked through in few steps, whatever the rule is."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.experiments import json_logic, targeting
from app.experiments.assignment import Reason, evaluate
from app.experiments.json_logic import LAZY, STEPS_MAX, Evaluator, LogicError, Operator
from app.experiments.schema import BYTES_MAX, NODES_MAX, validate
from app.experiments.values import loosely_equal, size, strictly_equal, text

OPERATORS = {**json_logic.OPERATORS, **targeting.OPERATORS}
SO_FAR = {"var": "accumulator"}
TWENTY = {"reduce": [[0] * 6, {"substr": [[SO_FAR] * 20, 0]}, "aaaaaaaaaa"]}
"""Each of six texts is twenty of the one before: 719 MB, were they made."""
SMALL = 2_000_000  # bytes: a hundred thousand characters of any script, some times over


def doubled(times: int, first: Any = ("a",)) -> Any:
    """A rule whose value is a list with another twice, and so on: few lists, 2 ** times leaves."""
    return {"reduce": [[0] * times, [SO_FAR, SO_FAR], list(first)]}


DATA = {"list": [1], "targetingKey": "u"}


def value(rule: Any, steps: int = STEPS_MAX) -> Any:
    return Evaluator(targeting.OPERATORS, steps).evaluate(rule, DATA)


def steps_of(rule: Any) -> int:
    """What the rule takes, whether it has a value or none."""
    evaluator = Evaluator(targeting.OPERATORS)
    with suppress(LogicError):
        evaluator.evaluate(rule, DATA)
    return evaluator.taken


@contextmanager
def staying_small() -> Iterator[None]:
    """The memory that is taken inside stays below SMALL."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < SMALL
    finally:
        tracemalloc.stop()


def flag(rule: Any) -> dict[str, Any]:
    return {
        "state": "ENABLED",
        "variants": {"hit": True, "miss": False},
        "defaultVariant": "miss",
        "targeting": rule,
    }


@pytest.mark.parametrize("rule", [TWENTY, {"if": [{"==": [doubled(24), doubled(24)]}, "hit"]}])
def test_a_flag_that_grows_gives_its_default_and_takes_no_more_than_its_steps(rule: Any) -> None:
    assert validate(flag(rule)) == []
    with staying_small():
        found = evaluate(flag(rule), "grows", {"targetingKey": "u"})
    assert (found.variant, found.reason) == ("miss", Reason.ERROR)
    assert found.steps == STEPS_MAX


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_no_operator_looks_through_more_than_its_steps(operator: str) -> None:
    for times in (13, 24, 300):  # of 300 nobody would see the end
        deep = doubled(times)
        for arguments in ([deep], [deep, deep], ["a", deep], [deep, deep, deep], [1, [deep]]):
            with staying_small(), pytest.raises(LogicError, match="steps"):
                value({operator: arguments})


@pytest.mark.parametrize("operator", sorted(LAZY))
def test_what_takes_rules_takes_a_value_of_any_size_as_one(operator: str) -> None:
    for arguments in ([doubled(300)], [doubled(300), {"!": [1]}], [[0] * 9, doubled(300), 1]):
        with staying_small():
            assert 0 < steps_of({operator: arguments}) <= STEPS_MAX


@pytest.mark.parametrize(
    "body",
    [
        {"cat": [SO_FAR, SO_FAR]},
        {"cat": [[SO_FAR, SO_FAR]]},
        {"substr": [[SO_FAR, SO_FAR], 0]},
        {"merge": [SO_FAR, SO_FAR]},
        {"merge": [[SO_FAR, SO_FAR]]},
        {"missing": [{"merge": [SO_FAR, SO_FAR]}]},
        {"map": [{"merge": [SO_FAR, SO_FAR]}, {"var": ""}]},
        {"filter": [{"merge": [SO_FAR, SO_FAR]}, True]},
        {"cat": {"map": [{"merge": [SO_FAR, SO_FAR]}, {"cat": ["long ", {"var": ""}]}]}},
        {"var": ["absent", {"cat": [SO_FAR, SO_FAR]}]},
        {"if": [{"in": [SO_FAR, {"cat": [SO_FAR, SO_FAR]}]}, {"cat": [SO_FAR, SO_FAR]}]},
    ],
)
@pytest.mark.parametrize("first", ["some text", ["a", "b"], 1e300, 10**300])
def test_what_doubles_again_and_again_ends(body: Any, first: Any) -> None:
    with staying_small():
        assert 60 < steps_of({"reduce": [[0] * 60, body, first]}) <= STEPS_MAX


def test_a_text_costs_by_its_length_each_time_it_is_read() -> None:
    for long in ("x" * 50_000, 10**4_000, [1e-300] * 4_000):
        with pytest.raises(LogicError, match="steps"):
            value({"map": [[0] * 200, {"cat": [long]}]})


def test_the_longest_rule_that_is_sound_has_steps_enough() -> None:
    ids = [f"u{i:025}" for i in range((BYTES_MAX - 150) // 29)]
    codes = [f"{i % 100:02}" for i in range(NODES_MAX - 10)]
    for items in (ids, codes):
        definition = flag({"if": [{"in": [{"var": "targetingKey"}, items]}, "hit", "miss"]})
        assert validate(definition) == []
        found = evaluate(definition, "many", {"targetingKey": items[-1]})
        assert (found.variant, found.reason) == ("hit", Reason.TARGETING_MATCH)


def test_steps_are_counted_and_may_be_fewer() -> None:
    definition = flag({"if": [{"in": [{"var": "targetingKey"}, ["a", "b"]]}, "hit", "miss"]})
    found = evaluate(definition, "few", {"targetingKey": "a"})
    assert found.variant == "hit"
    assert 5 < found.steps < 30
    assert evaluate(definition, "few", {"targetingKey": "a"}, steps=found.steps) == found
    short = evaluate(definition, "few", {"targetingKey": "a"}, steps=found.steps - 1)
    assert (short.variant, short.reason, short.steps) == ("miss", Reason.ERROR, found.steps - 1)
    assert evaluate({**definition, "targeting": {}}, "few", {}).steps == 0


def test_lists_and_objects_are_compared_by_being_the_same_one() -> None:
    for operator in ("==", "==="):
        assert value({operator: [[1], [1]]}) is False
        assert value({operator: [{"var": "list"}, {"var": "list"}]}) is True
        assert value({operator: [{"var": ""}, {"var": ""}]}) is True
        assert value({operator: [{"var": "list"}, 1]}) is False
    assert value({"in": [{"var": "list"}, [{"var": "list"}]]}) is True
    assert value({"in": [[1], [[1]]]}) is False
    mine, other = value(doubled(300)), value(doubled(300))  # leaf by leaf nobody would see the end
    assert loosely_equal(mine, mine)
    assert strictly_equal(mine, mine)
    assert not loosely_equal(mine, other)
    assert not strictly_equal(mine, other)


def test_an_object_as_text_does_not_tell_what_it_holds() -> None:
    twice = [{"var": ""}, {"var": ""}]
    assert value({"cat": [{"reduce": [[0] * 300, twice, 1]}]}) == ",".join(["[object Object]"] * 2)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just({"a": 1}),
    lambda inner: st.lists(inner, max_size=4),
)


@given(_VALUES)
@example(-(10**400))
@example([-1.7976931348623157e308] * 9)
def test_a_size_is_no_less_than_a_tenth_of_the_text(anything: Any) -> None:
    whole = size(anything, 10**9)
    assert len(text(anything)) < 10 * whole
    for most in (0, 1, whole - 1):
        assert size(anything, most) > most or whole <= most


def _grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(sorted({*OPERATORS, *LAZY}))
    some = st.lists(inner, min_size=1, max_size=3)
    again = st.tuples(st.integers(1, 40), inner, inner)
    return (
        st.dictionaries(names, some, min_size=1, max_size=1)
        | st.builds(lambda item, times: [item] * times, inner, st.integers(2, 20))
        | again.map(lambda parts: {"reduce": [[0] * parts[0], parts[1], parts[2]]})
    )


_RULES = st.recursive(
    st.sampled_from([SO_FAR, {"var": "current"}, {"var": ""}, "some text", 0, 1e300, 10**50, []]),
    _grown,
    max_leaves=12,
)


class Watched(Evaluator):
    """An evaluator that looks at all that is read and made on the way."""

    def __init__(self, steps: int) -> None:
        self.most = steps
        super().__init__({name: self.watched(OPERATORS[name]) for name in OPERATORS}, steps)

    def watched(self, operator: Operator) -> Operator:
        def watch(arguments: Sequence[Any], data: Any) -> Any:
            assert size(arguments, 10**9) <= self.most  # it would count what nobody else may
            return operator(arguments, data)

        return watch

    def evaluate(self, rule: Any, data: Any) -> Any:
        made = super().evaluate(rule, data)
        if isinstance(made, str):
            assert len(made) <= 10 * self.most
        elif isinstance(made, list):
            assert len(made) <= self.most
        return made


@given(_RULES, st.integers(1, 2_000))
def test_no_rule_makes_more_than_its_steps_allow(rule: Any, steps: int) -> None:
    grows = {"reduce": [[0] * 12, rule, "some text"]}
    evaluator = Watched(steps)
    with suppress(LogicError, RecursionError):
        evaluator.evaluate(grows, {"targetingKey": "u"})
    assert evaluator.taken <= steps
