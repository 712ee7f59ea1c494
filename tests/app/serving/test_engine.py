"""The engine over tiny real models: what it answers, what it survives, how it ends."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import gevent
import numpy as np
import pytest

from app.errors import DeadlineExceeded, ModelFailure, Overloaded
from app.serving.engine import Engine
from app.telemetry import Metrics
from models.reranker import RerankResult

FAR = 60.0
TURNS = ["hello there", "hi! how are you?", "i went hiking"]
REPLIES = ["Lovely! How far did you go?", "Goodbye!", "That is hard."]

Open = Callable[..., Engine]


def soon(seconds: float = FAR) -> float:
    return time.monotonic() + seconds


def sample(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def test_the_four_questions(open_engine: Open) -> None:
    engine = open_engine()
    assert set(engine.versions) == {"encoder", "reranker", "generator", "index"}
    vectors = engine.embed(["i went hiking", "goodbye"], soon()).wait()
    assert [round(float(np.linalg.norm(v)), 5) for v in vectors] == [1.0, 1.0]

    hits = engine.retrieve(vectors[0], 3)
    assert hits[0].entry_id == "hike"
    assert len(hits) == 3

    pending = engine.generate(TURNS, ["I like hiking."], n=3, seed=7, deadline=soon())
    generated = pending.wait()
    again = engine.generate(TURNS, ["I like hiking."], n=3, seed=7, deadline=soon()).wait()
    assert generated == again
    assert len(generated) <= 3
    assert pending.wait() == generated
    short = engine.generate(TURNS, [], n=3, seed=7, deadline=soon(), max_new_tokens=2).wait()
    assert all(one.token_count <= 2 for one in short)

    scores = engine.score(TURNS, REPLIES, [], soon()).wait()
    assert all(score is not None and 0 <= score.heads["upvote"] <= 1 for score in scores)
    backwards = engine.score(TURNS, REPLIES[::-1], [], soon()).wait()
    assert [s.serving for s in backwards[::-1] if s] == pytest.approx(
        [s.serving for s in scores if s], abs=1e-5
    )


def test_requests_share_batches_and_get_their_own_answers(open_engine: Open) -> None:
    metrics = Metrics()
    engine = open_engine(metrics)
    alone = [engine.score(TURNS, [reply], [], soon()).wait()[0] for reply in REPLIES]
    before = sample(metrics, "kindred_batch_items_count", model="reranker")
    pending = [engine.score(TURNS, [reply], [], soon()) for reply in REPLIES]
    together = [one.wait()[0] for one in pending]
    assert sample(metrics, "kindred_batch_items_count", model="reranker") == before + 1
    assert [s.serving for s in together if s] == pytest.approx(
        [s.serving for s in alone if s], abs=1e-5
    )


def test_what_cannot_be_read_is_left_out(open_engine: Open) -> None:
    engine = open_engine()
    scores = engine.score(TURNS, ["fine", "\u200b", ""], [], soon()).wait()
    assert scores[0] is not None
    assert scores[1:] == [None, None]
    assert engine.score(["\u200b"], ["fine"], [], soon()).wait() == [None]
    assert engine.score(TURNS, [], [], soon()).wait() == []
    with pytest.raises(ModelFailure):
        engine.generate(["\u200b"], [], n=2, seed=1, deadline=soon()).wait()
    assert engine.generate(TURNS, [], n=0, seed=1, deadline=soon()).wait() == []
    assert engine.embed([], soon()).wait() == []


def test_what_is_late_is_left_out(open_engine: Open) -> None:
    metrics = Metrics()
    engine = open_engine(metrics)
    with pytest.raises(DeadlineExceeded):
        engine.embed(["hello"], soon(-1)).wait()
    with pytest.raises(DeadlineExceeded):
        engine.generate(TURNS, [], n=2, seed=1, deadline=soon(-1)).wait()
    assert engine.score(TURNS, REPLIES, [], soon(-1)).wait() == [None] * 3
    assert sample(metrics, "kindred_dropped_total", model="reranker", reason="hopeless") == 3


def spoil(engine: Engine, monkeypatch: pytest.MonkeyPatch, spoiled: Callable[..., Any]) -> None:
    """Put something between the reranker and its batcher."""
    execution = engine._lanes.rerank._execution
    real = execution._run
    monkeypatch.setattr(execution, "_run", lambda items: spoiled(items, real(items)))


def test_a_score_that_is_no_number_harms_nobody_else(
    open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics()
    engine = open_engine(metrics)

    def second_is_nan(
        items: Sequence[Any], results: list[list[RerankResult]]
    ) -> list[list[RerankResult]]:
        first, *others = results
        return [[first[0], RerankResult({"upvote": math.nan}, math.nan), *first[2:]], *others]

    spoil(engine, monkeypatch, second_is_nan)
    scores = engine.score(TURNS, REPLIES, [], soon()).wait()
    assert [score is None for score in scores] == [False, True, False]
    assert sample(metrics, "kindred_failures_total", where="reranker_nan") == 1


def test_a_failing_reranker_gives_no_scores_and_no_readiness(
    open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine()
    assert engine.health().ready

    def fail(items: Sequence[Any], results: list[RerankResult]) -> list[RerankResult]:
        raise SystemError("native")

    spoil(engine, monkeypatch, fail)
    assert engine.score(TURNS, REPLIES, [], soon()).wait() == [None] * 3
    engine._canaries._asked_at = 0.0  # ask anew
    health = engine.health()
    assert not health.ready
    models = health.detail["models"]
    assert [name for name, model in models.items() if not model["ok"]] == ["reranker"]


@pytest.mark.parametrize("screen", ["sentences", "replies"])
def test_a_screen_that_fails_is_no_readiness_either(
    open_engine: Open, monkeypatch: pytest.MonkeyPatch, screen: str
) -> None:
    engine = open_engine()
    lane = getattr(engine, screen)

    def fail(items: Sequence[Any]) -> list[Any]:
        raise SystemError("native")

    monkeypatch.setattr(lane._lane._execution, "_run", fail)
    health = engine.health()
    assert not health.ready
    models = health.detail["models"]
    assert [name for name, model in models.items() if not model["ok"]] == [lane.name]


def test_health_says_what_it_saw(open_engine: Open) -> None:
    engine = open_engine()
    gevent.sleep(0.05)
    health = engine.health()
    assert health.ready
    assert health.detail["state"] == "serving"
    screens = {"input_screen", "output_screen"}
    assert set(health.detail["models"]) == {"encoder", "reranker", "generator"} | screens
    assert all(model["ms"] >= 0 for model in health.detail["models"].values())
    assert health.detail["hub_gap_p99_ms"] >= 0
    engine.drain()
    assert engine.health().detail["state"] == "draining"
    assert not engine.health().ready


def test_admission_counts_and_refuses(open_engine: Open) -> None:
    metrics = Metrics()
    engine = open_engine(metrics, in_flight_max=1)
    with engine.admission():
        assert sample(metrics, "kindred_in_flight_requests") == 1
        with pytest.raises(Overloaded) as refused, engine.admission():
            pass
        assert refused.value.retry_after
    assert sample(metrics, "kindred_in_flight_requests") == 0
    assert sample(metrics, "kindred_dropped_total", model="chat", reason="shed") == 1
    with pytest.raises(ZeroDivisionError), engine.admission():
        raise ZeroDivisionError
    with engine.admission():
        pass


def test_the_plan_follows_the_settings(open_engine: Open) -> None:
    metrics = Metrics()
    assert open_engine(metrics, candidates_pinned=3).plan().n == 3
    assert sample(metrics, "kindred_candidates") == 3
    generous = open_engine(gather_deadline_ms=60_000, rank_deadline_ms=60_000)
    assert generous.plan() == (plan := generous.plan())
    assert (plan.n, plan.max_new_tokens) == (4, 8)
    hurried = open_engine(gather_deadline_ms=1, rank_deadline_ms=1)
    assert hurried.plan().n == 0


def test_without_candidates_there_is_no_generator(open_engine: Open) -> None:
    engine = open_engine(candidates_max=0, generator="/nowhere")
    assert "generator" not in engine.versions
    assert engine.plan().n == 0
    assert engine.generate(TURNS, [], n=5, seed=1, deadline=soon()).wait() == []
    assert set(engine.health().detail["models"]) == {"encoder", "reranker", "input_screen"}


def test_closing_answers_who_waits_and_refuses_the_rest(
    open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine()

    def slow(items: Sequence[Any], results: list[RerankResult]) -> list[RerankResult]:
        time.sleep(0.05)
        return results

    spoil(engine, monkeypatch, slow)
    running = engine.score(TURNS, REPLIES, [], soon())
    gevent.sleep(0.01)
    waiting = engine.score(TURNS, REPLIES[:1], [], soon())
    engine.close()
    engine.close()
    assert all(running.wait())
    assert waiting.wait() == [None]
    with pytest.raises(Overloaded):
        engine.embed(["hello"], soon()).wait()
    assert engine.score(TURNS, REPLIES, [], soon()).wait() == [None] * 3
    with pytest.raises(Overloaded):
        engine.admission()
    assert not engine.health().ready


def test_a_cancelled_answer_is_not_computed(
    open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine()
    seen: list[int] = []

    def slow(items: Sequence[Any], results: list[RerankResult]) -> list[RerankResult]:
        seen.append(len(items))
        time.sleep(0.05)
        return results

    spoil(engine, monkeypatch, slow)
    running = engine.score(TURNS, REPLIES, [], soon())
    gevent.sleep(0.01)
    leaving = engine.score(TURNS, REPLIES[:1], [], soon())
    leaving.cancel()
    assert all(running.wait())
    assert leaving.wait() == [None]
    assert seen == [1]  # the one slate
