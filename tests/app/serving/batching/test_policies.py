"""The two policies, pure, and what becomes of them and of the guard in a batcher."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.serving.batching.policies import DEFAULTS, POLICIES, coalesce, policy_for, single
from app.serving.batching.queue import Budget

budgets = st.builds(Budget, tokens=st.integers(1, 600), items=st.integers(1, 12))


@given(budgets, st.none() | st.integers(-50, 1_000))
def test_the_guard_only_takes_away(budget: Budget, allowed: int | None) -> None:
    held = coalesce(budget, allowed)
    assert held.items == budget.items
    assert held.tokens == (
        budget.tokens if allowed is None else max(1, min(budget.tokens, allowed))
    )


@given(budgets, st.none() | st.integers(-50, 1_000))
def test_single_is_one_item_whatever_the_guard_says(budget: Budget, allowed: int | None) -> None:
    assert single(budget, allowed) == Budget(budget.tokens, 1)


@pytest.mark.parametrize("device", ["cpu", "cuda", "something else"])
def test_a_setting_names_its_policy(device: str) -> None:
    assert policy_for("single", device) is single
    assert policy_for("coalesce", device) is coalesce
    assert policy_for("auto", device) is POLICIES[DEFAULTS.get(device, "coalesce")]
