"""The control law: how many candidates a request may have generated, from the load alone.

Pure: no clock, no queue, no metrics. The plans form a ladder from "retrieval only" through
"one short candidate" to `n_max` of full length, each costing more than the one below. The
highest rung is taken that holds the deadlines on what the models are predicted to take:

    generator's queue + its batch      ≤ what the gather step may take
    that + reranker's queue + batch    ≤ what gather and rank may take together
    arrivals × work of one request     ≤ one, for each model

Each left side rises with the load and with the rung, so a higher load never gives a higher rung.
A rung that does not hold is left at once; the next higher one must hold with room to spare, and
is taken one at a time, so a steady load settles on one rung.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.serving.cost import Cost

RISE_SECONDS = 0.25  # between two rungs upwards: from none to ten candidates in about three
RISE_HEADROOM = 0.85  # share of a limit that the next higher rung may use


@dataclass(frozen=True, slots=True)
class Plan:
    """What the load allows one request: candidates, and new tokens of each."""

    n: int
    max_new_tokens: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What the settings say."""

    n_max: int
    new_tokens: int
    context_tokens: int
    retrieved: int  # candidates that the reranker gets in any case
    gather_seconds: float
    rank_seconds: float
    chat_seconds: float
    in_flight_max: int
    pinned: int | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """What is observed now."""

    rate: float = 0.0  # requests a second
    in_flight: int = 0
    generator_delay: float = 0.0  # seconds before a new item's batch begins
    reranker_delay: float = 0.0
    encoder_delay: float = 0.0
    generator: Cost = field(default_factory=Cost)
    reranker: Cost = field(default_factory=Cost)
    reply_tokens: float = 30.0  # of the reranker, a candidate


@dataclass(frozen=True, slots=True)
class Rung:
    """The controller's state: where it stands on the ladder, and since when (seconds)."""

    level: int
    since: float


def ladder(limits: Limits) -> Sequence[Plan]:
    """All plans, the cheapest first."""
    rungs = [Plan(0, limits.new_tokens)]
    if limits.n_max > 0 and limits.new_tokens > 1:
        rungs.append(Plan(1, limits.new_tokens // 2))
    rungs += [Plan(n, limits.new_tokens) for n in range(1, limits.n_max + 1)]
    return rungs


def top(limits: Limits, now: float) -> Rung:
    """Where a controller starts: an idle system generates all it may."""
    return Rung(len(ladder(limits)) - 1, now)


def decide(rung: Rung, load: Load, limits: Limits, now: float) -> tuple[Rung, Plan]:
    """The next state, and what a request that arrives now may have."""
    rungs = ladder(limits)
    level = min(rung.level, len(rungs) - 1)
    holds = _highest(rungs, load, limits, 1.0)
    if holds < level:
        rung = Rung(holds, now)
    elif steps := int((now - rung.since) / RISE_SECONDS):
        # A rung a quarter of a second, asked or not: a quiet hour must not keep N down.
        ceiling = _highest(rungs, load, limits, RISE_HEADROOM)
        if ceiling > level:
            rung = Rung(min(level + steps, ceiling), now)
    if limits.pinned is not None:
        return rung, Plan(min(limits.pinned, limits.n_max), limits.new_tokens)
    return rung, rungs[rung.level]


def retry_after(load: Load, limits: Limits) -> float | None:
    """None: the request is admitted. Else the seconds after which it may try again.

    Too many in progress are refused, and so is one whose message could not even be encoded in
    time: then there would be no candidate at all.
    """
    if load.in_flight >= limits.in_flight_max:
        return max(1.0, load.encoder_delay)
    if load.encoder_delay > limits.chat_seconds:
        return max(1.0, load.encoder_delay)
    return None


def _highest(rungs: Sequence[Plan], load: Load, limits: Limits, headroom: float) -> int:
    level = len(rungs) - 1
    while level > 0 and not _holds(rungs[level], load, limits, headroom):
        level -= 1
    return level


def _holds(plan: Plan, load: Load, limits: Limits, headroom: float) -> bool:
    generated = limits.context_tokens + plan.n * plan.max_new_tokens
    ranked = load.reply_tokens * (limits.retrieved + plan.n)
    gather = load.generator_delay + load.generator.seconds(generated)
    rank = load.reranker_delay + load.reranker.seconds(ranked)
    busiest = load.rate * max(load.generator.amortised(generated), load.reranker.amortised(ranked))
    return (
        gather <= headroom * limits.gather_seconds
        and gather + rank <= headroom * (limits.gather_seconds + limits.rank_seconds)
        and busiest <= headroom
    )
