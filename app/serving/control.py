"""Feeds the control law with what the hub sees: arrivals, requests in progress, queues, batches."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from app.errors import Overloaded
from app.serving.batcher import Backlog, BatchReport
from app.serving.cost import Cost, CostFit
from app.serving.load import Limits, Load, Plan, decide, retry_after, top
from app.settings import Settings
from app.telemetry import Metrics

ENCODER, RERANKER, GENERATOR = "encoder", "reranker", "generator"
_RATE_SECONDS = 2.0  # how far back arrivals count
_REPLY_TOKENS = 30.0  # of the reranker, a candidate, before any was seen


def limits_of(settings: Settings) -> Limits:
    """What the settings allow a request."""
    return Limits(
        n_max=settings.candidates_max,
        new_tokens=settings.new_tokens,
        context_tokens=settings.context_tokens,
        retrieved=settings.retrieval_k,
        gather_seconds=settings.gather_deadline_ms / 1000,
        rank_seconds=settings.rank_deadline_ms / 1000,
        chat_seconds=settings.chat_deadline_ms / 1000,
        in_flight_max=settings.in_flight_max,
        pinned=settings.candidates_pinned,
    )


@dataclass(slots=True)
class ArrivalRate:
    """Arrivals a second, each counting less the longer it is ago."""

    weight: float = 0.0
    at: float = 0.0

    def arrived(self, now: float) -> None:
        """One more."""
        self.weight = self._faded(now) + 1.0
        self.at = now

    def rate(self, now: float) -> float:
        """Arrivals a second at `now`."""
        return self._faded(now) / _RATE_SECONDS

    def _faded(self, now: float) -> float:
        return self.weight * math.exp(-max(0.0, now - self.at) / _RATE_SECONDS)


class LoadController:
    """Observes on the hub, and asks the control law for each request."""

    def __init__(
        self, limits: Limits, metrics: Metrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits
        self._metrics = metrics
        self._clock = clock
        self._fits: dict[str, CostFit] = {}
        self._backlogs: Mapping[str, Callable[[], Backlog]] = {}
        self._arrivals = ArrivalRate(at=clock())
        self._in_flight = 0
        self._rung = top(limits, clock())

    def watch(self, backlogs: Mapping[str, Callable[[], Backlog]]) -> None:
        """From now on the queues of these models count."""
        self._backlogs = backlogs

    def observe(self, report: BatchReport) -> None:
        """A batch has run."""
        fit = self._fits.get(report.model, CostFit())
        self._fits[report.model] = fit.observed(
            report.tokens, report.items, report.seconds, self._clock()
        )

    def forget(self) -> None:
        """Observe anew."""
        self._fits = {}

    def settle(self) -> None:
        """What was observed so far (while warming) is what an idle machine takes."""
        self._fits = {model: fit.settled() for model, fit in self._fits.items()}

    @property
    def in_flight(self) -> int:
        """Requests in progress."""
        return self._in_flight

    def plan(self) -> Plan:
        """What a request that arrives now may have generated."""
        self._rung, plan = decide(self._rung, self.load(), self._limits, self._clock())
        self._metrics.candidates.set(plan.n)
        return plan

    @contextmanager
    def admission(self) -> Iterator[None]:
        """Count a request while it is answered; Overloaded where it cannot be, in time."""
        self._arrivals.arrived(self._clock())
        seconds = retry_after(self.load(), self._limits)
        if seconds is not None:
            self._metrics.dropped.labels("chat", "shed").inc()
            raise Overloaded(retry_after=seconds)
        self._in_flight += 1
        self._metrics.in_flight.set(self._in_flight)
        try:
            yield
        finally:
            self._in_flight -= 1
            self._metrics.in_flight.set(self._in_flight)

    def load(self) -> Load:
        """All that the control law looks at, now."""
        now = self._clock()
        reranker = self._fits.get(RERANKER, CostFit())
        return Load(
            rate=self._arrivals.rate(now),
            in_flight=self._in_flight,
            generator_delay=self.delay(GENERATOR),
            reranker_delay=self.delay(RERANKER),
            encoder_delay=self.delay(ENCODER),
            generator=self._cost(GENERATOR),
            reranker=reranker.cost(now),
            reply_tokens=reranker.tokens_per_item(_REPLY_TOKENS),
        )

    def delay(self, model: str) -> float:
        """Predicted seconds before an item that is submitted now begins to run."""
        backlog_of = self._backlogs.get(model)
        if backlog_of is None:
            return 0.0
        backlog, cost = backlog_of(), self._cost(model)
        waiting = cost.per_token * backlog.tokens
        if backlog.running_tokens == 0:
            return waiting
        # A batch that takes longer than predicted is expected to take as long again.
        running = abs(cost.seconds(backlog.running_tokens) - backlog.running_seconds)
        return waiting + running

    def hopeless(self, model: str, tokens: int, deadline: float) -> bool:
        """Whether so many tokens more could not be through before the deadline, for the queue.

        A free model is always tried: were a prediction alone enough, one bad measurement could
        keep a model from ever being measured again.
        """
        now, delay = self._clock(), self.delay(model)
        if delay == 0.0:
            return now >= deadline
        return now + delay + self._cost(model).seconds(tokens) > deadline

    def _cost(self, model: str) -> Cost:
        return self._fits.get(model, CostFit()).cost(self._clock())
