"""The load controller between a virtual clock and made-up queues."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import DeadlineExceeded
from app.serving.batching.batcher import Backlog, BatchReport
from app.serving.load.controller import GENERATOR, RERANKER, limits_of
from app.serving.load.law import RISE_SECONDS, TRIAL_SECONDS, Plan
from app.serving.load.peers import Peers
from app.serving.load.request import failed
from app.settings import Settings
from tests.app.serving.load.world import BUDGETS, EMPTY, World


def test_costs_are_learned_from_warming_and_from_batches(world: World) -> None:
    control = world.controller()
    load = control.load()
    assert load.generator.per_token == pytest.approx(2e-4)
    assert load.generator.fixed == pytest.approx(0.01)
    assert load.reranker.per_token == pytest.approx(5e-5)
    assert load.reply_tokens == pytest.approx(10)
    for _ in range(30):
        world.now += 0.2
        control.observe(BatchReport(GENERATOR, 1, 500, 3 * 0.11, 0.0))
    assert control.load().generator.seconds(500) == pytest.approx(0.33, rel=0.1)


def test_time_that_two_models_share_is_not_counted_twice(world: World) -> None:
    control = world.controller()
    for _ in range(40):
        world.now += 0.2
        # The reranker has been running all along, beside it: the clock says twice the work.
        world.backlogs[RERANKER] = Backlog(0, 0, running_tokens=1_000, running_seconds=0.5)
        control.observe(BatchReport(GENERATOR, 1, 500, 0.2, 0.0))
    assert control.load().generator.seconds(500) == pytest.approx(0.1, rel=0.1)
    world.backlogs[RERANKER] = EMPTY
    world.backlogs[GENERATOR] = replace(EMPTY, items=1, tokens=500)
    # But an item of the generator's queue waits as long as the clock says.
    assert control.delay(GENERATOR) > 0.13


def test_the_delay_is_what_waits_and_what_is_left_of_what_runs(world: World) -> None:
    control = world.controller()
    assert control.delay(RERANKER) == 0.0
    world.backlogs[RERANKER] = replace(EMPTY, items=20, tokens=1_000)
    assert control.delay(RERANKER) == pytest.approx(0.05)
    world.backlogs[RERANKER] = Backlog(20, 1_000, running_tokens=900, running_seconds=0.02)
    assert control.delay(RERANKER) == pytest.approx(0.05 + 0.035)
    late = replace(world.backlogs[RERANKER], running_seconds=0.6)
    world.backlogs[RERANKER] = late
    assert control.load().ahead > 0.5  # expected to take as long again
    world.backlogs[RERANKER] = replace(late, running_seconds=5.0)
    assert control.delay(RERANKER) > 4.0  # a hanging model is not expected back at once
    assert control.delay("unknown") == 0.0


def test_the_hopeless_is_known_beforehand(world: World) -> None:
    control = world.controller()
    world.backlogs[RERANKER] = replace(EMPTY, items=20, tokens=1_000)
    assert control.hopeless(RERANKER, 500, world.now + 0.05)
    assert not control.hopeless(RERANKER, 500, world.now + 0.1)


def test_a_native_call_that_never_returns_turns_nobody_away(world: World) -> None:
    control = world.controller()
    hanging = Backlog(0, 0, running_tokens=500, running_seconds=3_600.0)
    world.backlogs[GENERATOR] = hanging
    assert control.load().ahead == 0.0
    for _ in range(20):
        world.now += 0.5
        with control.admission():
            assert control.plan().n == 0  # what it would generate nobody would see
            # Nor does it take the others' cores: they cost what they cost alone.
            control.observe(BatchReport(RERANKER, 10, 500, 0.035, 0.0))
    assert control.load().reranker.seconds(500) == pytest.approx(0.035, rel=0.05)
    with pytest.raises(DeadlineExceeded):
        control.require(GENERATOR, 100, world.now + 60.0)
    control.require(RERANKER, 100, world.now + 60.0)
    dropped = {"model": GENERATOR, "reason": "hopeless"}
    assert world.metrics.registry.get_sample_value("kindred_dropped_total", dropped) == 1
    world.backlogs[GENERATOR] = EMPTY
    assert control.plan().n > 0


def test_a_free_model_is_always_tried_so_that_one_bad_measurement_does_not_stay(
    world: World,
) -> None:
    control = world.controller()
    for _ in range(50):
        world.now += 0.1
        control.observe(BatchReport(RERANKER, 10, 100, 30.0, 0.0))
    assert control.load().reranker.seconds(500) > 1.0
    assert not control.hopeless(RERANKER, 500, world.now + 0.001)
    with control.admission():  # and nobody is before it: let in
        pass
    world.now += 60.0
    assert control.load().reranker.seconds(500) < 0.1
    assert control.plan() == Plan(10, 40)


def test_the_plan_follows_the_queue_at_once_and_the_rate_up_slowly(world: World) -> None:
    control = world.controller()
    assert control.plan() == Plan(10, 40)
    world.backlogs[GENERATOR] = replace(EMPTY, items=3, tokens=2_000)
    assert control.plan().n == 0
    assert world.metrics.registry.get_sample_value("kindred_candidates") == 0
    world.backlogs[GENERATOR] = EMPTY
    assert control.plan().n == 10  # the queue was that moment's
    for _ in range(600):
        world.now += 0.005
        with control.admission():
            pass
    assert control.plan().n == 0
    seen = []
    for _ in range(50):
        world.now += RISE_SECONDS
        seen.append(control.plan().n)
    assert seen == sorted(seen)
    assert seen.index(10) * RISE_SECONDS <= 10.0
    assert len(set(seen)) > 5  # by steps


def test_late_replies_lower_what_may_be_planned(world: World) -> None:
    control = world.controller()
    for _ in range(60):
        request = control.enter()
        world.now += 0.9
        control.leave(request)
        control.plan()
    assert control.trim == 0.5
    for _ in range(60):
        with control.admission():
            failed(DeadlineExceeded())
            world.now += 0.1
    assert control.trim == 0.5
    for _ in range(100):
        with control.admission():
            world.now += 0.1
    assert control.trim == 1.0


def test_the_guard_cuts_a_batch_to_its_heads_slack_but_not_to_crumbs(world: World) -> None:
    control = world.controller()
    allowed = control.allowance(GENERATOR)
    assert allowed(0.11) == pytest.approx(500, abs=2)
    assert allowed(0.31) == pytest.approx(1_500, abs=2)
    assert allowed(60.0) == BUDGETS[GENERATOR].tokens
    crumbs = allowed(0.0)
    assert crumbs == allowed(-1.0) == pytest.approx(100, abs=2)  # two thirds of it are tokens
    slacks = [allowed(slack / 100) for slack in range(-10, 200)]
    assert slacks == sorted(slacks)
    assert control.allowance("unknown")(0.1) >= 1


def test_the_objective_is_the_chat_deadline_unless_set(world: World) -> None:
    def limits(**changes: int) -> float:
        return limits_of(Settings(**changes)).objective_seconds  # type: ignore[arg-type]

    assert limits() == 0.8
    assert limits(chat_deadline_ms=60_000) == 60.0
    assert limits(chat_deadline_ms=1_000, latency_objective_ms=400) == 0.4


def test_other_workers_count_as_far_as_the_cores_are_shared(world: World, tmp_path: Path) -> None:
    clock = lambda: world.now
    other = Peers(tmp_path / "workers", clock, pid=2)
    control = world.controller(Peers(tmp_path / "workers", clock, pid=1), cores_share=0.5)
    alone = control.plan()
    other.publish(400.0, 9, 1.0)
    assert control.load().rate == pytest.approx(200.0)
    assert control.plan().n < alone.n
    with control.admission():
        world.now += 0.2
        control.plan()
        seen = other.others()[0]
        assert seen.pid == 1
        assert seen.in_flight == 1
        assert seen.rate > 0
    world.now += 10.0
    assert control.load().rate < 1.0  # it has ended, or has nothing to do
    control.close()
    control.close()
    assert control.load().rate < 1.0


def test_forgetting_starts_anew(world: World) -> None:
    control = world.controller()
    control.forget()
    assert control.load().generator.seconds(1_000) == 0.0


def test_what_does_not_reach_a_model_is_not_reckoned_with_but_what_was_dropped_is(
    world: World,
) -> None:
    control = world.controller()
    full = control.load()
    for _ in range(100):
        world.now += 0.2
        with control.admission():
            control.plan()
            control.observe(BatchReport(GENERATOR, 1, 250, 0.06, 0.0))  # half of what it may have
    assert control.load().generated_share == pytest.approx(0.5, abs=0.07)
    assert control.load().reply_tokens < 0.6 * full.reply_tokens  # all scores were known
    dropped = world.controller()
    for _ in range(100):
        world.now += 0.2
        with dropped.admission():
            dropped.plan()
            failed(DeadlineExceeded())
    assert dropped.load().generated_share == pytest.approx(1.0)


def test_a_generator_that_was_measured_badly_is_measured_again(world: World) -> None:
    control = world.controller()
    control.forget()
    for tokens in (100, 500):
        world.now += 3.0
        control.observe(BatchReport(GENERATOR, 1, tokens, 15 * (0.01 + 2e-4 * tokens), 0.0))
    control.settle()
    assert control.plan() == Plan(1, 20)  # nobody is before it, and nobody had any for a while
    for _ in range(4):
        assert control.plan().n == 0
        world.now += TRIAL_SECONDS / 4
    for _ in range(40):  # each one that is tried tells what it really takes
        plan = control.plan()
        if plan.n:
            control.observe(BatchReport(GENERATOR, 1, 500, 0.11, 0.0))
        world.now += RISE_SECONDS
    assert plan == Plan(10, 40)
