"""Loads and limits for tests of the control law: one of each, and any."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from app.serving.batching.queue import Budget
from app.serving.load.cost import Cost
from app.serving.load.gain import measured
from app.serving.load.law import (
    Limits,
    Load,
    plans,
)

BUDGETS = {
    "encoder": Budget(1_024, 32),
    "reranker": Budget(2_048, 4),
    "generator": Budget(6_144, 16),
}
LIMITS = Limits(
    n_max=10,
    new_tokens=40,
    context_tokens=100,
    retrieved=10,
    gather_seconds=0.45,
    rank_seconds=0.2,
    objective_seconds=0.8,
    in_flight_max=256,
    gain=measured([0.92, *(0.93 + n / 1000 for n in range(10))]),
    budgets=BUDGETS,
)
IDLE = Load(
    encoder=Cost(0.002, 0.00005), generator=Cost(0.03, 0.00004), reranker=Cost(0.002, 0.00003)
)
TOP = len(plans(LIMITS)) - 1


costs = st.builds(Cost, fixed=st.floats(0, 0.3), per_token=st.floats(0, 0.002))
loads = st.builds(
    Load,
    rate=st.floats(0, 300),
    ahead=st.floats(0, 2),
    in_flight=st.integers(0, 400),
    encoder=costs,
    generator=costs,
    reranker=costs,
    message_tokens=st.floats(1, 80),
    reply_tokens=st.floats(1, 80),
    trim=st.floats(0.5, 1),
)
gains = st.builds(
    measured, st.lists(st.floats(0.01, 2), min_size=1, max_size=12), st.floats(0.01, 2)
)
more = st.floats(0, 3)
rungs = st.integers(0, TOP)


@st.composite
def heavier(draw: st.DrawFn) -> tuple[Load, Load]:
    """A load, and one that is more in every respect, or equal."""
    light = draw(loads)
    factor = 1 + draw(more)
    slower = lambda cost: Cost(factor * cost.fixed, factor * cost.per_token)
    return light, replace(
        light,
        rate=light.rate + 50 * draw(more),
        ahead=light.ahead + draw(more),
        in_flight=light.in_flight + draw(st.integers(0, 100)),
        encoder=slower(light.encoder),
        generator=slower(light.generator),
        reranker=slower(light.reranker),
        trim=light.trim * draw(st.floats(0.5, 1)),
    )


def rate_and_queue(light: Load, rate: float, ahead: float, in_flight: int) -> Load:
    return replace(
        light,
        rate=light.rate + 50 * rate,
        ahead=light.ahead + ahead,
        in_flight=light.in_flight + in_flight,
    )
