"""The slow feedback: late replies and standing queues, judged once a second."""

from __future__ import annotations

import pytest

from app.serving.batching.reports import BatchReport
from app.serving.load.feedback import LEAST, Feedback


def batch(seconds: float, least: float, model: str = "reranker") -> BatchReport:
    return BatchReport(model, 1, 100, seconds, least + 0.2, least)


def second(feedback: Feedback, now: float, latencies: list[float]) -> float:
    for latency in latencies:
        feedback.replied(latency)
    feedback.tick(now)
    return feedback.trim


def test_more_than_five_in_a_hundred_late_cut_the_trim() -> None:
    feedback = Feedback(0.8, 0.0)
    assert second(feedback, 1.0, [0.3] * 95 + [0.9] * 5) == 1.0
    assert second(feedback, 2.0, [0.3] * 94 + [0.9] * 6) < 1.0


def test_a_stage_that_was_missed_is_late_however_fast_the_answer() -> None:
    feedback = Feedback(0.8, 0.0)
    for i in range(100):
        feedback.replied(0.4, missed=i % 4 == 0)
    feedback.tick(1.0)
    assert feedback.trim < 1.0


def test_it_is_cut_at_once_raised_slowly_and_bounded() -> None:
    feedback = Feedback(0.8, 0.0)
    seen = [second(feedback, float(t), [0.9] * 50) for t in range(1, 20)]
    assert seen[0] <= 0.85
    assert seen[-1] == LEAST
    risen = [second(feedback, 19.0 + t, [0.3] * 50) for t in range(1, 12)]
    assert risen == sorted(risen)
    assert risen[0] <= LEAST + 0.11
    assert risen[5] == 1.0  # back within ten seconds


def test_few_replies_are_waited_for_and_one_of_few_is_no_sign() -> None:
    feedback = Feedback(0.8, 0.0)
    assert second(feedback, 1.5, [0.9] * 3) == 1.0  # not judged yet
    feedback.tick(3.1)
    assert feedback.trim < 1.0
    calm = Feedback(0.8, 0.0)
    assert second(calm, 3.1, [0.9] + [0.2] * 5) == 1.0


def test_without_replies_it_recovers() -> None:
    feedback = Feedback(0.8, 0.0)
    second(feedback, 1.0, [0.9] * 50)
    for t in range(2, 12):
        feedback.tick(float(t))
    assert feedback.trim == 1.0


def test_a_queue_that_a_burst_left_is_not_a_standing_one() -> None:
    feedback = Feedback(0.8, 0.0)
    # Each batch takes all that came while the one before ran: the last to come waited little.
    for least in (0.3, 0.0, 0.02, 0.05):
        feedback.ran(batch(0.1, least))
    assert not feedback.standing()


def test_a_queue_that_does_not_drain_in_a_window_cuts_the_trim() -> None:
    feedback = Feedback(0.8, 0.0)
    feedback.ran(batch(0.1, 0.0))
    second(feedback, 1.0, [0.3] * 50)
    for _ in range(5):
        feedback.ran(batch(0.1, 0.3))  # two batches went by before the latest had its turn
    assert feedback.standing()
    assert second(feedback, 2.0, [0.3] * 50) == pytest.approx(0.9)
    assert not feedback.standing()  # a new window


def test_a_long_batch_before_it_explains_a_wait() -> None:
    feedback = Feedback(0.8, 0.0)
    feedback.ran(batch(0.5, 0.0))
    for _ in range(3):
        feedback.ran(batch(0.5, 0.45))
    assert not feedback.standing()


def test_one_models_queue_is_enough_and_one_batch_is_not() -> None:
    feedback = Feedback(0.8, 0.0)
    for model in ("encoder", "reranker"):
        feedback.ran(batch(0.05, 0.0, model))
    second(feedback, 1.0, [0.3] * 50)
    feedback.ran(batch(0.05, 0.4, "reranker"))
    assert not feedback.standing()
    feedback.ran(batch(0.05, 0.4, "reranker"))
    feedback.ran(batch(0.05, 0.0, "encoder"))
    assert feedback.standing()
