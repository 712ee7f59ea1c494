"""How often requests come, and sums that fade."""

from __future__ import annotations

import pytest

from app.serving.load.observed import ArrivalRate, Faded


def test_arrivals_fade() -> None:
    rate = ArrivalRate(at=0.0)
    for i in range(1, 301):
        rate.arrived(i / 10)
    assert rate.rate(30.0) == pytest.approx(10, rel=0.1)
    assert rate.rate(32.0) < 4
    assert rate.rate(90.0) < 1e-6


def test_a_flood_is_seen_within_a_second_and_its_end_within_four() -> None:
    rate = ArrivalRate(at=0.0)
    for i in range(1, 51):
        rate.arrived(i / 5)
    for i in range(1, 101):
        rate.arrived(10 + i / 100)
    assert rate.rate(11.0) > 40
    for i in range(1, 21):
        rate.arrived(11 + i / 5)
    assert rate.rate(15.0) < 10


def test_a_faded_sum_holds_what_is_added_steadily() -> None:
    faded = Faded(2.0, 0.0)
    for i in range(1, 2_001):
        faded.add(0.03, i / 20)
    assert faded.rate(100.0) == pytest.approx(0.6, rel=0.05)
