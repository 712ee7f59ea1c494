"""What is read out of a run of the load generator."""

from __future__ import annotations

import math

import pytest

from scripts.benches import answers
from scripts.benches.answers import Run
from scripts.benches.load import Attempt


def attempt(
    first: float,
    latency: float = 0.1,
    *,
    status: int = 200,
    kind: str = "retrieval",
    degraded: bool = False,
    number: int = 1,
    due: float | None = None,
) -> Attempt:
    due = first if due is None else due
    return Attempt(0, first, due, due, due + latency, status, kind, degraded, number)


def test_a_good_answer_is_in_time_and_no_fallback_line() -> None:
    assert answers.good(attempt(0, 0.8), 0.8)
    assert not answers.good(attempt(0, 0.81), 0.8)
    assert not answers.good(attempt(0, kind="fallback"), 0.8)
    assert not answers.good(attempt(0, status=503, kind="overloaded"), 0.8)
    assert answers.good(attempt(0, degraded=True), 0.8)
    assert not answers.whole(attempt(0, degraded=True), 0.8)


def test_a_quantile_is_one_of_the_values() -> None:
    rows = [attempt(0, latency / 100) for latency in range(1, 101)]
    assert answers.quantile(rows, 0.5) == pytest.approx(0.50)
    assert answers.quantile(rows, 0.95) == pytest.approx(0.95)
    assert answers.quantile(rows, 1.0) == pytest.approx(1.00)
    assert answers.quantile(rows[:1], 0.95) == pytest.approx(0.01)
    assert math.isnan(answers.quantile([], 0.5))


def test_throughput_counts_replies_when_they_came() -> None:
    rows = (attempt(0.5, 1.0), attempt(1.0, 1.0), attempt(2.8, 1.0), attempt(1, status=503))
    assert answers.throughput(Run(rows, 3, 0, 0, 0), 1.0, 3.0) == 1.0


def test_recovery_is_the_end_of_the_last_bad_second() -> None:
    def fine(a: Attempt) -> bool:
        return answers.good(a, 0.8)

    def rows(bad: set[int]) -> list[Attempt]:
        return [
            attempt(10 + s + i / 10, 2.0 if s in bad else 0.1) for s in range(8) for i in range(10)
        ]

    assert answers.recovery(rows(set()), 10, 18, fine) == 0.0
    assert answers.recovery(rows({0, 2}), 10, 18, fine) == 3.0
    assert answers.recovery(rows({7}), 10, 18, fine) is None
    assert answers.recovery(rows({2}), 14, 18, fine) == 0.0  # what was bad before does not count


def test_recovery_looks_at_how_a_message_ended_not_at_its_first_refusal() -> None:
    rows = [
        attempt(0.5, 0.01, status=503, kind="overloaded"),
        attempt(0.5, 0.1, number=2, due=1.5),
        attempt(1.5, 0.1),
    ]
    assert answers.recovery(rows, 0, 3, answers.answered) == 0.0
