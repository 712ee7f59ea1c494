"""The batcher on a real hub and a real native thread."""

from __future__ import annotations

import time

import gevent
import pytest

from app.errors import DeadlineExceeded, KindredError, ModelFailure, Overloaded
from app.serving.batching.batcher import BatchReport
from app.serving.batching.policies import single
from app.serving.batching.ticket import Outcome
from app.telemetry import Metrics
from tests.app.serving.batching.toy import FAR, Make, Model, deadline, sample, values


def test_results_come_in_order(make: Make, metrics: Metrics) -> None:
    model = Model()
    batcher = make(model.run)
    assert values(batcher.submit([3, 1, 2], deadline()).wait()) == [6, 2, 4]
    assert batcher.submit([], deadline()).wait() == []
    assert sample(metrics, "kindred_batch_items_sum", model="toy") == 3
    assert sample(metrics, "kindred_queue_seconds_count", model="toy") == 3


def test_work_piles_up_only_while_the_model_is_busy(make: Make) -> None:
    model = Model(trouble=lambda items: time.sleep(0.02))
    batcher = make(model.run)
    first = batcher.submit([1], deadline())
    gevent.sleep(0.005)  # the model is free: the first runs alone, at once
    later = [batcher.submit([item], deadline()) for item in (2, 3, 4)]
    assert values(first.wait()) == [2]
    assert [values(ticket.wait()) for ticket in later] == [[4], [6], [8]]
    assert model.batches == [[1], [2, 3, 4]]


def test_the_hub_ticks_on_while_a_native_call_sleeps(make: Make) -> None:
    batcher = make(Model(trouble=lambda items: time.sleep(0.3)).run)
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            gevent.sleep(0.002)

    ticker = gevent.spawn(tick)
    assert values(batcher.submit([1], deadline()).wait()) == [2]
    ticker.kill()
    assert ticks >= 20


def test_a_full_queue_refuses_and_takes_all_or_nothing(make: Make, metrics: Metrics) -> None:
    batcher = make(Model(trouble=lambda items: time.sleep(0.05)).run, capacity=3)
    running = batcher.submit([0], deadline())
    gevent.sleep(0.005)
    waiting = batcher.submit([1, 2], deadline())
    with pytest.raises(Overloaded) as refused:
        batcher.submit([3, 4], deadline())
    assert refused.value.retry_after
    assert sample(metrics, "kindred_dropped_total", model="toy", reason="full") == 2
    assert sample(metrics, "kindred_queued_items", model="toy") == 2
    assert values(waiting.wait()) == [2, 4]
    assert values(running.wait()) == [0]
    assert sample(metrics, "kindred_queued_items", model="toy") == 0


def test_the_waiter_leaves_at_its_deadline_and_the_work_goes_on(
    make: Make, metrics: Metrics
) -> None:
    model = Model(trouble=lambda items: time.sleep(0.15))
    batcher = make(model.run)
    orphan = batcher.submit([1], deadline(0.02))
    assert values(orphan.wait()) == ["DeadlineExceeded"]
    behind = batcher.submit([2], deadline())
    assert batcher.backlog().running_tokens == 1
    assert values(behind.wait()) == [4]
    assert values(orphan.wait()) == ["DeadlineExceeded"]  # the late result changed nothing
    assert sample(metrics, "kindred_dropped_total", model="toy", reason="late") == 1
    assert model.batches == [[1], [2]]


def test_expired_items_never_reach_the_model(make: Make, metrics: Metrics) -> None:
    model = Model(trouble=lambda items: time.sleep(0.05))
    batcher = make(model.run)
    running = batcher.submit([1], deadline())
    gevent.sleep(0.005)
    unattended = batcher.submit([2], deadline(0.01))  # nobody waits: the dispatcher drops it
    last = batcher.submit([3], deadline())
    assert values(running.wait()) == [2]
    assert values(last.wait()) == [6]
    assert values(unattended.wait()) == ["DeadlineExceeded"]
    assert model.batches == [[1], [3]]
    assert sample(metrics, "kindred_dropped_total", model="toy", reason="expired") == 1


