"""Three batchers that take turns: whatever their models do and whenever they close, no deadlock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import gevent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from app.errors import KindredError
from app.serving.batching.batcher import Batcher
from app.serving.batching.queue import Budget
from app.serving.batching.ticket import Ticket
from app.serving.lanes import in_turn
from app.serving.load.cores import PATIENCE, Cores
from app.telemetry import Metrics

WATCHDOG = 60.0  # seconds: reached only by a deadlock


@dataclass(frozen=True)
class Arrival:
    model: str
    after_ms: int
    items: int
    deadline_ms: int
    goes: str  # how its native call goes


arrivals = st.builds(
    Arrival,
    model=st.sampled_from(sorted(PATIENCE)),
    after_ms=st.sampled_from([0, 0, 1, 2]),
    items=st.integers(1, 3),
    deadline_ms=st.sampled_from([2, 10_000, 10_000]),
    goes=st.sampled_from(["well", "well", "well", "raises", "SystemExit", "slowly"]),
)


def model_of(cores: Cores, name: str) -> Callable[[list[Arrival]], list[str]]:
    """What a native thread runs; the generator gives way between its steps."""

    def run(batch: list[Arrival]) -> list[str]:
        for arrival in batch:
            if arrival.goes == "raises":
                raise ValueError("planned")
            if arrival.goes == "SystemExit":
                raise SystemExit
        time.sleep(0.01 if any(arrival.goes == "slowly" for arrival in batch) else 0.0005)
        return [name] * len(batch)

    def steps(batch: list[Arrival]) -> list[str]:
        with cores.turn(name) as turn:
            for _ in range(4):
                run(batch)
                turn.give_way()
            return [name] * len(batch)

    return steps if name == "generator" else lambda batch: list(in_turn(cores, name, run)(batch))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(arrivals, min_size=1, max_size=14), st.none() | st.integers(0, 14))
def test_every_item_gets_its_outcome_and_the_cores_are_left_free(
    schedule: list[Arrival], closes_after: int | None
) -> None:
    cores = Cores(longest_wait=WATCHDOG)
    metrics = Metrics(CollectorRegistry())
    batchers: dict[str, Batcher[Arrival, str]] = {
        name: Batcher(name, model_of(cores, name), Budget(6, 3), lambda item: 1, metrics)
        for name in PATIENCE
    }
    tickets: list[tuple[Arrival, Ticket[str]]] = []
    with gevent.Timeout(WATCHDOG / 2):
        for number, arrival in enumerate(schedule):
            gevent.sleep(arrival.after_ms / 1_000)
            if number == closes_after:
                cores.close()
                batchers["generator"].close(grace=0.002)
            deadline = time.monotonic() + arrival.deadline_ms / 1_000
            try:
                ticket = batchers[arrival.model].submit([arrival] * arrival.items, deadline)
            except KindredError:  # it is closed
                assert closes_after is not None
                continue
            tickets.append((arrival, ticket))
        for arrival, ticket in tickets:
            outcomes = ticket.wait()
            assert len(outcomes) == arrival.items
            assert all(one.error is not None or one.value == arrival.model for one in outcomes)
        for batcher in batchers.values():
            batcher.close(grace=WATCHDOG)
    end = time.monotonic() + WATCHDOG
    while cores._turns.running | cores._turns.waiting:  # a native call that nobody waited for
        assert time.monotonic() < end
        gevent.sleep(0.001)
    assert not cores._gates
