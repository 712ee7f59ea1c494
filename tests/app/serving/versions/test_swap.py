"""What is named gets loaded, tried and served; what fails never is. On models made of air."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event

from app.serving.batching.native import Ended
from app.serving.versions.fleet import LOADED_MAX, Fleet, Versions
from app.serving.versions.swap import Swap
from app.telemetry import Metrics


class Model:
    def __init__(self, version: str) -> None:
        self.version = version


class Here:
    """A runner that runs at once."""

    def call(self, function: Callable[[Any], Any], argument: Any) -> Ended:
        try:
            return Ended(True, function(argument), 0.0)
        except ValueError as error:
            return Ended(False, error, 0.0)

    def close(self) -> None:
        pass


class World:
    """A swap over one kind; `named` and `broken` are what the test makes of it."""

    def __init__(self, *named: str) -> None:
        self.named = named
        self.broken: set[str] = set()  # does not load
        self.spoilt: set[str] = set()  # and its files say so
        self.now = 0.0
        self.loads: list[str] = []
        self.stand_ins: dict[str, str] = {}
        self.metrics = Metrics()
        self.versions = Versions(Model("v0"))
        self.fleet = Fleet({"reranker": self.versions})
        self.swap = Swap(
            {"reranker": self.versions},
            self.load,
            lambda: {"reranker": self.named},
            self.metrics,
            check=self.check,
            stand_ins=lambda: self.stand_ins,
            clock=lambda: self.now,
            pool=Here(),
        )

    def load(self, kind: str, version: str) -> Model:
        assert len(self.versions.loaded) < LOADED_MAX, "three would be in memory"
        self.loads.append(version)
        if version in self.broken:
            raise ValueError(f"{version} is broken")
        return Model("other" if version == "mislabelled" else version)

    def check(self, kind: str, version: str) -> None:
        if version in self.spoilt:
            raise ValueError(f"{version} is spoilt")

    @property
    def failures(self) -> float:
        labels = {"where": "swap_reranker"}
        return self.metrics.registry.get_sample_value("kindred_failures_total", labels) or 0.0


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        gevent.sleep(0.01)


def test_a_trial_a_promotion_a_rollback_and_the_next() -> None:
    world = World("installed")
    world.swap.settle()
    assert world.loads == []

    world.named = ("installed", "v1")  # a share tries it
    world.swap.settle()
    assert world.versions.loaded == ("v0", "v1")
    world.named = ("v1", "v0")  # everybody's; the one before stays at hand
    world.swap.settle()
    assert world.versions.loaded == ("v1", "v0")
    world.named = ("v0",)  # back, at once: nothing has to be loaded
    assert world.swap.step()
    assert world.versions.default.version == "v0"
    world.swap.settle()
    assert world.versions.loaded == ("v0",)
    assert world.loads == ["v1"]

    world.named = ("v2", "v1")  # neither is here
    world.swap.settle()
    assert world.versions.loaded == ("v2", "v1")
    world.named = ("v2", "v3")
    world.swap.settle()
    assert world.versions.loaded == ("v2", "v3")
    world.named = ("installed",)
    world.swap.settle()
    assert world.versions.loaded == ("v0",)
    assert world.failures == 0


@pytest.mark.parametrize("bad", ["v1", "mislabelled"])
def test_what_does_not_load_is_never_served_and_tried_ever_more_rarely(bad: str) -> None:
    world = World("v0", bad)
    world.broken.add("v1")
    world.swap.settle()
    assert world.versions.loaded == ("v0",)
    assert world.failures == 1
    with world.fleet.holding({"reranker": bad}) as held:
        assert held.versions == {"reranker": "v0"}
        assert not held.granted
    for now, tries in ((30.0, 1), (61.0, 2), (150.0, 2), (182.0, 3)):
        world.now = now
        world.swap.settle()
        assert len(world.loads) == tries, now
    world.named = ("v0",)
    world.swap.settle()
    world.named = ("v0", bad)  # named anew: tried at once
    world.swap.settle()
    assert len(world.loads) == 4


def test_where_everybodys_does_not_load_the_trial_goes_on_beside_what_serves() -> None:
    world = World("v2", "v1")
    world.broken.add("v2")
    world.swap.settle()
    assert world.versions.loaded == ("v0", "v1")
    world.broken.clear()
    world.now = 3_601.0
    world.swap.settle()
    assert world.versions.loaded == ("v2", "v1")


def test_what_fails_does_not_take_the_room_of_what_is_tried_again_and_again() -> None:
    world = World("v2", "v1")
    world.broken.add("v2")
    for minute in range(60):
        world.now = 60.0 * minute
        world.swap.settle()
        assert world.versions.loaded == ("v0", "v1")
    assert world.loads == ["v2", "v1"]
    world.spoilt.add("v2")
    for minute in range(60, 240):
        world.now = 60.0 * minute
        world.swap.settle()
        assert world.versions.loaded == ("v0", "v1")
    assert world.loads == ["v2", "v1"]  # its files were enough to see it
    assert 2 <= world.failures <= 5


def test_before_another_is_dropped_the_files_of_what_is_to_come_are_read() -> None:
    world = World("v0", "v1")
    world.swap.settle()
    world.spoilt.add("v2")
    world.named = ("v2", "v1")
    world.swap.settle()
    assert world.versions.loaded == ("v0", "v1")
    assert world.loads == ["v1"]
    assert world.failures == 1


def test_where_everybodys_does_not_load_what_was_before_stands_in_until_it_does() -> None:
    world = World("v2", "v1")
    world.stand_ins = {"reranker": "v1"}
    world.broken.add("v2")
    world.swap.settle()
    assert world.versions.loaded == ("v1",)
    world.broken.clear()
    world.now = 61.0  # there is room: it is tried as soon as any
    world.swap.settle()
    assert world.versions.loaded == ("v2", "v1")
    assert world.loads == ["v2", "v1", "v2"]


def test_a_load_that_hangs_keeps_nobody_from_going_back_and_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.serving.versions.swap.POLL_SECONDS", 0.01)
    started, ended = Event(), Event()

    class Hanging(Here):
        def call(self, function: Callable[[Any], Any], argument: Any) -> Ended:
            if argument == ("generator", "g1"):
                started.set()
                ended.wait()
            return super().call(function, argument)

    metrics = Metrics()
    now = 0.0
    kinds = {"reranker": Versions(Model("v0")), "generator": Versions(Model("g0"))}
    named = {"reranker": ("v1", "v0"), "generator": ("g0",)}
    swap = Swap(
        kinds, lambda kind, version: Model(version), lambda: named, metrics,
        clock=lambda: now, pool=Hanging(),
    )  # fmt: skip
    swap.settle()
    assert kinds["reranker"].default.version == "v1"
    assert swap.loading is None
    swap.start()
    try:
        named["generator"] = ("g0", "g1")
        assert started.wait(10)
        named["reranker"] = ("v0", "v1")
        wait_until(lambda: kinds["reranker"].default.version == "v0")
        assert swap.loading == {
            "kind": "generator", "version": "g1", "seconds": 0.0, "overdue": False
        }  # fmt: skip
        now = 1_000.0

        def sample(name: str, **labels: str) -> float:
            return metrics.registry.get_sample_value(name, labels) or 0.0

        wait_until(lambda: sample("kindred_failures_total", where="swap_generator") == 1)
        assert sample("kindred_swap_load_seconds") == 1_000
        assert swap.loading is not None
        assert swap.loading["overdue"]
        gevent.sleep(0.05)
        assert sample("kindred_failures_total", where="swap_generator") == 1  # told once
        ended.set()
        wait_until(lambda: kinds["generator"].loaded == ("g0", "g1"))
        assert swap.loading is None
        assert sample("kindred_swap_load_seconds") == 0
    finally:
        swap.close()


def test_a_version_that_is_held_is_waited_for_before_another_takes_its_room() -> None:
    world = World("v0", "v1")
    world.swap.settle()
    world.named = ("v0", "v2")
    with world.fleet.holding({"reranker": "v1"}) as held:
        greenlet = gevent.spawn(world.swap.settle)
        gevent.sleep(0.05)
        assert world.loads == ["v1"]
        assert world.versions.held(held.versions["reranker"]).model.version == "v1"
    greenlet.get(timeout=5)
    assert world.versions.loaded == ("v0", "v2")


def test_whatever_is_named_in_whatever_order_it_ends_there() -> None:
    dice = random.Random(5)
    world = World("installed")
    pool = ["v0", "v1", "v2", "v3"]
    for _ in range(200):
        world.named = tuple(dice.sample(pool, dice.choice((1, 2))))
        for _ in range(dice.randrange(4)):  # interrupted by the next change of mind
            world.swap.step()
        assert len(world.versions.loaded) <= LOADED_MAX
        assert world.versions.default.version in pool
    world.swap.settle()
    assert world.versions.loaded == world.named


def test_flags_that_cannot_be_read_change_nothing() -> None:
    world = World("v1")

    def trouble() -> Any:
        raise RuntimeError("no flags")

    world.swap._named = trouble
    world.swap.settle()
    assert world.versions.loaded == ("v0",)
    world.swap.start()
    gevent.sleep(0)
    world.swap.close()
