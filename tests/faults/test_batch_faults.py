"""Rows 16, 17, 18, 20: one bad item, a full memory or an error of native code, and its batch-mates.

A whole engine over a reranker whose answers are known beforehand; what goes wrong is real where it
can be: torch is out of memory, native code raises a SystemError.
"""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import gevent
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from app.serving.engine import Engine
from app.serving.versions.loading import Models
from app.settings import Settings
from app.telemetry import Metrics
from models.contracts import EncodeItem, RerankItem, RerankResult

FAR = 60.0
BAD = "the bad one"
HELD = "hold the model"  # its batch takes long, so that the next ones gather behind it
Trouble = Callable[[Sequence[RerankItem]], None]


def ids(text: str) -> tuple[int, ...]:
    return tuple(map(ord, text))


class Encoder:
    """A vector for anything."""

    version = "fake"
    local = True
    dimension = 4

    def prepare(self, texts: Sequence[str]) -> list[EncodeItem]:
        return [EncodeItem(ids(text)) for text in texts]

    def run(self, items: Sequence[EncodeItem]) -> list[NDArray[np.float32]]:
        return [np.full(4, 0.5, np.float32) for _ in items]


class Reranker:
    """The score of a response is its length; `trouble` may raise, NaN is for `BAD` if asked."""

    version = "fake"
    local = True
    heads = ("selection",)

    def __init__(self) -> None:
        self.trouble: Trouble = lambda items: None
        self.nan = False
        self.calls: list[int] = []

    def prepare(
        self, turns: Sequence[str], responses: Sequence[str], facts: Sequence[str] = ()
    ) -> list[RerankItem]:
        context = ids("\n".join(turns))
        return [RerankItem(context, ids(response), 1, len(response)) for response in responses]

    def run(self, items: Sequence[RerankItem]) -> list[RerankResult]:
        if ids(HELD) in [item.response for item in items]:
            time.sleep(0.1)
        self.calls.append(len(items))
        self.trouble(items)
        return [self.result(item) for item in items]

    def result(self, item: RerankItem) -> RerankResult:
        bad = self.nan and item.response == ids(BAD)
        score = math.nan if bad else len(item.response) / 100
        return RerankResult({"selection": score, "upvote": score}, score)


class Retriever:
    """An empty bank."""

    version = "fake"


@pytest.fixture
def reranker() -> Reranker:
    return Reranker()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def engine(
    reranker: Reranker, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Engine]:
    monkeypatch.delenv("REDIS_URL", raising=False)
    models = Models(cast(Any, Encoder()), cast(Any, reranker), None, cast(Any, Retriever()))
    engine = Engine(Settings(device="cpu", rank_deadline_ms=60_000), metrics, models)
    engine.warm()
    reranker.calls.clear()
    yield engine
    engine.close()


def soon() -> float:
    return time.monotonic() + FAR


def sample(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def rank_together(engine: Engine, slates: Sequence[Sequence[str]]) -> list[list[float | None]]:
    """The scores of several people's slates that the model meets in one batch."""
    held = engine.score(["someone else"], [HELD], [], soon())
    gevent.sleep(0.02)
    asked = [
        engine.score([f"person {number}"], slate, [], soon()) for number, slate in enumerate(slates)
    ]
    assert held.wait()[0] is not None
    return [[score and score.serving for score in one.wait()] for one in asked]


def expected(slate: Sequence[str]) -> list[float | None]:
    return [len(text) / 100 for text in slate]


SLATES = (["well", "maybe"], ["a reply", BAD], ["what do you think?"], ["oh"])


@pytest.mark.faults(16)
def test_row_16_the_model_returns_nan(engine: Engine, reranker: Reranker, metrics: Metrics) -> None:
    reranker.nan = True
    scores = rank_together(engine, SLATES)
    assert reranker.calls == [1, 6]  # they did share a batch
    assert scores == [
        [None if text == BAD else len(text) / 100 for text in slate] for slate in SLATES
    ]
    assert sample(metrics, "kindred_failures_total", where="reranker_nan") == 1
    # Nothing of it stays: the same slate is right as soon as the model is.
    reranker.nan = False
    assert rank_together(engine, SLATES[1:2]) == [expected(SLATES[1])]


@pytest.mark.faults(17)
def test_row_17_one_item_poisons_its_batch(
    engine: Engine, reranker: Reranker, metrics: Metrics
) -> None:
    def trouble(items: Sequence[RerankItem]) -> None:
        if ids(BAD) in [item.response for item in items]:
            raise IndexError("index out of range in self")

    reranker.trouble = trouble
    scores = rank_together(engine, SLATES)
    assert reranker.calls[1] == 6
    assert scores[1] == [None, None]  # the slate is the item: its owner goes without
    assert [scores[i] for i in (0, 2, 3)] == [expected(SLATES[i]) for i in (0, 2, 3)]
    assert sample(metrics, "kindred_dropped_total", model="reranker", reason="failed") == 1


@pytest.mark.faults(18)
def test_row_18_out_of_memory_in_a_forward_pass(
    engine: Engine, reranker: Reranker, metrics: Metrics
) -> None:
    def trouble(items: Sequence[RerankItem]) -> None:
        if len(items) > 4:
            torch.empty(1 << 50)  # a petabyte: torch's own error

    reranker.trouble = trouble
    assert rank_together(engine, SLATES) == [expected(slate) for slate in SLATES]
    assert reranker.calls[:2] == [1, 6]
    assert len(reranker.calls) == 4  # halved, and tried once more
    assert sum(reranker.calls[2:]) == 6
    assert sample(metrics, "kindred_failures_total", where="model_reranker") == 1


@pytest.mark.faults(18)
def test_row_18_where_halves_do_not_fit_either_there_is_no_score(
    engine: Engine, reranker: Reranker
) -> None:
    def trouble(items: Sequence[RerankItem]) -> None:
        if len(items) > 1:
            torch.empty(1 << 50)

    reranker.trouble = trouble
    scores = rank_together(engine, [["one", "two"], ["three", "four"], ["five", "six"]])
    assert scores == [[None, None]] * 3
    assert len(reranker.calls) == 4  # not halved down to the single pair, while others wait
    reranker.trouble = lambda items: None
    assert rank_together(engine, SLATES) == [expected(slate) for slate in SLATES]


@pytest.mark.faults(20)
def test_row_20_a_system_error_inside_native_code(
    engine: Engine, reranker: Reranker, metrics: Metrics
) -> None:
    main = gevent.getcurrent()

    def trouble(items: Sequence[RerankItem]) -> None:
        if ids(BAD) in [item.response for item in items]:
            ctypes.pythonapi.PyErr_BadInternalCall()  # native code leaves a SystemError behind

    with pytest.raises(SystemError):
        trouble([RerankItem((), ids(BAD), 0, 1)])
    reranker.trouble = trouble
    scores = rank_together(engine, SLATES)
    assert gevent.getcurrent() is main  # nothing was thrown at it
    assert scores[1] == [None, None]
    assert [scores[i] for i in (0, 2, 3)] == [expected(SLATES[i]) for i in (0, 2, 3)]
    assert sample(metrics, "kindred_failures_total", where="model_reranker") >= 1
    reranker.trouble = lambda items: None
    assert rank_together(engine, SLATES) == [expected(slate) for slate in SLATES]
    assert engine.health().ready
