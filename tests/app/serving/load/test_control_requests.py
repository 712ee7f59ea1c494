"""Requests before the load controller: ahead of one another, refused, left, failed."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from app.errors import DeadlineExceeded, KindredError, ModelFailure, Overloaded
from app.serving.batching.batcher import Backlog
from app.serving.hang_ups import HungUp
from app.serving.load.controller import ENCODER, GENERATOR
from app.serving.load.law import Plan
from app.serving.load.request import failed, stage
from app.serving.load.returns import LATEST, SOONEST
from tests.app.serving.load.world import EMPTY, World


def test_what_is_ahead_is_all_that_was_let_in_and_is_not_done(world: World) -> None:
    control = world.controller()
    assert control.load().ahead == 0.0
    first = control.enter()
    one = control.load().ahead
    assert one > 0.0  # not in any queue yet, and counted
    second = control.enter()
    assert control.load().ahead == pytest.approx(2 * one)
    control.leave(first)
    control.leave(second)
    assert control.load().ahead == 0.0
    world.backlogs[GENERATOR] = replace(EMPTY, items=2, tokens=1_000)
    world.backlogs[ENCODER] = replace(EMPTY, items=2, tokens=100)
    assert control.load().ahead == pytest.approx(0.2 + 0.001)


def test_a_request_that_has_candidates_to_rank_is_ahead_of_those_that_come(world: World) -> None:
    control = world.controller()
    with control.admission():
        before = control.load().ahead
        plan = control.plan()
        to_rank = control.load().ahead
        assert to_rank == pytest.approx((10 + plan.n) * 10 * 5e-5)
        assert to_rank != before
        control.ranking()
        assert control.load().ahead == 0.0


def test_each_greenlet_has_its_own_request(world: World) -> None:
    control = world.controller()
    one, other = contextvars.copy_context(), contextvars.copy_context()
    first, second = control.admission(), control.admission()
    one.run(first.__enter__)
    other.run(second.__enter__)
    waiting = control.load().ahead
    one.run(control.plan)
    one.run(control.ranking)
    assert control.load().ahead == pytest.approx(waiting / 2)  # the other has not planned
    other.run(second.__exit__, None, None, None)
    one.run(first.__exit__, None, None, None)
    assert control.in_flight == 0


def test_without_a_request_a_plan_can_be_had(world: World) -> None:
    control = world.controller()
    assert control.plan() == Plan(10, 40)
    control.ranking()
    failed(DeadlineExceeded())


def test_requests_are_refused_by_number_and_by_what_is_ahead(world: World) -> None:
    control = world.controller(in_flight_max=2)
    with control.admission(), control.admission():
        assert control.in_flight == 2
        with pytest.raises(Overloaded), control.admission():
            pass
    assert control.in_flight == 0
    world.backlogs[ENCODER] = Backlog(1, 10, running_tokens=10, running_seconds=0.6)
    with pytest.raises(Overloaded) as refused, control.admission():
        pass
    assert refused.value.retry_after is not None
    assert SOONEST <= refused.value.retry_after <= LATEST
    assert (
        world.metrics.registry.get_sample_value(
            "kindred_dropped_total", {"model": "chat", "reason": "shed"}
        )
        == 2
    )


def test_background_work_is_refused_first(world: World) -> None:
    control = world.controller()
    world.backlogs[GENERATOR] = replace(EMPTY, items=3, tokens=1_500)
    with pytest.raises(Overloaded), control.admission(background=True):
        pass
    with control.admission():
        pass


def test_what_a_client_left_behind_is_neither_an_answer_nor_work_that_ran(world: World) -> None:
    control = world.controller()

    def hang_up(seconds: float, after: Callable[[], object]) -> None:
        with suppress(HungUp), control.admission():
            after()
            world.now += seconds
            raise HungUp

    for _ in range(100):
        world.now += 0.9
        hang_up(0.9, control.plan)  # longer than the objective
    assert control.trim == 1.0
    assert control.load().generated_share == pytest.approx(1.0)
    assert control.in_flight == 0
    for _ in range(10):
        hang_up(0.5, lambda: failed(Overloaded()))
    assert control.trim < 1.0  # but what was late before is late


@pytest.mark.parametrize(
    ("error", "trim"), [(DeadlineExceeded(), 0.5), (Overloaded(), 0.5), (ModelFailure(), 1.0)]
)
def test_a_stage_that_gave_nothing_is_not_taken_for_work_that_was_not_needed(
    world: World, error: KindredError, trim: float
) -> None:
    control = world.controller()
    for _ in range(100):
        world.now += 0.2
        with control.admission():
            control.plan()
            with pytest.raises(type(error)), stage():
                raise error
    load = control.load()
    assert load.generated_share == pytest.approx(1.0)
    assert load.reply_tokens == pytest.approx(10)
    assert control.trim == trim
