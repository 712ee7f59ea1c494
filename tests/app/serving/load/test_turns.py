"""Whose turn it is, over all schedules of a virtual clock."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.serving.load.turns import Claim, Turns

PATIENCE = {"reranker": 0.0, "encoder": 0.005, "generator": 0.1}
GENERATOR_STEPS = 30
STEP = 0.01  # seconds: a generator's step, and any other turn
# Beyond its patience, with two others that never rest: the k-th pair of turns costs k more steps.
OVERTIME = 2 * STEP * (1 + math.isqrt(GENERATOR_STEPS))


def test_little_patience_goes_first() -> None:
    turns = Turns(PATIENCE)
    claims = {name: turns.claim(name, 0.0) for name in ("generator", "encoder", "reranker")}
    assert turns.grant(0.0) == [claims["reranker"]]
    assert turns.grant(0.0) == []  # one at a time
    turns.end(claims["reranker"])
    assert turns.grant(0.01) == [claims["encoder"]]
    turns.end(claims["encoder"])
    assert turns.grant(0.02) == [claims["generator"]]


def test_a_long_batch_gives_way_to_the_end_while_its_patience_lasts() -> None:
    turns = Turns(PATIENCE)
    long = turns.claim("generator", 0.0)
    turns.grant(0.0)
    assert not turns.gives_way(long, 0.5)  # nobody waits
    late = turns.claim("reranker", 0.6)
    assert turns.gives_way(long, 0.61)
    assert turns.grant(0.61) == [late]
    turns.end(late)
    assert turns.grant(0.62) == [long]


def test_patience_that_has_run_out_holds_its_place() -> None:
    turns = Turns(PATIENCE)
    long = turns.claim("generator", 0.0)
    first = turns.claim("reranker", 0.0)
    assert turns.grant(0.0) == [first]
    turns.claim("reranker", 0.2)  # after the generator was due
    turns.end(first)
    assert turns.grant(0.2) == [long]
    assert not turns.gives_way(long, 0.21)


def test_who_insists_runs_beside_the_others_and_nobody_joins_them() -> None:
    turns = Turns(PATIENCE)
    slow = turns.claim("generator", 0.0)
    turns.grant(0.0)
    insisting = turns.claim("reranker", 0.1)
    waiting = turns.claim("encoder", 0.1)
    assert turns.insists(insisting, 1.1)
    assert not turns.insists(insisting, 1.1)
    assert turns.running == {slow, insisting}
    turns.end(insisting)
    assert turns.grant(1.2) == []  # the slow one still has its turn
    turns.end(slow)
    assert turns.grant(1.3) == [waiting]


def test_one_that_hangs_loses_its_turn_once_and_holds_nobody_up_again() -> None:
    turns = Turns(PATIENCE, longest=1.0)
    hanging = turns.claim("generator", 0.0)
    turns.grant(0.0)
    waiting = turns.claim("encoder", 0.1)
    assert turns.grant(0.9) == []
    assert turns.grant(1.0) == [waiting]
    turns.end(waiting)
    for number in range(3):
        later = turns.claim("reranker", 2.0 + number)
        assert turns.grant(2.0 + number) == [later]
        assert turns.running == {later}
        turns.end(later)
    turns.end(hanging)
    assert not turns.gives_way(hanging, 6.0)
    assert not turns.running | turns.waiting


def test_one_that_was_given_up_and_comes_back_waits_for_a_turn() -> None:
    turns = Turns(PATIENCE, longest=1.0)
    back = turns.claim("generator", 0.0)
    turns.grant(0.0)
    other = turns.claim("encoder", 1.5)
    assert turns.grant(1.5) == [other]
    assert turns.gives_way(back, 1.6)
    assert turns.grant(1.6) == []
    turns.end(other)
    assert turns.grant(1.7) == [back]
    assert not turns.gives_way(back, 1.8)


def test_a_long_batch_of_short_steps_does_not_hang() -> None:
    turns = Turns(PATIENCE, longest=1.0)
    long = turns.claim("generator", 0.0)
    turns.grant(0.0)
    for step in range(1, 40):
        assert not turns.gives_way(long, step * 0.1)
        assert turns.grant(step * 0.1) == []
    assert turns.running == {long}


def test_what_is_over_has_no_say() -> None:
    turns = Turns(PATIENCE)
    gone = turns.claim("encoder", 0.0)
    turns.end(gone)
    turns.end(gone)
    assert turns.grant(0.0) == []
    assert not turns.gives_way(gone, 0.0)
    assert not turns.insists(gone, 0.0)
    with pytest.raises(ValueError, match="able to run"):
        Turns(PATIENCE, slots=0)


@dataclass
class Machine:
    """Cores for one model at a time; each turn of a claim takes `STEP`, then it may give way."""

    turns: Turns = field(default_factory=lambda: Turns(PATIENCE))
    now: float = 0.0
    steps: dict[Claim, int] = field(default_factory=dict)  # still to be run
    model: dict[Claim, str] = field(default_factory=dict)
    waited: dict[Claim, float] = field(default_factory=dict)
    finished: list[Claim] = field(default_factory=list)

    def arrives(self, model: str, steps: int) -> None:
        claim = self.turns.claim(model, self.now)
        self.steps[claim], self.model[claim], self.waited[claim] = steps, model, 0.0

    def tick(self) -> None:
        self.turns.grant(self.now)
        assert len(self.turns.running) <= 1
        assert self.turns.running or not self.turns.waiting  # the cores never idle
        for waiting in self.turns.waiting:
            self.waited[waiting] += STEP
        self.now += STEP
        for claim in self.turns.running:
            self.steps[claim] -= 1
            if self.steps[claim] == 0:
                self.turns.end(claim)
                self.finished.append(claim)
            elif self.model[claim] == "generator":
                self.turns.gives_way(claim, self.now)


# Each model has one native thread, so of each one claim is open at a time.
demands = st.lists(
    st.tuples(
        st.sampled_from([True, True, False]),
        st.booleans(),
        st.sampled_from([0, 0, 1, 5, GENERATOR_STEPS]),
    ),
    min_size=1,
    max_size=120,
)


@given(demands)
def test_nobody_starves(
    demands: list[tuple[bool, bool, int]],
) -> None:
    """However the models ask, nobody waits much longer than their patience."""
    machine = Machine()
    for reranks, encodes, generates in demands:
        busy = {machine.model[c] for c in machine.turns.running | machine.turns.waiting}
        if reranks and "reranker" not in busy:
            machine.arrives("reranker", 1)
        if encodes and "encoder" not in busy:
            machine.arrives("encoder", 1)
        if generates and "generator" not in busy:
            machine.arrives("generator", generates)
        machine.tick()
    for _ in range(sum(machine.steps.values())):
        machine.tick()
    assert not machine.turns.running | machine.turns.waiting
    assert sum(machine.steps.values()) == 0
    assert sorted(c.number for c in machine.finished) == sorted(c.number for c in machine.steps)
    for claim, waited in machine.waited.items():
        # Who runs, one claim of each other model, a tick for the rounding.
        assert waited <= PATIENCE[machine.model[claim]] + 4 * STEP + OVERTIME


def test_while_patience_lasts_the_short_wait_for_one_step() -> None:
    machine = Machine()
    machine.arrives("generator", GENERATOR_STEPS)
    for tick in range(GENERATOR_STEPS):
        machine.tick()
        if tick % 4 == 0:
            machine.arrives("reranker", 1)
    short = [claim for claim in machine.finished if machine.model[claim] == "reranker"]
    assert len(short) >= 5
    assert all(machine.waited[claim] <= STEP for claim in short)
