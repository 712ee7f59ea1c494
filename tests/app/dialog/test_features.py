"""What the flags of one message may cost together, and what becomes of those that come last."""

from __future__ import annotations

from typing import Any

import pytest

from app.dialog.features import assign
from app.experiments.assignment import Evaluation, evaluate
from app.experiments.json_logic import STEPS_MAX
from app.store.flags import FlagSet

ENDLESS = {"map": [[0] * 200, {"map": [[0] * 200, {"if": [True, "on"]}]}]}
PLAIN = {"if": [{"in": ["person", {"var": "targetingKey"}]}, "on", "off"]}


def flag(rule: Any) -> dict[str, Any]:
    return {
        "state": "ENABLED",
        "variants": {"on": True, "off": False},
        "defaultVariant": "off",
        "targeting": rule,
    }


def variants(**rules: Any) -> dict[str, str]:
    definitions = {name: flag(rule) for name, rule in sorted(rules.items())}
    return dict(assign(FlagSet(1, definitions), "person-1", crisis=False).variants)


def test_a_flag_that_takes_all_its_steps_leaves_the_others_as_they_are() -> None:
    assert variants(a=ENDLESS, b=PLAIN, c={}) == {"a": "off", "b": "on", "c": "off"}


def test_once_all_flags_took_too_much_the_rest_have_their_default_variants() -> None:
    found = variants(a=PLAIN, b=ENDLESS, c=ENDLESS, d=PLAIN, e=PLAIN)
    assert found == {"a": "on", "b": "off", "c": "off", "d": "off", "e": "off"}


def test_all_flags_of_a_message_together_take_no_more_than_two_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: list[int] = []

    def counted(*arguments: Any, **more: Any) -> Evaluation:
        found = evaluate(*arguments, **more)
        taken.append(found.steps)
        return found

    monkeypatch.setattr("app.dialog.features.evaluate", counted)
    rules = {f"f{i}": ENDLESS for i in range(200)}
    assert set(variants(**rules).values()) == {"off"}
    assert len(taken) == 200
    assert sum(taken) == 2 * STEPS_MAX
