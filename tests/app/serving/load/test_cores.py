"""Turns between real threads: order, giving way, errors, hanging, closing, and the hub."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import gevent
import pytest
from gevent.threadpool import ThreadPool

from app.serving.load.cores import PATIENCE, Concurrency, Cores, Free, concurrency_for

ENOUGH = 20.0  # seconds: reached only by a deadlock
PAUSE = 0.002


def until(condition: Callable[[], bool]) -> None:
    """Wait for what other threads will bring about."""
    end = time.monotonic() + ENOUGH
    while not condition():
        assert time.monotonic() < end, "a thread did not get as far as it must"
        time.sleep(PAUSE)


class Stage:
    """Threads that take turns, and what they did in which order."""

    def __init__(self, cores: Concurrency) -> None:
        self.cores = cores
        self.seen: list[str] = []
        self.threads: list[threading.Thread] = []

    def play(self, model: str, during: Callable[[], None] = lambda: None) -> None:
        """A thread that has one turn."""

        def run() -> None:
            with self.cores.turn(model):
                self.seen.append(model)
                during()

        self.start(run)

    def start(self, run: Callable[[], None]) -> None:
        self.threads.append(threading.Thread(target=run, daemon=True))
        self.threads[-1].start()

    def end(self) -> None:
        for thread in self.threads:
            thread.join(ENOUGH)
            assert not thread.is_alive()


@pytest.fixture
def cores() -> Iterator[Cores]:
    # The clock stands still: who waits for a slow machine does not become due by it.
    made = Cores(longest_wait=ENOUGH, clock=lambda: 0.0)
    yield made
    made.close()


def waiting(cores: Cores) -> int:
    return len(cores._turns.waiting)


def test_those_who_wait_go_in_the_order_of_their_patience(cores: Cores) -> None:
    stage = Stage(cores)
    done = threading.Event()
    stage.play("encoder", lambda: done.wait(ENOUGH) and None)
    until(lambda: stage.seen == ["encoder"])
    for count, model in enumerate(("generator", "encoder", "reranker"), start=1):
        stage.play(model)
        until(lambda count=count: waiting(cores) == count)  # type: ignore[misc]
    done.set()
    stage.end()
    assert stage.seen == ["encoder", "reranker", "encoder", "generator"]


def test_the_generator_gives_way_between_two_steps(cores: Cores) -> None:
    stage = Stage(cores)
    steps = 0

    def generate() -> None:
        nonlocal steps
        with cores.turn("generator") as turn:
            while "reranker" not in stage.seen:
                steps += 1
                time.sleep(PAUSE)
                turn.give_way()
            stage.seen.append("generator goes on")

    stage.start(generate)
    until(lambda: steps > 0)
    stage.play("reranker")
    stage.end()
    assert stage.seen == ["reranker", "generator goes on"]


@pytest.mark.parametrize("error", [ValueError, SystemError, KeyboardInterrupt, SystemExit])
def test_a_turn_that_ends_in_an_error_has_ended(cores: Cores, error: type[BaseException]) -> None:
    for _ in range(2):
        with pytest.raises(error), cores.turn("generator"):
            raise error
    assert not cores._turns.running | cores._turns.waiting
    assert not cores._gates


def test_one_that_hangs_holds_the_others_up_only_so_long() -> None:
    cores = Cores(longest_wait=0.05)
    stage = Stage(cores)
    released = threading.Event()
    stage.play("generator", lambda: released.wait(ENOUGH) and None)
    until(lambda: stage.seen == ["generator"])
    stage.play("reranker")
    until(lambda: stage.seen == ["generator", "reranker"])
    released.set()
    stage.end()
    assert not cores._turns.running | cores._turns.waiting


def test_one_that_hangs_is_waited_for_once_and_not_by_every_later_batch() -> None:
    cores = Cores(longest_wait=0.1)
    stage = Stage(cores)
    released = threading.Event()
    stage.play("generator", lambda: released.wait(ENOUGH) and None)
    until(lambda: stage.seen == ["generator"])
    stage.play("encoder")
    until(lambda: len(stage.seen) == 2 and not cores._turns.running)
    cores._longest_wait = ENOUGH  # at the gates: who waits there now, is seen to wait
    begin = time.monotonic()
    for count in range(3, 8):
        stage.play("reranker")
        until(lambda count=count: len(stage.seen) == count)  # type: ignore[misc]
    assert time.monotonic() - begin < ENOUGH / 2
    released.set()
    stage.end()
    assert not cores._turns.running | cores._turns.waiting
    assert not cores._gates


def test_closing_lets_everyone_go_on(cores: Cores) -> None:
    stage = Stage(cores)
    released = threading.Event()
    stage.play("generator", lambda: released.wait(ENOUGH) and None)
    until(lambda: stage.seen == ["generator"])
    for count, model in enumerate(("encoder", "reranker"), start=1):
        stage.play(model)
        until(lambda count=count: waiting(cores) == count)  # type: ignore[misc]
    cores.close()
    until(lambda: set(stage.seen) == {"generator", "encoder", "reranker"})
    stage.play("encoder")  # and who comes later does not wait either
    until(lambda: len(stage.seen) == 4)
    released.set()
    stage.end()
    assert sorted(stage.seen) == ["encoder", "encoder", "generator", "reranker"]


def test_one_at_a_time_however_many_there_are(cores: Cores) -> None:
    stage = Stage(cores)
    inside, most, turns = 0, 0, 0

    def work(model: str) -> None:
        nonlocal inside, most, turns
        for _ in range(15):
            with cores.turn(model) as turn:
                for _ in range(3):
                    inside += 1
                    most = max(most, inside)
                    time.sleep(0.0002)
                    inside -= 1
                    turn.give_way()
                turns += 1

    for model in [*PATIENCE] * 3:
        stage.start(lambda model=model: work(model))  # type: ignore[misc]
    stage.end()
    assert (most, turns) == (1, 15 * 3 * len(PATIENCE))
    assert not cores._turns.running | cores._turns.waiting
    assert not cores._gates


def test_the_hub_goes_on_while_native_threads_wait_for_their_turn(cores: Cores) -> None:
    """The locks are the system's own, not gevent's: only the native threads wait."""
    pools = [ThreadPool(1), ThreadPool(1)]
    ticks = 0

    def work(model: str) -> None:
        with cores.turn(model):
            time.sleep(0.1)

    def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            gevent.sleep(PAUSE)

    ticker = gevent.spawn(tick)
    running = [
        pool.spawn(work, model)
        for pool, model in zip(pools, ("generator", "reranker"), strict=True)
    ]
    for one in running:
        one.get(timeout=ENOUGH)
    ticker.kill()
    assert ticks >= 10
    for pool in pools:
        pool.kill()


def test_a_setting_names_its_way() -> None:
    assert isinstance(concurrency_for("turns", "cpu"), Cores)
    assert isinstance(concurrency_for("free", "cpu"), Free)
    assert isinstance(concurrency_for("auto", "cpu"), (Cores, Free))
    assert isinstance(concurrency_for("auto", "unknown"), Free)


def test_free_threads_run_side_by_side() -> None:
    free = Free()
    inside = 0
    with free.turn("generator") as one, free.turn("reranker") as other:
        one.give_way()
        other.give_way()
        inside += 1
    free.close()
    with free.turn("encoder"):
        inside += 1
    assert inside == 2
