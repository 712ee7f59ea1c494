"""The control law: how many candidates a request may have generated, and whether it is let in.

Pure: no clock, no queue, no metrics; `docs/load-control.md` derives it. All models share the same
cores, so there is one cost. A request of plan p brings S(p) seconds of work; a round of batches
costs F(p) seconds besides, whatever it holds. With arrivals at rate λ a round lasts F / (1 - λS),
and a request waits for the round that runs and for its own:

    L(p, λ) = (F + S + b·F) / (1 - λS),   b = min(1, λ(F + S))     expected, slow tail included
    c(p)    = the highest λ for which L holds the limits and batches at their largest keep up
    level   = the plan with the most min(λ, c(p)) · gain(p)        worth a second
    plan    = the highest up to that level with W + F + S ≤ limit  W: work that is ahead now
    let in  ⟺ W + F + S of the cheapest plan ≤ a share of the limit

F and S rise with p, so c falls with p, and both choices fall with λ and with W. The level is left
at once when it does not hold, and is climbed one rung at a time, where the next one holds with
room to spare. Every limit is scaled by `trim`, the feedback of `feedback.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from app.serving.batching.queue import Budget
from app.serving.load.cost import Cost
from app.serving.load.gain import DEFAULT, Gain

ENCODER, RERANKER, GENERATOR = "encoder", "reranker", "generator"

RISE_SECONDS = 0.25  # between two rungs upwards: from none to ten candidates in about three
RISE_HEADROOM = 0.88  # share of a limit that the next higher rung may use
FULLEST = 0.95  # of the cores' time that may be planned; at 1 the queue never drains
TRIAL_SECONDS = 5.0  # without candidates, until some are tried that are predicted late
ADMITTED = 0.75  # share of the limit that the work before a new request may fill
BACKGROUND = 0.5  # of that, for what nobody waits for
CROWDED = 0.5  # of every bound, for who has all that is under way while others ask too
SURE = 0.85  # of a limit that one request may be predicted to fill: batches vary
BESIDE = 0.75  # of the cores' time, at most, that later requests are reckoned to take meanwhile
_BATCH = 8  # requests that share a batch where no budget says how many
RETURNING = 0.8  # of the rate that can be answered, for people who were turned away before


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
    objective_seconds: float  # of the whole reply, for 95 of 100
    in_flight_max: int
    pinned: int | None = None
    gain: Gain = DEFAULT
    budgets: Mapping[str, Budget] = field(default_factory=dict, hash=False)

    @property
    def reply_seconds(self) -> float:
        """What the models may take of one reply."""
        return min(self.objective_seconds, self.stages_seconds)

    @property
    def stages_seconds(self) -> float:
        """The deadlines of all stages: for a batch that runs longer nobody waits any more."""
        return self.gather_seconds + self.rank_seconds


@dataclass(frozen=True, slots=True)
class Load:
    """What is observed now; more of any field is more load, save `trim`."""

    rate: float = 0.0  # requests a second that this worker has to expect
    ahead: float = 0.0  # seconds of work that is let in and not done
    in_flight: int = 0
    encoder: Cost = field(default_factory=Cost)
    generator: Cost = field(default_factory=Cost)
    reranker: Cost = field(default_factory=Cost)
    message_tokens: float = 20.0  # of the encoder, a request
    reply_tokens: float = 30.0  # of the reranker, a candidate
    generated_share: float = 1.0  # of the generator's tokens at most, those that really run
    trim: float = 1.0  # share of every limit that may be used, 0 … 1


@dataclass(frozen=True, slots=True)
class Level:
    """The controller's state: the rung of the ladder, and since when (seconds of the clock)."""

    rung: int
    since: float
    tried: float = -math.inf  # when somebody was last allowed candidates


@dataclass(frozen=True, slots=True)
class Demand:
    """What a plan asks of the shared cores, in seconds."""

    fixed: float  # of a round of batches, whatever they hold
    own: float  # of one request in it
    shared: float  # of one request when batches are as large as they may be
    rank: float  # the part of fixed and own that comes after gathering

    @property
    def alone(self) -> float:
        """Of a request that nobody is before or beside."""
        return self.fixed + self.own