def test_who_hangs_up_in_the_queue_is_dropped_before_the_batch(
    make: Make, metrics: Metrics
) -> None:
    model = Model(trouble=lambda items: time.sleep(0.05))
    batcher = make(model.run)
    running = batcher.submit([1], deadline())
    gevent.sleep(0.005)
    leaving = batcher.submit([2], deadline())
    killed = gevent.spawn(batcher.submit([3], deadline()).wait)
    staying = batcher.submit([4], deadline())
    gevent.sleep(0)
    leaving.cancel()
    killed.kill()
    assert batcher.backlog().items == 1
    assert values(staying.wait()) == [8]
    assert values(running.wait()) == [2]
    assert values(leaving.wait()) == ["DeadlineExceeded"]
    assert model.batches == [[1], [4]]
    assert sample(metrics, "kindred_dropped_total", model="toy", reason="cancelled") == 2


@pytest.mark.parametrize(
    "error", [ValueError("x"), SystemError("x"), KeyboardInterrupt("x"), SystemExit(3)]
)
def test_only_the_poisoned_item_fails(make: Make, error: BaseException) -> None:
    def trouble(items: list[int]) -> None:
        if 13 in items:
            raise error

    model = Model(trouble=trouble)
    batcher = make(model.run)
    items = [*range(10, 20)]
    expected = ["ModelFailure" if item == 13 else 2 * item for item in items]
    assert values(batcher.submit(items, deadline()).wait()) == expected
    assert len(model.batches) <= 1 + 2 * 4  # found by halves
    assert values(batcher.submit([1], deadline()).wait()) == [2]  # and the thread lives


def test_a_batch_that_always_fails_is_given_up_in_few_calls(make: Make) -> None:
    def trouble(items: list[int]) -> None:
        raise RuntimeError("broken")

    model = Model(trouble=trouble)
    batcher = make(model.run)
    outcomes = batcher.submit(list(range(32)), deadline()).wait()
    assert values(outcomes) == ["ModelFailure"] * 32
    assert len(model.batches) <= 1 + 4 * 5
    assert isinstance(outcomes[0].error, ModelFailure)
    assert isinstance(outcomes[0].error.__cause__, RuntimeError)


def test_a_wrong_number_of_results_is_a_failure(make: Make, metrics: Metrics) -> None:
    batcher = make(lambda items: [2 * item for item in items if item != 5])
    assert values(batcher.submit([4, 5, 6], deadline()).wait()) == [8, "ModelFailure", 12]
    nothing = make(lambda items: None)  # type: ignore[arg-type, return-value]
    assert values(nothing.submit([4], deadline()).wait()) == ["ModelFailure"]
    assert sample(metrics, "kindred_failures_total", where="model_toy") >= 2


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: out of memory")]
)
def test_a_batch_out_of_memory_is_halved_and_retried_once(make: Make, error: Exception) -> None:
    def trouble(items: list[int]) -> None:
        if len(items) > 4:
            raise error

    model = Model(trouble=trouble)
    assert values(make(model.run).submit(list(range(8)), deadline()).wait()) == [
        2 * item for item in range(8)
    ]
    assert [len(batch) for batch in model.batches] == [8, 4, 4]

    model = Model(trouble=trouble)
    assert (
        values(make(model.run).submit(list(range(16)), deadline()).wait()) == ["ModelFailure"] * 16
    )
    assert [len(batch) for batch in model.batches] == [16, 8, 8]


def test_closing_answers_everyone(make: Make, metrics: Metrics) -> None:
    batcher = make(Model(trouble=lambda items: time.sleep(0.05)).run)
    running = batcher.submit([1], deadline())
    gevent.sleep(0.005)
    waiting = gevent.spawn(batcher.submit([2, 3], deadline()).wait)
    gevent.sleep(0)
    batcher.close()
    batcher.close()
    assert values(waiting.get(timeout=FAR)) == ["Overloaded"] * 2
    assert values(running.wait()) == [2]
    with pytest.raises(Overloaded):
        batcher.submit([4], deadline())
    assert sample(metrics, "kindred_dropped_total", model="toy", reason="closed") == 2


