"""Any schedule of arrivals, failures, deadlines, hang-ups and closing: one outcome an item.

A schedule runs on a real hub with a real native thread. Times are a few milliseconds; nothing is
asserted of how fast anything is, only of what becomes of each item.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

import gevent
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from app.errors import DeadlineExceeded, ModelFailure, Overloaded
from app.serving.batching.batcher import Batcher
from app.serving.batching.policies import POLICIES
from app.serving.batching.queue import Budget
from app.serving.batching.ticket import Outcome, Ticket
from app.telemetry import Metrics

# Not 0: a hub that never rests was seen to leave a thread pool's results undelivered until it did.
TICK = 0.0002  # seconds
WATCHDOG = 60.0  # seconds: reached only by a deadlock
BUDGET = Budget(tokens=60, items=6)
CAPACITY = 24
FAILURES = {
    "value": ValueError,
    "system": SystemError,
    "memory": MemoryError,
    "exit": SystemExit,
    "interrupt": KeyboardInterrupt,
}


@dataclass(frozen=True)
class Work:
    name: int
    length: int
    poisoned: bool


@dataclass(frozen=True)
class Arrival:
    """A submission: when, what, how long it may take, and what its caller does then."""

    after_ms: int  # since the arrival before
    items: list[tuple[int, bool]]  # length, poisoned
    deadline_ms: int
    priority: int
    caller: str  # "waits" | "forgets" | "cancels" | "is killed"
    leaves_ms: int


@dataclass(frozen=True)
class Schedule:
    arrivals: list[Arrival]
    calls: list[str]  # how the model's first calls go
    call_ms: int
    poison: str
    closes_after: int | None  # arrivals
    policy: str = "coalesce"
    allowed: int | None = None  # tokens that the guard allows a batch


arrivals = st.builds(
    Arrival,
    after_ms=st.sampled_from([0, 0, 0, 1, 3]),
    items=st.lists(
        st.tuples(st.integers(1, 70), st.sampled_from([False] * 6 + [True])),
        min_size=1,
        max_size=7,
    ),
    deadline_ms=st.sampled_from([-1, 1, 4, 12, 10_000, 10_000]),
    priority=st.integers(0, 2),
    caller=st.sampled_from(["waits", "waits", "forgets", "cancels", "is killed"]),
    leaves_ms=st.integers(0, 4),
)
schedules = st.builds(
    Schedule,
    arrivals=st.lists(arrivals, min_size=1, max_size=10),
    calls=st.lists(st.sampled_from(["ok", "ok", "short", "none", *FAILURES]), max_size=8),
    call_ms=st.integers(0, 3),
    poison=st.sampled_from(sorted(FAILURES)),
    closes_after=st.none() | st.integers(0, 10),
    policy=st.sampled_from(["coalesce", "coalesce", "single"]),
    allowed=st.sampled_from([None, None, -1, 1, 20, 45, 1_000]),
)


@dataclass
class Model:
    """Negates names, unless the schedule has other plans; runs in the native thread."""

    schedule: Schedule
    batches: list[list[Work]] = field(default_factory=list)

    def run(self, items: list[Work]) -> list[int]:
        call = len(self.batches)
        self.batches.append(list(items))
        time.sleep(self.schedule.call_ms / 1000)
        plan = self.schedule.calls[call] if call < len(self.schedule.calls) else "ok"
        if plan in FAILURES:
            raise FAILURES[plan]("planned")
        if plan == "none":
            return None  # type: ignore[return-value]
        if any(item.poisoned for item in items):
            raise FAILURES[self.schedule.poison]("poisoned")
        answers = [-item.name for item in items]
        return answers[:-1] if plan == "short" else answers


@dataclass
class Run:
    """Plays one schedule and keeps what was accepted."""

    schedule: Schedule
    model: Model
    batcher: Batcher[Work, int]
    accepted: list[tuple[Arrival, list[Work], Ticket[int], float]] = field(default_factory=list)
    refused: int = 0
    callers: list[gevent.Greenlet] = field(default_factory=list)

    @classmethod
    def of(cls, schedule: Schedule) -> Run:
        model = Model(schedule)
        metrics = Metrics(CollectorRegistry())
        allowed = schedule.allowed
        batcher: Batcher[Work, int] = Batcher(
            "toy",
            model.run,
            BUDGET,
            lambda work: work.length,
            metrics,
            capacity=CAPACITY,
            policy=POLICIES[schedule.policy],
            allowance=None if allowed is None else lambda slack: allowed,
        )
        return cls(schedule, model, batcher)

    def play(self) -> None:
        for number, arrival in enumerate(self.schedule.arrivals):
            if number == self.schedule.closes_after:
                self.batcher.close(grace=0.002)
            if arrival.after_ms:
                gevent.sleep(arrival.after_ms / 1000)
            self.arrive(number, arrival)
        gevent.joinall(self.callers, raise_error=True)
        # Those that nobody waited for still get their outcome.
        for _, _, ticket, _ in self.accepted:
            ticket.wait()
        self.batcher.close()

    def arrive(self, number: int, arrival: Arrival) -> None:
        works = [
            Work(100 * number + i + 1, length, poisoned)
            for i, (length, poisoned) in enumerate(arrival.items)
        ]
        deadline = time.monotonic() + arrival.deadline_ms / 1000
        try:
            ticket = self.batcher.submit(works, deadline, arrival.priority)
        except Overloaded:
            self.refused += len(works)
            return
        self.accepted.append((arrival, works, ticket, deadline))
        if arrival.caller == "waits":
            self.callers.append(gevent.spawn(ticket.wait))
        elif arrival.caller == "cancels":
            self.callers.append(gevent.spawn_later(arrival.leaves_ms / 1000, ticket.cancel))
        elif arrival.caller == "is killed":
            waiter = gevent.spawn(ticket.wait)
            self.callers.append(gevent.spawn_later(arrival.leaves_ms / 1000, waiter.kill))


@pytest.mark.faults(38)
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(schedules)
def test_every_accepted_item_gets_exactly_one_outcome(schedule: Schedule) -> None:
    run = Run.of(schedule)
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            gevent.sleep(TICK)

    ticker = gevent.spawn(tick)
    with gevent.Timeout(WATCHDOG):
        run.play()
    ticker.kill()

    for arrival, works, ticket, _ in run.accepted:
        outcomes = ticket.wait()
        assert len(outcomes) == len(works)
        assert all(again is once for again, once in zip(ticket.wait(), outcomes, strict=True))
        for work, outcome in zip(works, outcomes, strict=True):
            judge(schedule, arrival, work, outcome)
    check_batches(run)
    # Calls that take time let the hub go on; those that take none may be over between two ticks.
    assert ticks or not schedule.call_ms
    assert run.batcher.backlog().items == 0
    assert run.batcher.open_tickets == 0


def judge(schedule: Schedule, arrival: Arrival, work: Work, outcome: Outcome[int]) -> None:
    """An outcome is the item's own result, or an error that the schedule explains."""
    if outcome.error is None:
        assert outcome.value == -work.name
        assert not work.poisoned
        assert arrival.deadline_ms > 0
    elif isinstance(outcome.error, DeadlineExceeded):
        assert arrival.deadline_ms < 10_000 or arrival.caller in ("cancels", "is killed")
    elif isinstance(outcome.error, Overloaded):
        assert schedule.closes_after is not None
    else:
        assert isinstance(outcome.error, ModelFailure)
        troubled = work.poisoned or schedule.closes_after is not None
        poisoned_mates = any(p for a in schedule.arrivals for _, p in a.items)
        assert troubled or poisoned_mates or set(schedule.calls) - {"ok"}


