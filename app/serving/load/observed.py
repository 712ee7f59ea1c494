"""What the load controller has seen: how often requests come, and what batches take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.serving.batching.queue import Budget
from app.serving.batching.reports import Backlog, BatchReport
from app.serving.load.cost import Cost, JointCost, undisturbed
from app.serving.load.cost_shares import CoreShares
from app.serving.load.law import ENCODER, RERANKER

_SLOW, _FAST = 4.0, 1.0  # seconds that arrivals count
_APART = 1.5  # the slow count is believed within this factor of the fast one
_BUSY_SECONDS = 2.0
_TEXTS = 2  # of the encoder, a request: the message, and the turns before it
_REPLY_TOKENS, _MESSAGE_TOKENS = 30.0, 10.0  # an item, before any was seen
_MEAN_DECAY = 0.95
_SHARE_SECONDS = 10.0
_SHARE_PRIOR = 100.0  # tokens a second for which the share is taken to be 1
_SHARE_BOUNDS = (0.2, 1.25)


@dataclass(slots=True)
class Faded:
    """A sum a second in which what is longer ago counts less."""

    memory: float  # seconds after which it counts 1/e
    at: float
    _sum: float = 0.0

    def add(self, amount: float, now: float) -> None:
        """So much more."""
        self._sum = self.rate(now) * self.memory + amount
        self.at = max(now, self.at)

    def rate(self, now: float) -> float:
        """A second, at `now`."""
        return self._sum * math.exp(-max(0.0, now - self.at) / self.memory) / self.memory


class ArrivalRate:
    """Arrivals a second, from a slow count and a fast one.

    The slow one is calm; where they are far apart the rate has changed, and the fast one sets
    how far the slow one may lag.
    """

    def __init__(self, at: float) -> None:
        self._slow, self._fast = Faded(_SLOW, at), Faded(_FAST, at)

    def arrived(self, now: float) -> None:
        """One more."""
        self._slow.add(1.0, now)
        self._fast.add(1.0, now)

    def rate(self, now: float) -> float:
        """Arrivals a second at `now`."""
        fast = self._fast.rate(now)
        return min(max(self._slow.rate(now), fast / _APART), fast * _APART)


class RunShare:
    """Of the tokens that requests were reckoned to bring to a model, the part that it really ran.

    The others were found in a cache, or the texts were shorter than their limit. Requests that a
    stage was late for are not reckoned: what was dropped for want of time is work all the same.
    """

    def __init__(self) -> None:
        self._reckoned, self._ran = Faded(_SHARE_SECONDS, 0.0), Faded(_SHARE_SECONDS, 0.0)

    def reckoned(self, tokens: float, now: float) -> None:
        """A request that was answered in full was reckoned to bring so many."""
        self._reckoned.add(tokens, now)

    def ran(self, tokens: float, now: float) -> None:
        """A batch had so many."""
        self._ran.add(tokens, now)

    def share(self, now: float) -> float:
        """Ran by reckoned; 1 where little is known."""
        reckoned = self._reckoned.rate(now) + _SHARE_PRIOR
        least, most = _SHARE_BOUNDS
        return min(most, max(least, (self._ran.rate(now) + _SHARE_PRIOR) / reckoned))


@dataclass(slots=True)
class Costs:
    """The joint cost, and the sizes that items usually have."""

    _joint: JointCost = field(default_factory=JointCost)
    _warming: dict[str, list[tuple[int, float]]] | None = field(default_factory=dict)
    _shares: CoreShares = field(default_factory=CoreShares)
    _lengths: dict[str, float] = field(default_factory=dict)  # mean tokens of an item
    _stretch: dict[str, float] = field(default_factory=dict)
    _busy: Faded = field(default_factory=lambda: Faded(_BUSY_SECONDS, 0.0))

    def observe(self, report: BatchReport, now: float, running: Mapping[str, float]) -> None:
        """A batch has run; `running`: since when those of the other models run."""
        share = self._shares.finished(report.model, now - report.seconds, now, running)
        if self._warming is not None:
            self._warming.setdefault(report.model, []).append((report.tokens, share))
        self._joint.observed(report.model, report.tokens, share, now)
        self._busy.add(share, now)
        if report.items > 0:
            length = report.tokens / report.items
            mean = self._lengths.get(report.model, length)
            self._lengths[report.model] = length + _MEAN_DECAY * (mean - length)
        if share > 0.0:
            before = self._stretch.get(report.model, 1.0)
            slower = report.seconds / share
            self._stretch[report.model] = slower + _MEAN_DECAY * (before - slower)

    def settle(self) -> None:
        """What was seen so far is the base from now on: the least that each size took."""
        warming, self._warming = self._warming or {}, None
        self._joint = JointCost({model: undisturbed(seen) for model, seen in warming.items()})

    def cost(self, model: str, now: float) -> Cost:
        """Of the shared cores, as it is believed now."""
        return self._joint.cost(model, now)

    def on_the_clock(self, model: str, now: float) -> Cost:
        """The same, as long as it takes beside the other models."""
        cost, stretch = self.cost(model, now), self._stretch.get(model, 1.0)
        return Cost(cost.fixed * stretch, cost.per_token * stretch)

    def busy(self, now: float) -> float:
        """The share of the last seconds in which any model ran, 0 … 1."""
        return min(1.0, self._busy.rate(now))

    @property
    def message_tokens(self) -> float:
        """Of the encoder, a request."""
        return _TEXTS * self._lengths.get(ENCODER, _MESSAGE_TOKENS)

    @property
    def reply_tokens(self) -> float:
        """Of the reranker, a candidate."""
        return self._lengths.get(RERANKER, _REPLY_TOKENS)


def queued_work(backlog: Backlog, cost: Cost, budget: Budget | None) -> float:
    """Seconds that what waits at a model will take: the first batch's fixed part is not counted,
    since whoever comes now may share it."""
    seconds = cost.per_token * backlog.tokens
    if backlog.items and budget is not None:
        seconds += cost.fixed * (math.ceil(backlog.tokens / budget.tokens) - 1)
    return seconds


def remaining(backlog: Backlog, cost: Cost) -> float:
    """Seconds that the batch which runs will still take.

    One that takes longer than predicted is expected to take as long again.
    """
    if backlog.running_tokens == 0:
        return 0.0
    return abs(cost.seconds(backlog.running_tokens) - backlog.running_seconds)