def test_closing_does_not_wait_for_a_call_that_hangs(make: Make) -> None:
    released = []

    def hang(items: list[int]) -> None:
        while not released:
            time.sleep(0.005)

    batcher = make(Model(trouble=hang).run)
    running = batcher.submit([1], deadline())
    gevent.sleep(0.005)
    assert batcher.backlog().running_seconds > 0
    batcher.close(grace=0.02)
    assert values(running.wait()) == ["ModelFailure"]
    released.append(True)


def test_an_observer_that_fails_does_not_end_the_dispatcher(make: Make) -> None:
    reports: list[BatchReport] = []

    def observe(report: BatchReport) -> None:
        reports.append(report)
        raise ZeroDivisionError

    batcher = make(Model().run, observe=observe)
    assert values(batcher.submit([1, 2], deadline()).wait()) == [2, 4]
    assert values(batcher.submit([3], deadline()).wait()) == [6]
    assert [(r.items, r.tokens) for r in reports] == [(2, 2), (1, 1)]


def test_the_report_says_how_long_the_first_and_the_last_had_waited(make: Make) -> None:
    reports: list[BatchReport] = []
    now = 100.0
    batcher = make(
        Model(trouble=lambda items: time.sleep(0.02)).run,
        observe=reports.append,
        clock=lambda: now,
    )
    running = batcher.submit([1], now + FAR)
    gevent.sleep(0.005)
    tickets = [batcher.submit([2], now + FAR)]
    now += 3.0
    tickets.append(batcher.submit([3], now + FAR))
    now += 2.0
    for ticket in [running, *tickets]:
        assert not any(outcome.error for outcome in ticket.wait())
    assert [(r.items, r.waited, r.waited_least) for r in reports] == [(1, 0, 0), (2, 5, 2)]


def test_one_item_at_a_time_where_the_policy_says_so(make: Make) -> None:
    model = Model()
    batcher = make(model.run, policy=single)
    assert values(batcher.submit([1, 2, 3], deadline()).wait()) == [2, 4, 6]
    assert model.batches == [[1], [2], [3]]


def test_the_guard_holds_a_batch_to_what_the_most_urgent_can_afford(make: Make) -> None:
    slacks: list[float] = []
    now = 100.0

    def allowance(slack: float) -> int:
        slacks.append(slack)
        return 2 if slack < 5 else 1_000

    model = Model(trouble=lambda items: time.sleep(0.02))
    batcher = make(model.run, allowance=allowance, clock=lambda: now)
    tickets = [batcher.submit([0], now + 9)]
    gevent.sleep(0.005)
    tickets.append(batcher.submit([1, 2, 3], now + 8))
    tickets.append(batcher.submit([4], now + 4))
    for ticket in tickets:
        assert not any(outcome.error for outcome in ticket.wait())
    assert slacks == [9, 4, 8]
    assert model.batches == [[0], [4, 1], [2, 3]]  # the urgent one, with one item beside it


@pytest.mark.parametrize("allowed", [-5, 0])
def test_the_most_urgent_item_runs_whatever_the_guard_says(make: Make, allowed: int) -> None:
    model = Model()
    batcher = make(model.run, allowance=lambda slack: allowed)
    assert values(batcher.submit([1, 2], deadline()).wait()) == [2, 4]
    assert model.batches == [[1], [2]]


def test_a_guard_that_errs_is_counted_and_does_without(make: Make, metrics: Metrics) -> None:
    batcher = make(Model().run, allowance=lambda slack: 1 // 0)
    assert values(batcher.submit([1, 2], deadline()).wait()) == [2, 4]
    assert sample(metrics, "kindred_failures_total", where="model_toy") == 1


def test_outcomes_raise_their_error() -> None:
    with pytest.raises(KindredError):
        Outcome(error=DeadlineExceeded()).get()
    assert Outcome(None).get() is None
