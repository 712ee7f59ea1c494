"""Who is let in, as a pure function of the load."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.serving.load.cost import Cost
from app.serving.load.law import (
    RETURNING,
    TRIAL_SECONDS,
    Load,
    admits,
    capacity,
    decide,
    plans,
    returning,
    start,
)
from tests.app.serving.load.loads import (
    IDLE,
    LIMITS,
    costs,
    loads,
)


def test_admission() -> None:
    assert admits(IDLE, LIMITS)
    assert admits(replace(IDLE, in_flight=255), LIMITS)
    assert not admits(replace(IDLE, in_flight=256), LIMITS)
    assert admits(replace(IDLE, ahead=0.4), LIMITS)
    assert not admits(replace(IDLE, ahead=0.5), LIMITS)
    assert not admits(replace(IDLE, ahead=0.4, trim=0.7), LIMITS)


@given(loads)
def test_those_who_come_back_leave_room_for_new_ones(load: Load) -> None:
    most = capacity(plans(LIMITS)[0], load, LIMITS)
    assert returning(load, LIMITS) == pytest.approx(RETURNING * most)
    assert RETURNING < 1.0


def test_the_unimportant_is_shed_before_anybody_who_waits() -> None:
    between = replace(IDLE, ahead=0.3)
    assert admits(between, LIMITS)
    assert not admits(between, LIMITS, background=True)
    crowded = replace(IDLE, ahead=0.01, rate=1_000.0)
    assert admits(crowded, LIMITS)
    assert not admits(crowded, LIMITS, background=True)
    assert admits(replace(IDLE, ahead=0.01), LIMITS, background=True)


@given(costs, costs, costs)
def test_one_that_finds_nothing_before_it_is_let_in_whatever_is_predicted(
    encoder: Cost, reranker: Cost, generator: Cost
) -> None:
    terrible = Load(
        encoder=Cost(60 + encoder.fixed, encoder.per_token), reranker=reranker, generator=generator
    )
    assert admits(terrible, LIMITS)


@given(loads, st.floats(0, 60))
def test_who_finds_nothing_before_them_tries_candidates_every_few_seconds(
    load: Load, now: float
) -> None:
    free = replace(load, ahead=0.0, generator=Cost(900.0, 900.0))
    level, plan = decide(start(LIMITS, 0.0), free, LIMITS, now)
    assert plan == plans(LIMITS)[now >= TRIAL_SECONDS]
    later = level.tried + TRIAL_SECONDS
    assert decide(level, free, LIMITS, later - 0.01)[1].n == 0
    assert decide(level, replace(free, ahead=0.001), LIMITS, later)[1].n == 0
    assert decide(level, free, LIMITS, later + 0.01)[1] == plans(LIMITS)[1]
    without = replace(LIMITS, n_max=0)
    assert decide(level, free, without, later + 0.01)[1].n == 0