def check_batches(run: Run) -> None:
    works = {w.name: (w, d) for _, ws, _, d in run.accepted for w in ws}
    calls = Counter(work.name for batch in run.model.batches for work in batch)
    schedule = run.schedule
    items = 1 if schedule.policy == "single" else BUDGET.items
    tokens = BUDGET.tokens if schedule.allowed is None else min(BUDGET.tokens, schedule.allowed)
    for batch in run.model.batches:
        assert 1 <= len(batch) <= items
        longest = max(work.length for work in batch)
        assert len(batch) == 1 or len(batch) * longest <= tokens
        assert all(work.name in works for work in batch)
    # Found by halves at the most: a batch of 6 is run again in at most 4 smaller parts.
    assert all(count <= 5 for count in calls.values())


@pytest.mark.faults(38)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(1, 50)), min_size=2, max_size=20),
    st.integers(1, 60),
)
def test_the_most_urgent_of_those_that_wait_is_in_the_next_batch(
    others: list[tuple[int, int]], length: int
) -> None:
    """The oldest deadline waits for the batch that runs, and for no other."""
    run = Run.of(Schedule([], [], 2, "value", None))
    far = time.monotonic() + 1_000.0
    run.batcher.submit([Work(0, 1, False)], far)
    gevent.sleep(0)  # it runs; all others wait behind it
    gevent.sleep(0.0005)
    tickets = [
        run.batcher.submit([Work(i, size, False)], far + after)
        for i, (size, after) in enumerate(others, start=1)
    ]
    tickets.append(run.batcher.submit([Work(999, length, False)], far))
    with gevent.Timeout(WATCHDOG):
        for ticket in tickets:
            ticket.wait()
    assert 999 in {work.name for work in run.model.batches[1]}
    deadlines = {i: after for i, (_, after) in enumerate(others, start=1)} | {999: 0}
    waiting = set(deadlines)
    for batch in run.model.batches[1:]:
        names = {work.name for work in batch}
        assert min(deadlines[name] for name in names) == min(deadlines[w] for w in waiting)
        waiting -= names
    run.batcher.close()
