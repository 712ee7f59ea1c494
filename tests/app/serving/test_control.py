"""The load controller between a virtual clock and made-up queues."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from app.errors import Overloaded
from app.serving.batcher import Backlog, BatchReport
from app.serving.control import (
    ENCODER,
    GENERATOR,
    RERANKER,
    ArrivalRate,
    LoadController,
    limits_of,
)
from app.serving.load import RISE_SECONDS, Plan
from app.settings import Settings
from app.telemetry import Metrics

EMPTY = Backlog(items=0, tokens=0, running_tokens=0, running_seconds=0.0)


@dataclass
class World:
    """A clock to turn, and queues to fill."""

    now: float = 100.0
    backlogs: dict[str, Backlog] = field(
        default_factory=lambda: {ENCODER: EMPTY, RERANKER: EMPTY, GENERATOR: EMPTY}
    )
    metrics: Metrics = field(default_factory=Metrics)

    def controller(self, **changes: object) -> LoadController:
        settings = Settings(candidates_max=10, new_tokens=40, **changes)  # type: ignore[arg-type]
        control = LoadController(limits_of(settings), self.metrics, lambda: self.now)
        control.watch({name: lambda name=name: self.backlogs[name] for name in self.backlogs})  # type: ignore[misc]
        for model, slope in ((ENCODER, 1e-5), (RERANKER, 1e-4), (GENERATOR, 4e-4)):
            for tokens in (100, 500):
                control.observe(BatchReport(model, 10, tokens, 0.01 + slope * tokens, 0.0))
        control.settle()
        return control


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.delenv("REDIS_URL", raising=False)
    return World()


def test_costs_are_learned_from_batches(world: World) -> None:
    load = world.controller().load()
    assert load.generator.per_token == pytest.approx(4e-4)
    assert load.generator.fixed == pytest.approx(0.01)
    assert load.reranker.per_token == pytest.approx(1e-4)
    assert load.reply_tokens == pytest.approx(30, rel=0.05)


def test_the_delay_is_what_waits_and_what_is_left_of_what_runs(world: World) -> None:
    control = world.controller()
    assert control.delay(RERANKER) == 0.0
    world.backlogs[RERANKER] = replace(EMPTY, items=20, tokens=1_000)
    assert control.delay(RERANKER) == pytest.approx(0.1)
    world.backlogs[RERANKER] = Backlog(20, 1_000, running_tokens=900, running_seconds=0.04)
    assert control.delay(RERANKER) == pytest.approx(0.1 + 0.06)
    stuck = replace(world.backlogs[RERANKER], running_seconds=5.0)
    world.backlogs[RERANKER] = stuck
    assert control.delay(RERANKER) > 4.0  # a hanging model is not expected back at once
    assert control.delay("unknown") == 0.0


def test_the_hopeless_is_known_beforehand(world: World) -> None:
    control = world.controller()
    world.backlogs[RERANKER] = replace(EMPTY, items=20, tokens=1_000)
    assert control.hopeless(RERANKER, 500, world.now + 0.1)
    assert not control.hopeless(RERANKER, 500, world.now + 0.2)


def test_a_free_model_is_always_tried_so_that_one_bad_measurement_does_not_stay(
    world: World,
) -> None:
    control = world.controller()
    assert not control.hopeless(RERANKER, 500, world.now + 0.001)


def test_the_plan_drops_with_the_queue_and_comes_back(world: World) -> None:
    control = world.controller()
    assert control.plan() == Plan(10, 40)
    world.backlogs[GENERATOR] = replace(EMPTY, items=3, tokens=1_500)
    assert control.plan().n == 0
    assert world.metrics.registry.get_sample_value("kindred_candidates") == 0
    world.backlogs[GENERATOR] = EMPTY
    assert control.plan().n == 0
    seen = []
    for _ in range(15):
        world.now += RISE_SECONDS
        seen.append(control.plan().n)
    assert seen[-1] == 10
    assert seen == sorted(seen)


def test_arrivals_fade(world: World) -> None:
    rate = ArrivalRate(at=0.0)
    for i in range(1, 201):
        rate.arrived(i / 10)
    assert rate.rate(20.0) == pytest.approx(10, rel=0.1)
    assert rate.rate(22.0) < 4
    assert rate.rate(60.0) < 1e-6


def test_a_flood_of_arrivals_ends_the_generation(world: World) -> None:
    control = world.controller()
    for _ in range(400):
        world.now += 0.005
        with control.admission():
            pass
    assert control.load().rate == pytest.approx(200 * (1 - 2.718**-1), rel=0.1)
    assert control.plan().n == 0


def test_requests_are_refused_by_number_and_by_the_encoders_queue(world: World) -> None:
    control = world.controller(in_flight_max=2)
    with control.admission(), control.admission():
        assert control.in_flight == 2
        with pytest.raises(Overloaded), control.admission():
            pass
    assert control.in_flight == 0
    world.backlogs[ENCODER] = Backlog(1, 10, running_tokens=10, running_seconds=9.0)
    with pytest.raises(Overloaded) as refused, control.admission():
        pass
    assert refused.value.retry_after is not None
    assert refused.value.retry_after > 5
    assert (
        world.metrics.registry.get_sample_value(
            "kindred_dropped_total", {"model": "chat", "reason": "shed"}
        )
        == 2
    )


def test_forgetting_starts_anew(world: World) -> None:
    control = world.controller()
    control.forget()
    assert control.load().generator.seconds(1_000) == 0.0
