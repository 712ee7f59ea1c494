"""The control law, as a pure function of the load."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.serving.load.cost import Cost
from app.serving.load.gain import measured
from app.serving.load.law import (
    ADMITTED,
    RISE_SECONDS,
    Level,
    Load,
    Plan,
    admits,
    capacity,
    decide,
    demand,
    plans,
    predicted,
    start,
)
from tests.app.serving.load.loads import (
    IDLE,
    LIMITS,
    TOP,
    gains,
    heavier,
    loads,
    more,
    rate_and_queue,
    rungs,
)


@given(loads, more, more, st.integers(0, 100), rungs, st.floats(0, 1), gains)
def test_candidates_never_rise_with_the_load(
    load: Load, rate: float, ahead: float, in_flight: int, rung: int, waited: float, gain: object
) -> None:
    limits = replace(LIMITS, gain=gain)  # type: ignore[arg-type]
    worse = rate_and_queue(load, rate, ahead, in_flight)
    calm_level, calm = decide(Level(rung, 0.0), load, limits, waited)
    busy_level, busy = decide(Level(rung, 0.0), worse, limits, waited)
    assert busy.n <= calm.n
    assert busy.n * busy.max_new_tokens <= calm.n * calm.max_new_tokens
    assert busy_level.rung <= calm_level.rung


@given(heavier())
def test_who_is_refused_at_some_load_is_refused_at_more(pair: tuple[Load, Load]) -> None:
    light, heavy = pair
    for background in (False, True):
        if light.ahead > 0 and not admits(light, LIMITS, background=background):
            assert not admits(heavy, LIMITS, background=background)
    if not admits(light, LIMITS):  # the unimportant goes first
        assert not admits(light, LIMITS, background=True)


@given(heavier(), rungs)
def test_what_a_plan_can_serve_falls_with_its_size_and_with_the_load(
    pair: tuple[Load, Load], rung: int
) -> None:
    light, heavy = pair
    served = [capacity(plan, light, LIMITS) for plan in plans(LIMITS)]
    assert served == sorted(served, reverse=True)
    plan = plans(LIMITS)[rung]
    assert capacity(plan, heavy, LIMITS) <= capacity(plan, light, LIMITS) * (1 + 1e-9)
    assert capacity(plan, light, LIMITS, 0.8) <= capacity(plan, light, LIMITS)


@given(loads, rungs, st.floats(0, 5))
def test_nothing_that_is_let_in_is_predicted_late(load: Load, rung: int, waited: float) -> None:
    if load.ahead <= 0 or not admits(load, LIMITS):
        return
    _, plan = decide(Level(rung, 0.0), load, LIMITS, waited)
    assert predicted(plan, load, LIMITS) <= LIMITS.objective_seconds
    asked = demand(plan, load, LIMITS)
    if plan.n > 0:
        assert load.ahead + asked.alone - asked.rank <= LIMITS.gather_seconds


@given(loads, rungs)
def test_a_steady_load_settles_on_one_plan(load: Load, rung: int) -> None:
    level, now, seen = Level(rung, 0.0), 0.0, []
    for _ in range(4 * TOP):
        now += RISE_SECONDS
        level, plan = decide(level, load, LIMITS, now)
        seen.append((level.rung, plan))
    settled = seen[2 * TOP :]
    if load.ahead > 0.0:
        assert set(settled) == {settled[-1]}
    else:  # save for what is tried every few seconds
        assert {rung for rung, _ in settled} == {settled[-1][0]}
        assert len({plan for _, plan in settled} - {plans(LIMITS)[1]}) <= 1
    levels = [rung for rung, _ in seen]
    assert levels == sorted(levels)  # after what it drops at once, it only rises


@given(loads, rungs, st.floats(0, 10))
def test_it_drops_at_once_and_rises_a_rung_each_quarter_second(
    load: Load, rung: int, waited: float
) -> None:
    level, _ = decide(Level(rung, 0.0), load, LIMITS, waited)
    assert level.rung <= rung + int(waited / RISE_SECONDS)
    again, _ = decide(level, load, LIMITS, level.since)
    assert again.rung == level.rung  # nothing is left to drop


def test_after_a_full_stretch_at_one_level_it_still_rises_by_steps() -> None:
    busy, level, now = replace(IDLE, rate=25.0), start(LIMITS, 0.0), 0.0
    for _ in range(400):
        now += 0.05
        level, _ = decide(level, busy, LIMITS, now)
    held = level.rung
    assert 0 < held < TOP
    level, _ = decide(level, IDLE, LIMITS, now + 0.05)
    assert level.rung <= held + 1


def test_an_idle_system_generates_all_and_a_quiet_hour_brings_all_back() -> None:
    assert decide(start(LIMITS, 0.0), IDLE, LIMITS, 0.0)[1] == Plan(10, 40)
    assert decide(Level(0, 0.0), IDLE, LIMITS, 3_600.0)[1] == Plan(10, 40)


@pytest.mark.parametrize(
    "busy",
    [
        replace(IDLE, rate=1_000.0),
        replace(IDLE, ahead=1.0),
        replace(IDLE, generator=Cost(3.0, 0.0)),
        replace(IDLE, rate=5.0, reranker=Cost(0.0, 0.01)),
    ],
)
def test_each_kind_of_load_ends_the_generation_at_once(busy: Load) -> None:
    level, plan = decide(start(LIMITS, 0.0), busy, LIMITS, 0.0)
    assert plan.n == 0
    seconds = 0.0
    while plan.n < 10:
        seconds += RISE_SECONDS
        level, plan = decide(level, IDLE, LIMITS, seconds)
    assert seconds <= 10.0


def test_the_ladder_goes_down_by_candidates_then_by_their_length_then_to_retrieval_only() -> None:
    seen = [decide(start(LIMITS, 0.0), replace(IDLE, rate=r), LIMITS, 0.0)[1] for r in range(90)]
    sizes = [plan.n for plan in seen]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 10
    assert sizes[-1] == 0
    assert len(set(sizes)) > 5
    tokens = [plan.n * plan.max_new_tokens for plan in seen]
    assert tokens == sorted(tokens, reverse=True)
    assert plans(LIMITS)[:3] == (Plan(0, 40), Plan(1, 20), Plan(1, 40))


def test_one_requests_queue_limits_its_own_plan_and_leaves_the_level() -> None:
    level, plan = decide(start(LIMITS, 0.0), replace(IDLE, ahead=0.335), LIMITS, 0.0)
    assert 0 < plan.n < 10
    assert level.rung == TOP
    assert decide(level, IDLE, LIMITS, 0.0)[1].n == 10


def test_what_is_worth_nothing_more_is_weighed_against_those_who_would_be_refused() -> None:
    busy = replace(IDLE, rate=80.0)
    flat = replace(LIMITS, gain=measured([0.92, *[0.93] * 10], 0.925))
    assert decide(start(flat, 0.0), busy, flat, 0.0)[1].n == 0
    # Where a reply without candidates is worth little, fewer people get a good one.
    steep = replace(LIMITS, gain=measured([0.05, *[0.93] * 10], 0.9))
    level, _ = decide(start(steep, 0.0), busy, steep, 0.0)
    assert plans(steep)[level.rung].n >= 1


def test_capacity_is_where_the_expected_latency_meets_the_limit() -> None:
    for plan in plans(LIMITS):
        asked, most = demand(plan, IDLE, LIMITS), capacity(plan, IDLE, LIMITS)
        waiting = min(1.0, most * asked.alone) * asked.fixed

        def latency(alone: float, asked=asked, most=most, waiting=waiting) -> float:  # type: ignore[no-untyped-def]
            return (alone + waiting) / (1 - most * asked.own)

        assert most * asked.shared <= 0.95 + 1e-9
        assert latency(asked.alone) <= LIMITS.reply_seconds * (1 + 1e-9)
        binding = (
            math.isclose(most * asked.shared, 0.95, rel_tol=1e-6)
            or math.isclose(latency(asked.alone), LIMITS.reply_seconds, rel_tol=1e-6)
            or latency(asked.alone - asked.rank) >= 0.99 * LIMITS.gather_seconds
        )
        assert binding


@given(loads, st.integers(0, 12), st.floats(0, 10))
def test_a_pinned_number_is_honoured_and_admission_reckons_with_it(
    load: Load, pinned: int, now: float
) -> None:
    limits = replace(LIMITS, pinned=pinned)
    assert decide(start(limits, 0.0), load, limits, now)[1] == Plan(min(10, pinned), 40)
    if load.ahead > 0 and admits(load, limits):
        assert predicted(plans(limits)[0], load, limits) <= ADMITTED * limits.reply_seconds


@given(loads)
def test_without_a_generator_nothing_is_asked_of_it(load: Load) -> None:
    for pinned in (None, 5):
        limits = replace(LIMITS, n_max=0, pinned=pinned)
        assert decide(start(limits, 0.0), load, limits, 9.0)[1].n == 0
