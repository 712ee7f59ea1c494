"""What the settings say to the control law."""

from __future__ import annotations

from collections.abc import Mapping

from app.serving.batching.queue import Budget
from app.serving.load.gain import DEFAULT, Gain
from app.serving.load.law import Limits
from app.settings import Settings


def limits_of(
    settings: Settings,
    budgets: Mapping[str, Budget] | None = None,
    gain: Gain = DEFAULT,
) -> Limits:
    """What the settings allow a request, what a batch may hold, what candidates are worth."""
    objective = settings.latency_objective_ms or settings.chat_deadline_ms
    return Limits(
        n_max=settings.candidates_max,
        new_tokens=settings.new_tokens,
        context_tokens=settings.context_tokens,
        retrieved=settings.retrieval_k,
        gather_seconds=settings.gather_deadline_ms / 1000,
        rank_seconds=settings.rank_deadline_ms / 1000,
        objective_seconds=objective / 1000,
        in_flight_max=settings.in_flight_max,
        pinned=settings.candidates_pinned,
        gain=gain,
        budgets=budgets or {},
    )
