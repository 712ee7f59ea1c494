"""What the engine tells the load control, and what it has of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from app.errors import DeadlineExceeded, KindredError, ModelFailure, Overloaded
from app.serving.engine import Engine, Pending
from app.serving.load.peers import FILE, Peers
from app.serving.load.request import current_request

Open = Callable[..., Engine]
TURNS = ["hello, how are you?"]


def test_a_generation_that_is_late_counts_against_what_was_planned(open_engine: Open) -> None:
    engine = open_engine()
    with engine.admission():
        request = current_request.get()
        assert request is not None
        plan = engine.plan()
        assert plan.n == 4
        assert request.planned
        pending = engine.generate(
            TURNS, [], n=plan.n, seed=1, deadline=time.monotonic() - 1.0, max_new_tokens=8
        )
        with pytest.raises(DeadlineExceeded):
            pending.wait()
        assert request.missed


def test_a_score_that_is_late_counts_too_and_one_in_time_does_not(open_engine: Open) -> None:
    engine = open_engine()
    with engine.admission():
        request = current_request.get()
        assert request is not None
        engine.plan()
        assert request.unranked == 14
        results = engine.score(TURNS, ["fine"], [], time.monotonic() + 30.0).wait()
        assert results[0] is not None
        assert (request.unranked, request.missed) == (0, False)
        assert engine.score(TURNS, ["fine"], [], time.monotonic() - 1.0).wait() == [None]
        assert request.missed
    assert current_request.get() is None


def test_each_of_several_workers_is_seen_by_the_others(open_engine: Open) -> None:
    engine = open_engine(workers=2)
    folder = engine._settings.var_dir
    watcher = Peers(folder / FILE, pid=os.getpid() + 1)
    with engine.admission():
        engine.plan()
    assert [worker.pid for worker in watcher.others()] == [os.getpid()]
    engine.close()
    assert watcher.others() == []
    watcher.close()


def test_background_work_is_let_in_where_there_is_room(open_engine: Open) -> None:
    engine = open_engine()
    with engine.admission(background=True):
        pass
    engine.drain()
    with pytest.raises(Overloaded):
        engine.admission(background=True)


def test_health_tells_how_far_the_prediction_is_trusted(open_engine: Open) -> None:
    assert open_engine().health().detail["trim"] == 1.0


def test_what_a_busy_generator_cannot_do_in_time_is_not_queued(
    open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine()
    monkeypatch.setattr(engine._control, "delay", lambda model: 60.0)
    with engine.admission():
        request = current_request.get()
        assert request is not None
        began = time.monotonic()
        pending = engine.generate(TURNS, [], n=1, seed=1, deadline=began + 30.0)
        with pytest.raises(DeadlineExceeded):
            pending.wait()
        assert time.monotonic() - began < 10.0
        assert request.missed


def test_every_way_in_which_a_model_gives_nothing_counts(
    open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine()
    late, soon = time.monotonic() - 1.0, time.monotonic() + 30.0

    def marks(stage: Callable[[], Pending[Any]], error: type[KindredError] | None) -> list[bool]:
        with engine.admission():
            request = current_request.get()
            assert request is not None
            if error is None:
                assert stage().wait() == [None]
            else:
                with pytest.raises(error):
                    stage().wait()
            return [request.missed, request.failed]

    def generate(turns: list[str]) -> Pending[Any]:
        return engine.generate(turns, [], n=1, seed=1, deadline=soon)

    assert marks(lambda: engine.embed(["fine"], late), DeadlineExceeded) == [True, False]
    assert marks(lambda: generate([""]), ModelFailure) == [False, True]

    def full(*_: object) -> None:
        raise Overloaded

    for lane in (engine._lanes.encode, engine._lanes.generate, engine._lanes.rerank):
        monkeypatch.setattr(lane, "submit", full)
    assert marks(lambda: engine.embed(["new"], soon), Overloaded) == [True, False]
    assert marks(lambda: generate(TURNS), Overloaded) == [True, False]
    assert marks(lambda: engine.score(TURNS, ["new"], [], soon), None) == [True, False]
