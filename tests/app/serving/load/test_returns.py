"""People who were turned away come back at the pace that can be answered, in their order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.serving.load.returns import LATEST, SOONEST, Returns

seconds = st.floats(0.0, 100.0)
paces = st.floats(0.0, 1_000.0)


def test_each_comes_a_place_after_the_one_before() -> None:
    returns = Returns()
    waits = [returns.book(10.0, 4.0) for _ in range(5)]
    assert waits == pytest.approx([1.0, 1.25, 1.5, 1.75, 2.0])


def test_after_a_quiet_time_the_next_may_come_back_soon() -> None:
    returns = Returns()
    for _ in range(40):
        returns.book(0.0, 4.0)
    assert returns.book(5.0, 4.0) == pytest.approx(6.0)
    assert returns.book(60.0, 4.0) == SOONEST


def test_what_cannot_be_answered_soon_waits_as_long_as_anybody_does() -> None:
    returns = Returns()
    assert returns.book(0.0, 0.0) == LATEST
    assert returns.book(20.0, 100.0) == pytest.approx(10.01)


def test_background_work_comes_after_everybody_and_takes_no_place() -> None:
    returns = Returns()
    returns.book(0.0, 1.0)
    assert returns.book(0.0, 1.0, background=True) == pytest.approx(2.0)
    assert returns.book(0.0, 1.0) == pytest.approx(2.0)


@given(st.lists(st.tuples(seconds, paces), max_size=60))
def test_every_wait_is_bounded_and_nobody_overtakes(steps: list[tuple[float, float]]) -> None:
    returns, now, last = Returns(), 0.0, 0.0
    for passed, pace in steps:
        now += passed
        wait = returns.book(now, pace)
        assert SOONEST - 1e-6 <= wait <= LATEST + 1e-6
        assert now + wait >= last - 1e-6
        last = now + wait
