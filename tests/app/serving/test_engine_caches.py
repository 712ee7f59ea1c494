"""The engine's caches, policies and priorities: fewer items for the models, the same answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import gevent
import numpy as np
import pytest

from app.errors import DeadlineExceeded
from app.serving.batching.reports import BatchReport
from app.serving.engine import Engine
from app.serving.versions.fleet import Asked
from app.telemetry import Metrics

FAR = 60.0
TURNS = ["hello there", "hi! how are you?", "i went hiking"]
REPLIES = ["Lovely! How far did you go?", "Goodbye!", "That is hard."]

Open = Callable[..., Engine]


def soon(seconds: float = FAR) -> float:
    return time.monotonic() + seconds


def sample(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def ran(metrics: Metrics, model: str) -> float:
    """Items that a model has run."""
    return sample(metrics, "kindred_batch_items_sum", model=model)


def test_the_same_question_is_computed_once(open_engine: Open) -> None:
    metrics = Metrics()
    engine, plain = open_engine(metrics, cache_mb=1), open_engine(cache_mb=0)
    before = ran(metrics, "encoder"), ran(metrics, "reranker")
    texts = ["i went hiking", "goodbye", "i went hiking"]
    vectors = [engine.embed(texts, soon()).wait() for _ in range(3)]
    scores = [engine.score(TURNS, REPLIES, [], soon()).wait() for _ in range(3)]
    # The encoder's three items of one submission were taken for two by its batch.
    assert (ran(metrics, "encoder"), ran(metrics, "reranker")) == (before[0] + 3, before[1] + 3)
    expected = plain.embed(texts, soon()).wait()
    for answer in vectors:
        for vector, other in zip(answer, expected, strict=True):
            assert np.allclose(vector, other, atol=1e-6)
    assert scores[0] == scores[1] == scores[2]
    compared = plain.score(TURNS, REPLIES, [], soon()).wait()
    assert [s.serving for s in scores[0] if s] == pytest.approx(
        [s.serving for s in compared if s], abs=1e-5
    )
    for cache, hits in (("encoder", 6), ("reranker", 6)):
        assert sample(metrics, "kindred_cache_lookups_total", cache=cache, outcome="hit") == hits


def test_only_what_is_new_of_a_slate_is_asked_for_and_the_order_stays(open_engine: Open) -> None:
    metrics = Metrics()
    engine = open_engine(metrics, cache_mb=1)
    known = engine.score(TURNS, REPLIES, [], soon()).wait()
    before = ran(metrics, "reranker")
    mixed = [REPLIES[2], "Something new.", "\u200b", REPLIES[0], "Another one."]
    scores = engine.score(TURNS, mixed, [], soon()).wait()
    assert ran(metrics, "reranker") == before + 2
    assert scores[0] == known[2]
    assert scores[3] == known[0]
    assert scores[2] is None
    fresh = [engine.score(TURNS, [text], [], soon()).wait()[0] for text in (mixed[1], mixed[4])]
    assert [scores[1], scores[4]] == fresh


def test_another_context_is_another_question(open_engine: Open) -> None:
    metrics = Metrics()
    engine = open_engine(metrics, cache_mb=1)
    first = engine.score(TURNS, REPLIES, [], soon()).wait()
    before = ran(metrics, "reranker")
    engine.score([*TURNS, "and you?"], REPLIES, [], soon()).wait()
    engine.score(TURNS, REPLIES, ["I like hiking."], soon()).wait()
    assert ran(metrics, "reranker") == before + 6
    assert engine.score(TURNS, REPLIES, [], soon()).wait() == first


def test_a_known_answer_comes_even_when_nothing_more_can_be_computed(open_engine: Open) -> None:
    """Past the deadline the model is not asked; what is known already is no work."""
    engine = open_engine(cache_mb=1)
    known = engine.score(TURNS, REPLIES, [], soon()).wait()
    assert engine.score(TURNS, [*REPLIES, "new"], [], soon(-1)).wait() == [*known, None]
    with pytest.raises(DeadlineExceeded):
        engine.embed(["never seen"], soon(-1)).wait()


def test_what_nobody_waited_for_is_kept_all_the_same(
    open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics()
    engine = open_engine(metrics, cache_mb=1)
    execution = engine._lanes.rerank._execution
    real = execution._run

    def slow(items: Sequence[Any]) -> Sequence[Any]:
        time.sleep(0.05)
        return real(list(items))

    monkeypatch.setattr(execution, "_run", slow)
    running = engine.score(TURNS, REPLIES, [], soon())
    gevent.sleep(0.01)
    running.cancel()
    assert running.wait() == [None] * 3
    equal = engine.score(TURNS, REPLIES, [], soon())  # waits behind it, and is not run again
    assert all(equal.wait())
    assert all(engine.score(TURNS, REPLIES, [], soon(-1)).wait())
    engine.score(TURNS, REPLIES, [], soon()).wait()
    assert sample(metrics, "kindred_cache_lookups_total", cache="reranker", outcome="shared") == 3


def test_a_batch_that_a_cache_answered_says_nothing_of_its_model(
    open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(cache_mb=1)
    reports: list[BatchReport] = []
    monkeypatch.setattr(engine._control, "observe", reports.append)
    served, texts = engine._rerankers.default, TURNS[:1]
    slate = [Asked(served, item) for item in served.model.prepare(TURNS, REPLIES)]
    items = engine._encoder.prepare(texts)
    engine.score(TURNS, REPLIES, [], soon()).wait()
    engine.embed(texts, soon()).wait()
    assert [report.model for report in reports] == ["reranker", "encoder"]
    at = dict(engine._last_batch)
    # As two people who ask the same at once: the second one's batch finds all of it.
    assert engine._lanes.rerank.submit([slate], soon()).wait()[0].value
    assert engine._lanes.encode.submit(items, soon()).wait()[0].error is None
    assert len(reports) == 2
    assert engine._last_batch == at  # the canaries are asked all the same
    engine.score(TURNS, ["new"], [], soon()).wait()
    assert len(reports) == 3


def test_a_canary_is_never_answered_from_a_cache(
    open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(cache_mb=1)
    for _ in range(2):
        engine._canaries._asked_at = 0.0
        assert engine.health().ready
    monkeypatch.setattr(engine._encoder._network, "embed", None)
    engine._canaries._asked_at = 0.0
    health = engine.health()
    assert [name for name, model in health.detail["models"].items() if not model["ok"]] == [
        "encoder"
    ]


@pytest.mark.parametrize("batching", ["single", "coalesce"])
@pytest.mark.parametrize("concurrency", ["free", "turns"])
def test_the_answers_do_not_depend_on_how_they_were_batched(
    open_engine: Open, batching: str, concurrency: str
) -> None:
    metrics = Metrics()
    engine = open_engine(metrics, batching=batching, concurrency=concurrency)
    plain = open_engine()

    def ask(asked: Engine, seed: int) -> tuple[Any, Any, Any]:
        generating = asked.generate(TURNS, [], n=3, seed=seed, deadline=soon())
        vectors = asked.embed([*TURNS, *REPLIES], soon())
        scores = asked.score(TURNS, REPLIES, [], soon())
        return generating.wait(), np.stack(vectors.wait()), scores.wait()

    people = [gevent.spawn(ask, engine, seed) for seed in range(4)]
    gevent.joinall(people, raise_error=True)
    for seed, person in enumerate(people):
        generated, vectors, scores = person.value
        expected = ask(plain, seed)
        assert [one.text for one in generated] == [one.text for one in expected[0]]
        assert np.allclose(vectors, expected[1], atol=1e-5)
        assert [s.serving for s in scores] == pytest.approx(
            [s.serving for s in expected[2]], abs=1e-4
        )
    if batching == "single":
        items = ran(metrics, "encoder")
        assert items == sample(metrics, "kindred_batch_items_count", model="encoder")


def test_what_somebody_waits_for_goes_before_the_background(
    open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(batching="single")
    execution = engine._lanes.rerank._execution
    real, seen = execution._run, []

    def slow(batch: Sequence[Any]) -> Sequence[Any]:
        seen.append(len(batch[0]))
        time.sleep(0.03)
        return real(list(batch))

    monkeypatch.setattr(execution, "_run", slow)
    running = engine.score(TURNS, REPLIES[:1], [], soon())
    gevent.sleep(0.005)
    later = engine.score(TURNS, REPLIES[:2], [], soon(30), background=True)
    sooner = engine.score(TURNS, REPLIES, [], soon(60))
    assert all(running.wait())
    assert all(sooner.wait())
    assert all(later.wait())
    assert seen == [1, 3, 2]
    texts = engine.embed(REPLIES, soon(), background=True)
    said = engine.generate(TURNS, [], n=2, seed=1, deadline=soon(), background=True)
    assert len(texts.wait()) == 3
    assert said.wait() == engine.generate(TURNS, [], n=2, seed=1, deadline=soon()).wait()
