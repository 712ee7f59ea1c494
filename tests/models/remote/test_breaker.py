"""The breaker against its promises, on a clock of the test's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from models.runtimes.remote.breaker import Breaker, Permit

FAILURES, WINDOW, COOLDOWN, LONGEST = 3, 6, 1.0, 8.0


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def breaker(clock: Clock, **changes: float) -> Breaker:
    options = {
        "failures": FAILURES, "share": 0.5, "window": WINDOW,
        "cooldown": COOLDOWN, "cooldown_max": LONGEST, **changes,
    }  # fmt: skip
    return Breaker(clock=clock, **options)  # type: ignore[arg-type]


def call(it: Breaker, ok: bool | None) -> bool:
    """One call from beginning to end; whether it was let through."""
    permit = it.enter()
    if permit is None:
        return False
    it.leave(permit, ok)
    return True


def opened(clock: Clock, **changes: float) -> Breaker:
    it = breaker(clock, **changes)
    for _ in range(FAILURES):
        assert call(it, False)
    assert it.state == "open"
    return it


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not() -> None:
    clock = Clock()
    it = breaker(clock, window=100)
    for _ in range(10):
        assert call(it, False)
        assert call(it, False)
        assert call(it, True)
    assert it.state == "closed"
    for _ in range(FAILURES):
        assert call(it, False)
    assert not call(it, True)


def test_a_share_of_failures_opens_it_once_the_window_is_full() -> None:
    clock = Clock()
    it = breaker(clock, failures=100)
    for _ in range(WINDOW // 2 - 1):
        assert call(it, False)
        assert call(it, True)
    assert call(it, True)
    assert it.state == "closed"  # 2 of 5
    assert call(it, False)
    assert it.state == "open"  # 3 of 6


def test_after_the_cooldown_one_call_is_let_through() -> None:
    clock = Clock()
    it = opened(clock)
    clock.now += 0.999 * COOLDOWN
    assert it.enter() is None
    clock.now += 0.002 * COOLDOWN
    trial = it.enter()
    assert trial is not None
    assert it.state == "half-open"
    assert [it.enter() for _ in range(5)] == [None] * 5
    it.leave(trial, True)
    assert it.state == "closed"
    assert call(it, True)


def test_each_failed_trial_doubles_the_cooldown_up_to_the_longest() -> None:
    clock = Clock()
    it = opened(clock)
    for expected in (1.0, 2.0, 4.0, 8.0, 8.0):
        clock.now += expected - 0.001
        assert not call(it, False)
        clock.now += 0.002
        assert call(it, False)
    clock.now += LONGEST + 0.001
    assert call(it, True)
    for _ in range(FAILURES):  # the next time begins with the shortest
        call(it, False)
    clock.now += COOLDOWN + 0.001
    assert call(it, True)


def test_a_trial_that_says_nothing_lets_the_next_one_try() -> None:
    clock = Clock()
    it = opened(clock)
    clock.now += COOLDOWN
    assert call(it, None)
    assert call(it, True)
    assert it.state == "closed"


def test_a_trial_that_never_comes_back_is_forgotten() -> None:
    clock = Clock()
    it = opened(clock)
    clock.now += COOLDOWN
    lost = it.enter()
    assert lost is not None
    clock.now += COOLDOWN
    trial = it.enter()
    assert trial is not None
    it.leave(lost, False)  # too late to mean anything
    it.leave(trial, True)
    assert it.state == "closed"


def test_calls_that_began_before_it_opened_say_nothing_of_now() -> None:
    clock = Clock()
    it = breaker(clock)
    early = [it.enter() for _ in range(10)]
    for _ in range(FAILURES):
        call(it, False)
    for permit in early:
        assert permit is not None
        it.leave(permit, True)
    assert it.state == "open"


@pytest.mark.parametrize(
    "changes",
    [{"failures": 0}, {"window": 0}, {"share": 0.0}, {"share": 1.1}, {"cooldown": 0.0},
     {"cooldown": 9.0}],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        breaker(Clock(), **changes)


@given(st.lists(st.booleans(), max_size=60))
def test_it_opens_exactly_when_the_rule_says(outcomes: list[bool]) -> None:
    it = breaker(Clock())
    for count in range(1, len(outcomes) + 1):
        assert call(it, outcomes[count - 1])
        last, window = outcomes[:count][-FAILURES:], outcomes[:count][-WINDOW:]
        row = len(last) == FAILURES and not any(last)
        share = len(window) == WINDOW and window.count(False) >= 0.5 * WINDOW
        assert (it.state == "open") == (row or share)
        if it.state == "open":
            return


class Calls(RuleBasedStateMachine):
    """Calls that overlap, end in any order or never, while time goes by."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = breaker(self.clock)
        self.under_way: list[Permit] = []
        self.trials: list[float] = []  # when calls were let through since it opened
        self.opened_at: float | None = None

    @rule()
    def begin(self) -> None:
        before = self.breaker.state
        permit = self.breaker.enter()
        if before == "closed":
            assert permit is not None
        if before == "open":
            assert permit is None
        if permit is not None:
            self.under_way.append(permit)
            if before == "half-open":
                self.trials.append(self.clock.now)

    @precondition(lambda self: self.under_way)
    @rule(place=st.integers(0, 1_000), ok=st.sampled_from([True, False, False, None]))
    def end(self, place: int, ok: bool | None) -> None:
        permit = self.under_way.pop(place % len(self.under_way))
        before = self.breaker.state
        self.breaker.leave(permit, ok)
        after = self.breaker.state
        if before == "closed" and after == "open":
            self.opened_at, self.trials = self.clock.now, []
        if after == "closed":
            self.opened_at, self.trials = None, []
        if before != "closed" and after == "closed":
            assert ok is True

    @rule(seconds=st.floats(0.0, 2 * LONGEST))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def no_call_is_let_through_before_the_cooldown(self) -> None:
        if self.opened_at is not None:
            assert all(when >= self.opened_at + COOLDOWN for when in self.trials)

    @invariant()
    def it_can_always_recover(self) -> None:
        if self.breaker.state == "open":
            soon = Clock()
            soon.now = self.clock.now + LONGEST
            kept, self.breaker._clock = self.breaker._clock, soon
            assert self.breaker.state == "half-open"
            self.breaker._clock = kept


TestCalls = Calls.TestCase
