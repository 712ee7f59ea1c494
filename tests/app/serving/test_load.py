"""The control law on a virtual clock."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.serving.cost import Cost, CostFit
from app.serving.load import (
    RISE_SECONDS,
    Limits,
    Load,
    Plan,
    Rung,
    decide,
    ladder,
    retry_after,
    top,
)

LIMITS = Limits(
    n_max=10,
    new_tokens=40,
    context_tokens=100,
    retrieved=10,
    gather_seconds=0.45,
    rank_seconds=0.2,
    chat_seconds=0.8,
    in_flight_max=256,
)
IDLE = Load(generator=Cost(0.02, 0.0004), reranker=Cost(0.005, 0.0001))

costs = st.builds(Cost, fixed=st.floats(0, 0.3), per_token=st.floats(0, 0.002))
loads = st.builds(
    Load,
    rate=st.floats(0, 200),
    in_flight=st.integers(0, 400),
    generator_delay=st.floats(0, 2),
    reranker_delay=st.floats(0, 2),
    encoder_delay=st.floats(0, 2),
    generator=costs,
    reranker=costs,
    reply_tokens=st.floats(1, 80),
)
more = st.floats(0, 3)


def heavier(load: Load, rate: float, delay: float, rank: float, in_flight: int) -> Load:
    return replace(
        load,
        rate=load.rate + 50 * rate,
        in_flight=load.in_flight + in_flight,
        generator_delay=load.generator_delay + delay,
        reranker_delay=load.reranker_delay + rank,
        encoder_delay=load.encoder_delay + rank,
    )


@given(loads, more, more, more, st.integers(0, 100), st.integers(0, 11), st.floats(0, 1))
def test_candidates_never_rise_with_the_load(
    load: Load, rate: float, delay: float, rank: float, in_flight: int, level: int, waited: float
) -> None:
    worse = heavier(load, rate, delay, rank, in_flight)
    rung = Rung(level, 0.0)
    _, light = decide(rung, load, LIMITS, waited)
    _, heavy = decide(rung, worse, LIMITS, waited)
    assert heavy.n <= light.n
    assert heavy.n * heavy.max_new_tokens <= light.n * light.max_new_tokens
    assert retry_after(load, LIMITS) is None or retry_after(worse, LIMITS) is not None


@given(loads, st.integers(0, 11))
def test_a_steady_load_settles_on_one_rung(load: Load, level: int) -> None:
    rung, now, plans = Rung(level, 0.0), 0.0, []
    for _ in range(40):
        now += RISE_SECONDS
        rung, plan = decide(rung, load, LIMITS, now)
        plans.append(plan)
    settled = plans[len(ladder(LIMITS)) :]
    assert set(settled) == {settled[-1]}
    assert plans == sorted(plans, key=lambda p: p.n * p.max_new_tokens)  # down at once, then up


@given(loads, st.integers(1, 11), st.floats(0, 10))
def test_it_rises_a_rung_each_quarter_second_and_drops_at_once(
    load: Load, level: int, waited: float
) -> None:
    rung, _ = decide(Rung(level, 0.0), load, LIMITS, waited)
    assert rung.level <= level + int(waited / RISE_SECONDS)
    again, _ = decide(rung, load, LIMITS, rung.since)
    assert again == rung  # nothing is left to drop


def test_an_idle_system_generates_all() -> None:
    _, plan = decide(top(LIMITS, 0.0), IDLE, LIMITS, 0.0)
    assert plan == Plan(10, 40)


@pytest.mark.parametrize(
    "busy",
    [
        replace(IDLE, rate=1_000.0),
        replace(IDLE, generator_delay=1.0),
        replace(IDLE, reranker_delay=1.0),
    ],
)
def test_each_kind_of_load_ends_the_generation_at_once(busy: Load) -> None:
    rung, plan = decide(top(LIMITS, 0.0), busy, LIMITS, 0.0)
    assert plan.n == 0
    seconds = 0.0
    while plan.n < 10:
        seconds += RISE_SECONDS
        rung, plan = decide(rung, IDLE, LIMITS, seconds)
    assert seconds <= 10.0  # recovered


def test_in_between_the_load_chooses_in_between() -> None:
    _, plan = decide(top(LIMITS, 0.0), replace(IDLE, generator_delay=0.25), LIMITS, 0.0)
    assert 0 < plan.n < 10


@given(loads, st.integers(0, 10), st.floats(0, 10))
def test_a_pinned_number_is_honoured(load: Load, pinned: int, now: float) -> None:
    limits = replace(LIMITS, pinned=pinned)
    rung = top(limits, 0.0)
    assert decide(rung, load, limits, now)[1] == Plan(pinned, 40)


@given(loads)
def test_without_a_generator_nothing_is_asked_of_it(load: Load) -> None:
    for pinned in (None, 5):
        limits = replace(LIMITS, n_max=0, pinned=pinned)
        assert decide(top(limits, 0.0), load, limits, 9.0)[1].n == 0


def test_admission() -> None:
    assert retry_after(IDLE, LIMITS) is None
    assert retry_after(replace(IDLE, in_flight=255), LIMITS) is None
    assert retry_after(replace(IDLE, in_flight=256), LIMITS) == 1.0
    assert retry_after(replace(IDLE, encoder_delay=3.0), LIMITS) == 3.0


@given(
    st.floats(0, 0.2),
    st.floats(1e-5, 0.01),
    st.lists(st.integers(1, 3_000), min_size=2, max_size=30),
)
def test_the_fit_finds_a_line(fixed: float, slope: float, sizes: list[int]) -> None:
    assume(max(sizes) > 2 * min(sizes))
    fit = CostFit()
    for tokens in sizes:
        fit = fit.observed(tokens, 1, fixed + slope * tokens, now=1.0)
    cost = fit.cost(1.0)
    for tokens in (min(sizes), max(sizes)):
        assert cost.seconds(tokens) == pytest.approx(fixed + slope * tokens, rel=0.01, abs=1e-4)


def test_the_fit_follows_a_model_that_becomes_slower() -> None:
    fit = CostFit()
    for i in range(200):
        tokens = 100 + 50 * (i % 7)
        slope = 0.001 if i < 100 else 0.003
        fit = fit.observed(tokens, 2, 0.01 + slope * tokens, now=float(i))
    assert fit.cost(199.0).per_token == pytest.approx(0.003, rel=0.05)
    assert fit.tokens_per_item(30.0) == pytest.approx(125, rel=0.2)


@given(
    st.lists(st.tuples(st.integers(1, 5_000), st.integers(1, 50), st.floats(0, 5)), max_size=30),
    st.floats(0, 100),
)
def test_a_fit_is_never_negative(batches: list[tuple[int, int, float]], now: float) -> None:
    fit = CostFit(base=Cost(0.01, 0.001))
    for tokens, items, seconds in batches:
        fit = fit.observed(tokens, items, seconds, now=0.0)
    cost = fit.cost(now)
    assert cost.fixed >= 0
    assert cost.per_token >= 0


def test_an_old_fit_gives_way_to_what_was_measured_at_start() -> None:
    fit = CostFit().observed(100, 1, 0.1, 0.0).observed(500, 1, 0.3, 0.0).settled()
    base = fit.cost(0.0)
    for _ in range(100):
        fit = fit.observed(100, 1, 5.0, 10.0).observed(200, 1, 9.0, 10.0)
    assert fit.cost(10.0).seconds(100) > 3.0
    assert fit.cost(60.0).seconds(100) == pytest.approx(base.seconds(100), rel=0.01)