@lru_cache(maxsize=8)
def ladder(n_max: int, new_tokens: int) -> Sequence[Plan]:
    """All plans, the cheapest first: none, one short candidate, one, two, …"""
    rungs = [Plan(0, new_tokens)]
    if n_max > 0 and new_tokens > 1:
        rungs.append(Plan(1, new_tokens // 2))
    return (*rungs, *(Plan(n, new_tokens) for n in range(1, n_max + 1)))


def plans(limits: Limits) -> Sequence[Plan]:
    """The plans that these limits leave to the law: one, where it is pinned."""
    if limits.pinned is not None:
        return (Plan(min(limits.pinned, limits.n_max), limits.new_tokens),)
    return ladder(limits.n_max, limits.new_tokens)


def start(limits: Limits, now: float) -> Level:
    """Where a controller starts: an idle system generates all it may."""
    return Level(len(plans(limits)) - 1, now, tried=now)


def demand(plan: Plan, load: Load, limits: Limits) -> Demand:
    """What one request of this plan costs."""
    parts = [
        _part(load.encoder, load.message_tokens, limits.budgets.get(ENCODER)),
        _part(
            load.reranker,
            load.reply_tokens * (limits.retrieved + plan.n),
            limits.budgets.get(RERANKER),
        ),
    ]
    rank = parts[1][0] + parts[1][1]
    if plan.n > 0:
        tokens = load.generated_share * generator_tokens(plan, limits)
        parts.append(_part(load.generator, tokens, limits.budgets.get(GENERATOR)))
    fixed, own, shared = (sum(column) for column in zip(*parts, strict=True))
    return Demand(fixed, own, shared, rank)


def generator_tokens(plan: Plan, limits: Limits) -> int:
    """At most, as the generator counts them: its context, and all candidates at full length."""
    return limits.context_tokens + plan.n * plan.max_new_tokens if plan.n > 0 else 0


def capacity(plan: Plan, load: Load, limits: Limits, headroom: float = 1.0) -> float:
    """The highest rate (requests a second) at which this plan holds the limits; 0 where none."""
    asked = demand(plan, load, limits)
    allowed = headroom * load.trim
    return min(
        _ratio(allowed * FULLEST, asked.shared),
        _highest_rate(asked.alone, asked, allowed * limits.reply_seconds),
        _highest_rate(asked.alone - asked.rank, asked, allowed * limits.gather_seconds),
    )


def predicted(plan: Plan, load: Load, limits: Limits) -> float:
    """Seconds until a request that arrives now has its reply, from the work that is ahead."""
    return load.ahead + demand(plan, load, limits).alone


def decide(level: Level, load: Load, limits: Limits, now: float) -> tuple[Level, Plan]:
    """The next state, and what a request that arrives now may have.

    Where nobody had candidates for a while, one that finds nothing before it has the least of
    them, whatever is predicted: what is never generated is never measured again.
    """
    rungs = plans(limits)
    rung = min(level.rung, len(rungs) - 1)
    worth = _worth_most(rungs, load, limits, 1.0)
    if worth < rung:
        level = replace(level, rung=worth, since=now)
    elif steps := int((now - level.since) / RISE_SECONDS):
        # A rung a quarter of a second, asked or not: a quiet hour must not keep N down.
        ceiling = min(worth, _worth_most(rungs, load, limits, RISE_HEADROOM))
        level = replace(level, rung=max(rung, min(rung + steps, ceiling)), since=now)
    allowed = _highest_in_time(rungs[: level.rung + 1], load, limits)
    if load.ahead <= 0.0 and now - level.tried >= TRIAL_SECONDS:
        allowed = max(allowed, min(1, len(rungs) - 1))
    if allowed > 0:
        level = replace(level, tried=now)
    return level, rungs[allowed]


def admits(load: Load, limits: Limits, *, background: bool = False, share: float = 0.0) -> bool:
    """Whether a request that arrives now is let in.

    Args:
        share: of the requests in progress those that come from where this one does, 0 to 1. The
            more there are, the lower its bounds: what is left is for those who have fewer.

    Refused is what would be late even by the cheapest plan. One that finds nothing before it is
    let in whatever is predicted: were a prediction alone enough, it could not be corrected.
    """
    fair = 1.0 - (1.0 - CROWDED) * share
    if load.in_flight >= fair * limits.in_flight_max:
        return False
    if load.ahead <= 0.0:
        return True
    cheapest = plans(limits)[0]
    most = fair * ADMITTED * load.trim * limits.reply_seconds
    if background:
        most *= BACKGROUND
    if predicted(cheapest, load, limits) > most:
        return False
    return not (background and load.rate > capacity(cheapest, load, limits))


def returning(load: Load, limits: Limits) -> float:
    """How many a second of those who were turned away may come back: new ones come beside them."""
    return RETURNING * capacity(plans(limits)[0], load, limits)


def _part(cost: Cost, tokens: float, budget: Budget | None) -> tuple[float, float, float]:
    """Of one model: fixed, own, and own with its share of a full batch's fixed part."""
    most = _BATCH
    if budget is not None:
        most = max(1, min(budget.items, int(budget.tokens / max(1.0, tokens))))
    own = cost.per_token * tokens
    return cost.fixed, own, own + cost.fixed / most


def _highest_rate(alone: float, asked: Demand, limit: float) -> float:
    """The highest λ with (alone + b·F) / (1 - λS) ≤ limit, b = min(1, λ·alone); see the top."""
    if alone >= limit:
        return 0.0
    growing = _ratio(limit - alone, alone * asked.fixed + limit * asked.own)
    always = _ratio(1.0 - (alone + asked.fixed) / limit, asked.own)
    return max(growing, always)


def _ratio(above: float, below: float) -> float:
    if below > 0.0:
        return above / below
    return math.inf if above > 0.0 else 0.0


def _worth_most(rungs: Sequence[Plan], load: Load, limits: Limits, headroom: float) -> int:
    """The rung with the most gain a second; of equal ones the highest."""
    best, most = 0, 0.0
    for rung in range(len(rungs) - 1, -1, -1):
        plan = rungs[rung]
        served = capacity(plan, load, limits, headroom)
        if served <= 0.0:
            continue
        share = min(1.0, _ratio(served, load.rate))
        worth = share * limits.gain.of(plan.n, plan.max_new_tokens / limits.new_tokens)
        if worth > most:
            best, most = rung, worth
        if share >= 1.0:
            break  # a smaller plan serves no more, and is worth no more
    return best


def _highest_in_time(rungs: Sequence[Plan], load: Load, limits: Limits) -> int:
    """The highest rung with which a request that arrives now is predicted to hold its deadlines;
    the lowest where none is."""
    # Those who come later embed and rank beside this one while it waits to be generated.
    beside = load.rate * demand(plans(limits)[0], load, limits).own
    free = 1.0 - min(BESIDE, beside)
    allowed = SURE * load.trim
    for rung in range(len(rungs) - 1, 0, -1):
        asked = demand(rungs[rung], load, limits)
        gathered = (load.ahead + asked.alone - asked.rank) / free
        if (
            gathered <= allowed * limits.gather_seconds
            and gathered + asked.rank <= allowed * limits.reply_seconds
        ):
            return rung
    return 0
