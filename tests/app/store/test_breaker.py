"""The store's breaker against its promises, on a clock of the test's own."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)

from app.store.link.breaker import Breaker, Outcome, Permit

FAILURES, SLOW, COOLDOWN, LONGEST = 4, 2, 1.0, 8.0
FINE, FAILED, LATE = Outcome.FINE, Outcome.FAILED, Outcome.SLOW


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def breaker(clock: Clock, told: list[bool] | None = None) -> Breaker:
    return Breaker(
        failures=FAILURES, slow=SLOW, cooldown=COOLDOWN, cooldown_max=LONGEST, clock=clock,
        changed=(told if told is not None else []).append,
    )  # fmt: skip


def call(it: Breaker, outcome: Outcome | None) -> bool:
    """One call from beginning to end; whether it was let through."""
    permit = it.enter()
    if permit is None:
        return False
    it.leave(permit, outcome)
    return True


def test_a_few_slow_answers_open_it_and_more_quick_failures() -> None:
    clock = Clock()
    late = breaker(clock)
    assert all(call(late, LATE) for _ in range(SLOW))
    assert not call(late, FINE)
    refused = breaker(clock)
    assert all(call(refused, FAILED) for _ in range(FAILURES))
    assert not call(refused, FINE)
    mixed = breaker(clock)
    assert all(call(mixed, each) for each in (FAILED, LATE, FAILED))
    assert call(mixed, FINE)  # a good answer: the row begins anew
    assert all(call(mixed, each) for each in (FAILED, LATE, FAILED, FAILED))
    assert not call(mixed, FINE)


def test_calls_that_say_nothing_count_for_nothing() -> None:
    it = breaker(Clock())
    for _ in range(20):
        assert call(it, None)
        assert call(it, FAILED)
        assert call(it, None)
        assert call(it, FINE)
    assert it.state == "closed"


def test_one_trial_after_the_cooldown_and_twice_as_long_a_wait_after_a_bad_one() -> None:
    clock, told = Clock(), list[bool]()
    it = breaker(clock, told)
    assert all(call(it, LATE) for _ in range(SLOW))
    wait = COOLDOWN
    for _ in range(6):
        assert it.wait == pytest.approx(wait)
        clock.now += 0.99 * wait
        assert it.enter() is None
        clock.now += 0.02 * wait
        assert it.state == "half-open"
        trial = it.enter()
        assert trial is not None
        assert it.enter() is None  # one alone
        it.leave(trial, LATE)
        wait = min(2 * wait, LONGEST)
    clock.now += wait
    assert call(it, None)  # the trial said nothing: the next call is one
    assert call(it, FINE)
    assert it.state == "closed"
    assert it.wait == 0.0
    assert told == [True, False]


def test_a_trial_that_never_comes_back_is_forgotten_and_late_news_are_old_news() -> None:
    clock = Clock()
    it = breaker(clock)
    early = it.enter()
    assert early is not None
    assert all(call(it, LATE) for _ in range(SLOW))
    it.leave(early, FINE)  # it began before
    assert it.state == "open"
    clock.now += COOLDOWN
    lost = it.enter()
    assert lost is not None
    clock.now += COOLDOWN
    assert call(it, FINE)
    it.leave(lost, LATE)
    assert it.state == "closed"


@pytest.mark.parametrize(
    "wrong",
    [{"failures": 0}, {"slow": 0}, {"cooldown": 0.0}, {"cooldown": 9.0, "cooldown_max": 8.0}],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="a breaker needs"):
        Breaker(**wrong)  # type: ignore[arg-type]


class Machine(RuleBasedStateMachine):
    """Any order of calls, endings and time against a few lines that say what must hold."""

    permits: Bundle[tuple[Permit, int]] = Bundle("permits")  # and the changes before it

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.told: list[bool] = []
        self.it = breaker(self.clock, self.told)
        self.bad = self.slow = 0  # in a row, while closed

    @rule(target=permits)
    def enter(self) -> object:
        may = self.it.wait == 0.0
        permit = self.it.enter()
        assert (permit is not None) == may
        return multiple() if permit is None else (permit, len(self.told))

    @rule(given=consumes(permits), outcome=st.sampled_from([FINE, FAILED, LATE, None]))
    def leave(self, given: tuple[Permit, int], outcome: Outcome | None) -> None:
        closed = self.it.state == "closed"
        permit, changes = given
        fresh = changes == len(self.told)
        before = len(self.told)
        self.it.leave(permit, outcome)
        if closed and fresh:
            if outcome is FINE:
                self.bad = self.slow = 0
            elif outcome is not None:
                self.bad += 1
                self.slow += outcome is LATE
            opens = self.bad >= FAILURES or self.slow >= SLOW
            assert (len(self.told) > before) == opens
        if len(self.told) > before:
            self.bad = self.slow = 0

    @rule(seconds=st.floats(0.01, 20.0))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @precondition(lambda self: self.it.state != "closed")
    @rule()
    def comes_back(self) -> None:
        """However it came to be open: after the longest wait one good answer closes it."""
        self.clock.now += LONGEST
        assert call(self.it, FINE)
        assert self.it.state == "closed"
        self.bad = self.slow = 0

    @invariant()
    def never_waits_longer_than_it_may(self) -> None:
        assert 0.0 <= self.it.wait <= LONGEST

    @invariant()
    def tells_every_change_once(self) -> None:
        assert self.told == [i % 2 == 0 for i in range(len(self.told))]
        assert (self.it.state == "closed") == (len(self.told) % 2 == 0)


TestMachine = Machine.TestCase
