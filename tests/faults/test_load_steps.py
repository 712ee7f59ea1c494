"""Rows 22 and 23: load steps, and clients that retry through an overload, on a virtual clock.

The real control law, queues and batch selection; models that take made-up, noisy times and share
their cores. Arrivals are random and open loop, timed from when they were to be sent.
"""

from __future__ import annotations

from functools import cache

import pytest

from tests.simulation.service import Service, Summary
from tests.simulation.shipped import c10, limits, scaled, steady

STEPS = (0.5, 0.8, 1, 1.5, 2, 5, 10)
_STEP_SECONDS = 8.0
OBJECTIVE = 0.8
FIXED = (10, 5, 1, 0)
MACHINES = (1.0, 3.0)  # how many times as slow as the simulation's own costs


@cache
def up_and_down(slower: float) -> tuple[Service, dict[tuple[int, float], Summary], float]:
    """All steps up and back in one run: by place in the run and multiple of C10."""
    service = Service(limits(), costs=scaled(slower), seed=3)
    rate, begin = c10(slower), service.clock.now
    order = (*STEPS, *STEPS[-2::-1])
    for place, step in enumerate(order):
        at = begin + place * _STEP_SECONDS
        service.poisson(step * rate, at, at + _STEP_SECONDS)
    service.clock.run(begin + len(order) * _STEP_SECONDS + 3.0)
    seen = {}
    for place, step in enumerate(order):
        at = begin + place * _STEP_SECONDS
        answers = service.between(at, at + _STEP_SECONDS)
        seen[place, step] = Summary.of(answers, _STEP_SECONDS, service.limits)
    return service, seen, begin


@pytest.mark.faults(22)
@pytest.mark.parametrize("slower", MACHINES)
def test_row_22_accepted_requests_hold_the_objective_at_every_step(slower: float) -> None:
    _, seen, _ = up_and_down(slower)
    assert all(summary.p95 <= OBJECTIVE for summary in seen.values()), seen


@pytest.mark.faults(22)
@pytest.mark.parametrize("slower", MACHINES)
def test_row_22_goodput_does_not_collapse(slower: float) -> None:
    _, seen, _ = up_and_down(slower)
    at_ten = seen[len(STEPS) - 1, 10]
    assert at_ten.good >= 0.9 * max(summary.good for summary in seen.values())


@pytest.mark.faults(22)
@pytest.mark.parametrize("slower", MACHINES)
def test_row_22_candidates_follow_the_load(slower: float) -> None:
    mean = {step: steady(step * c10(slower), costs=scaled(slower)).mean_n for step in STEPS}
    assert mean[0.5] >= 9
    assert mean[0.8] >= 7
    assert list(mean.values()) == pytest.approx(sorted(mean.values(), reverse=True), abs=0.5)
    assert mean[10] < 0.1


@pytest.mark.faults(22)
@pytest.mark.parametrize("slower", MACHINES)
@pytest.mark.parametrize("step", STEPS)
def test_row_22_no_fixed_number_gives_much_more(slower: float, step: float) -> None:
    rate, costs, seed = step * c10(slower), scaled(slower), round(10 * step)
    ours = steady(rate, costs=costs, seed=seed).gain
    best = max(steady(rate, costs=costs, seed=seed, candidates_pinned=n).gain for n in FIXED)
    assert ours >= 0.95 * best


@pytest.mark.faults(22)
def test_row_22_after_the_overload_all_is_as_before_within_ten_seconds() -> None:
    service, rate = Service(limits(), seed=4), c10()
    begin = service.clock.now
    service.poisson(10 * rate, begin, begin + 15)
    service.poisson(0.5 * rate, begin + 15, begin + 40)
    service.clock.run(begin + 45)
    after = Summary.of(service.between(begin + 25, begin + 40), 15, service.limits)
    assert after.refused == 0
    assert after.p95 <= OBJECTIVE
    assert after.mean_n >= 9


@pytest.mark.faults(22)
def test_row_22_a_refusal_asks_no_model() -> None:
    service = Service(limits(), seed=5)
    begin = service.clock.now
    service.poisson(10 * c10(), begin, begin + 10)
    service.clock.run(begin + 15)
    refused = [answer for answer in service.answers if answer.status == 503]
    assert len(refused) > 100
    assert all(answer.seconds == 0.0 for answer in refused)  # virtual time passes in models only


@pytest.mark.faults(23)
def test_row_23_clients_that_retry_are_served_within_ten_seconds_of_its_end() -> None:
    service, rate = Service(limits(), seed=6), c10()
    begin = service.clock.now
    service.poisson(0.5 * rate, begin, begin + 5, retries=3)
    service.poisson(10 * rate, begin + 5, begin + 15, retries=3)
    service.poisson(0.5 * rate, begin + 15, begin + 75, retries=3)
    service.clock.run(begin + 80)
    during = Summary.of(service.between(begin + 6, begin + 15), 9, service.limits)
    assert during.offered > 11 * rate  # the retries come on top
    assert during.p95 <= OBJECTIVE
    peak = during.good
    tail = Summary.of(service.between(begin + 15, begin + 20), 5, service.limits)
    assert tail.good >= min(0.9 * peak, 0.9 * tail.offered)  # no time is lost to the crowd
    after = Summary.of(service.between(begin + 16, begin + 45), 29, service.limits)
    assert after.refused == 0  # they come back one after another, and beside those who are new
    assert after.p95 <= OBJECTIVE
    later = Summary.of(service.between(begin + 50, begin + 75), 25, service.limits)
    assert later.mean_n >= 9
