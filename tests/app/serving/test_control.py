"""The load controller between a virtual clock and made-up queues."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from app.errors import DeadlineExceeded, KindredError, ModelFailure, Overloaded
from app.serving.batcher import Backlog, BatchReport
from app.serving.control import ENCODER, GENERATOR, RERANKER, LoadController, limits_of
from app.serving.control_observed import ArrivalRate, Faded
from app.serving.control_request import failed, stage
from app.serving.gain import measured
from app.serving.hang_ups import HungUp
from app.serving.load import RISE_SECONDS, TRIAL_SECONDS, Plan
from app.serving.peers import Peers
from app.serving.queue import Budget
from app.serving.returns import LATEST, SOONEST
from app.settings import Settings
from app.telemetry import Metrics

EMPTY = Backlog(items=0, tokens=0, running_tokens=0, running_seconds=0.0)
BUDGETS = {ENCODER: Budget(1_024, 32), RERANKER: Budget(2_048, 4), GENERATOR: Budget(6_144, 16)}


@dataclass
class World:
    """A clock to turn, and queues to fill."""

    now: float = 100.0
    backlogs: dict[str, Backlog] = field(
        default_factory=lambda: {ENCODER: EMPTY, RERANKER: EMPTY, GENERATOR: EMPTY}
    )
    metrics: Metrics = field(default_factory=Metrics)

    def controller(
        self, peers: Peers | None = None, cores_share: float = 1.0, **changes: object
    ) -> LoadController:
        settings = Settings(candidates_max=10, new_tokens=40, **changes)  # type: ignore[arg-type]
        control = LoadController(
            limits_of(settings, BUDGETS, measured([0.9, *(0.92 + n / 500 for n in range(10))])),
            self.metrics,
            lambda: self.now,
            cores_share=cores_share,
            peers=peers,
        )
        control.watch({name: self._backlog(name) for name in self.backlogs})
        for model, slope in ((ENCODER, 1e-5), (RERANKER, 5e-5), (GENERATOR, 2e-4)):
            for tokens in (100, 500):
                control.observe(BatchReport(model, tokens // 10, tokens, 0.01 + slope * tokens, 0))
                self.now += 1.0  # one after the other
        control.settle()
        return control

    def _backlog(self, name: str) -> Callable[[], Backlog]:
        return lambda: self.backlogs[name]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.delenv("REDIS_URL", raising=False)
    return World()


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


def test_arrivals_fade(world: World) -> None:
    rate = ArrivalRate(at=0.0)
    for i in range(1, 301):
        rate.arrived(i / 10)
    assert rate.rate(30.0) == pytest.approx(10, rel=0.1)
    assert rate.rate(32.0) < 4
    assert rate.rate(90.0) < 1e-6


def test_a_flood_is_seen_within_a_second_and_its_end_within_four() -> None:
    rate = ArrivalRate(at=0.0)
    for i in range(1, 51):
        rate.arrived(i / 5)
    for i in range(1, 101):
        rate.arrived(10 + i / 100)
    assert rate.rate(11.0) > 40
    for i in range(1, 21):
        rate.arrived(11 + i / 5)
    assert rate.rate(15.0) < 10


def test_a_faded_sum_holds_what_is_added_steadily() -> None:
    faded = Faded(2.0, 0.0)
    for i in range(1, 2_001):
        faded.add(0.03, i / 20)
    assert faded.rate(100.0) == pytest.approx(0.6, rel=0.05)


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
