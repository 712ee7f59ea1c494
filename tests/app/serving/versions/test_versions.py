"""Which versions are loaded, who holds them, and that each item meets the model it is for."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from app.errors import ModelFailure
from app.serving.batching.batcher import Batcher
from app.serving.batching.queue import Budget
from app.serving.versions.fleet import Asked, Fleet, Versions, each_by_its_own
from app.telemetry import Metrics


class Model:
    def __init__(self, version: str) -> None:
        self.version = version


def test_a_name_that_is_not_loaded_gets_everybodys() -> None:
    versions = Versions(Model("v0"))
    fleet = Fleet({"reranker": versions}, {"encoder": "e"})
    with fleet.holding({"reranker": "v1"}) as held:
        assert held.versions == {"encoder": "e", "reranker": "v0"}
        assert held.granted == frozenset()
    versions.add(Model("v1"))
    with fleet.holding({"reranker": "v1"}) as held:
        assert held.versions["reranker"] == "v1"
        assert held.granted == {"reranker"}
    with fleet.holding({}) as held:  # wants nothing: nothing is granted, whatever it gets
        assert held.versions["reranker"] == "v0"
        assert not held.granted
    with fleet.holding({"reranker": "installed", "generator": "v9"}) as held:
        assert held.granted == {"reranker"}
    assert fleet.versions == {"encoder": "e", "reranker": "v0"}


def test_what_is_dropped_still_answers_those_who_hold_it() -> None:
    versions = Versions(Model("v0"))
    fleet = Fleet({"reranker": versions})
    versions.add(Model("v1"))
    versions.serve("v1")
    with fleet.holding({"reranker": "v0"}) as held:
        gone = versions.drop("v0")
        assert gone.users == 1
        assert versions.held(held.versions["reranker"]) is gone
        with pytest.raises(ValueError, match="2 versions"):
            versions.add(Model("v2"))  # its memory is still taken
        with fleet.holding({"reranker": "v0"}) as later:
            assert later.versions["reranker"] == "v1"
    assert gone.users == 0
    versions.forget(gone)
    assert [model.version for model in gone.let_go()] == ["v0"]
    with pytest.raises(ModelFailure, match="not loaded any more"):
        _ = gone.model
    versions.add(Model("v2"))
    assert versions.loaded == ("v1", "v2")
    with pytest.raises(ModelFailure):
        versions.held("v0")
    with pytest.raises(ValueError, match="everybody's"):
        versions.drop("v1")


def test_who_leaves_in_an_error_holds_nothing_any_more() -> None:
    versions = Versions(Model("v0"))
    seen = []

    def leave() -> None:
        with Fleet({"reranker": versions}).holding({}):
            seen.append(versions.default.users)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        leave()
    assert seen == [1]
    assert versions.default.users == 0


def test_each_item_meets_its_own_model_and_keeps_its_place() -> None:
    old, new = Versions(Model("a")).default, Versions(Model("b")).default
    calls: list[list[int]] = []

    def run(model: Model, items: list[int]) -> Sequence[str]:
        calls.append(items)
        return [f"{model.version}{item}" for item in items]

    batch = [Asked(old, 1), Asked(new, 2), Asked(old, 3)]
    assert each_by_its_own(run)(batch) == ["a1", "b2", "a3"]
    assert calls == [[1, 3], [2]]
    with pytest.raises(TypeError, match="no list of 2"):
        each_by_its_own(lambda model, items: ["one"])(batch)


def test_a_version_that_was_let_go_is_found_before_any_other_is_run() -> None:
    alive, gone = Versions(Model("a")).default, Versions(Model("b")).default
    gone.let_go()
    ran: list[str] = []

    def run(model: Model, items: list[int]) -> Sequence[int]:
        ran.append(model.version)
        return items

    batch = [Asked(alive, 1), Asked(gone, 2), Asked(alive, 3)]
    with pytest.raises(ModelFailure, match="b is not loaded"):
        each_by_its_own(run)(batch)
    assert ran == []


def test_who_asks_a_version_that_was_let_go_takes_nobody_else_along() -> None:
    alive, gone = Versions(Model("a")).default, Versions(Model("b")).default
    gone.let_go()
    ran: list[int] = []

    def run(model: Model, items: list[int]) -> Sequence[int]:
        ran.extend(items)
        return items

    batcher: Batcher[Asked, int] = Batcher(
        "toy", each_by_its_own(run), Budget(100, 8), lambda asked: 1, Metrics()
    )
    try:
        asked = [Asked(gone if i == 5 else alive, i) for i in range(8)]
        outcomes = batcher.submit(asked, time.monotonic() + 60).wait()
    finally:
        batcher.close()
    assert isinstance(outcomes[5].error, ModelFailure)
    assert [one.get() for i, one in enumerate(outcomes) if i != 5] == [0, 1, 2, 3, 4, 6, 7]
    assert sorted(ran) == [0, 1, 2, 3, 4, 6, 7]  # each once: nothing was computed for nothing
