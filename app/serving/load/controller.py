"""Feeds the control law with what the hub sees: arrivals, requests in progress, queues, batches."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from app.errors import DeadlineExceeded, Overloaded
from app.serving.batching.reports import Backlog, BatchReport
from app.serving.load.crowding import Crowding
from app.serving.load.feedback import Feedback
from app.serving.load.law import (
    ENCODER,
    GENERATOR,
    RERANKER,
    Limits,
    Load,
    Plan,
    admits,
    decide,
    demand,
    generator_tokens,
    plans,
    returning,
    start,
)
from app.serving.load.limits import limits_of
from app.serving.load.observed import ArrivalRate, Costs, RunShare, queued_work, remaining
from app.serving.load.peers import Peers
from app.serving.load.request import Request, current_request
from app.serving.load.returns import Returns
from app.telemetry import Metrics

__all__ = ["ENCODER", "GENERATOR", "RERANKER", "LoadController", "limits_of"]

_PUBLISH_SECONDS = 0.1  # between two words to the other workers
_IDLE = Backlog(items=0, tokens=0, running_tokens=0, running_seconds=0.0)
_LEAST_EFFICIENT = 2.0  # a guarded batch holds this many times the work of its fixed part


class LoadController:
    """Observes on the hub, and asks the control law for each request.

    Args:
        cores_share: of the machine's cores, what this worker's models may use.
        peers: what the other workers are doing; None for an only worker.
    """

    def __init__(
        self,
        limits: Limits,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
        *,
        cores_share: float = 1.0,
        peers: Peers | None = None,
    ) -> None:
        self._limits = limits
        self._metrics = metrics
        self._clock = clock
        self._cores_share = cores_share
        self._peers = peers
        self._published = -math.inf
        self._costs = Costs()
        self._run = {model: RunShare() for model in (ENCODER, RERANKER, GENERATOR)}
        self._backlogs: Mapping[str, Callable[[], Backlog]] = {}
        self._arrivals = ArrivalRate(at=clock())
        self._feedback = Feedback(limits.objective_seconds, clock())
        self._level = start(limits, clock())
        self._requests: set[Request] = set()
        self._crowding = Crowding(clock())
        self._returns = Returns()

    def watch(self, backlogs: Mapping[str, Callable[[], Backlog]]) -> None:
        """From now on the queues of these models count."""
        self._backlogs = backlogs

    def observe(self, report: BatchReport) -> None:
        """A batch has run."""
        now = self._clock()
        running = {
            model: now - backlog.running_seconds for model, backlog in self._running().items()
        }
        self._costs.observe(report, now, running)
        self._feedback.ran(report)
        if report.model in self._run:
            self._run[report.model].ran(report.tokens, now)

    def forget(self) -> None:
        """Observe anew."""
        self._costs = Costs()

    def settle(self) -> None:
        """What was observed so far (while warming) is what an idle machine takes."""
        self._costs.settle()
        self._run = {model: RunShare() for model in self._run}
        self._feedback = Feedback(self._limits.objective_seconds, self._clock())

    @property
    def in_flight(self) -> int:
        """Requests in progress."""
        return len(self._requests)

    @property
    def trim(self) -> float:
        """The share of every limit that the feedback lets the law plan, 0 … 1."""
        return self._feedback.trim

    def plan(self) -> Plan:
        """What a request that arrives now may have generated."""
        self._tick()
        request = current_request.get()
        if request is not None:
            request.planned = True  # so that it does not wait for itself
        self._level, plan = decide(self._level, self.load(), self._limits, self._clock())
        if self._hangs(self._seen().get(GENERATOR, _IDLE)):
            plan = plans(self._limits)[0]
        if request is not None:
            request.unranked = self._limits.retrieved + plan.n
            request.reckoned = self._reckoned(plan)
        self._metrics.candidates.set(plan.n)
        return plan

    def ranking(self) -> None:
        """The request of this greenlet hands its candidates to the reranker's queue now."""
        request = current_request.get()
        if request is not None:
            request.unranked = 0

    @contextmanager
    def admission(self, *, background: bool = False, source: str = "") -> Iterator[None]:
        """Count a request while it is answered; Overloaded where it cannot be, in time.

        `background`: nobody waits for it, so it is refused before those that somebody waits for.
        `source`: where it comes from; who holds most of what is under way is refused before others.
        """
        request = self.enter(background=background, source=source)
        token, answered = current_request.set(request), False
        try:
            yield
            answered = True
        finally:
            current_request.reset(token)
            self.leave(request, answered=answered)

    def enter(self, *, background: bool = False, source: str = "") -> Request:
        """Let a request in, to be given back to `leave`; see `admission`."""
        now = self._clock()
        self._arrivals.arrived(now)
        self._crowding.arrived(source, now)
        self._tick()
        load, share = self.load(), self._crowding.share(source)
        if not admits(load, self._limits, background=background, share=share):
            self._metrics.dropped.labels("chat", "shed").inc()
            pace = returning(load, self._limits)
            raise Overloaded(retry_after=self._returns.book(now, pace, background=background))
        request = Request(now, source)
        self._requests.add(request)
        self._crowding.entered(source)
        self._metrics.in_flight.set(self.in_flight)
        return request

    def leave(self, request: Request, *, answered: bool = True) -> None:
        """The request is done; not `answered`: its client hung up, or it ended in an error."""
        if request in self._requests:
            self._requests.remove(request)
            self._crowding.left(request.source)
        self._metrics.in_flight.set(self.in_flight)
        now = self._clock()
        if answered or request.missed:
            self._feedback.replied(now - request.began, missed=request.missed)
        if answered and not (request.missed or request.failed):
            for model, tokens in request.reckoned.items():
                self._run[model].reckoned(tokens, now)

    def load(self) -> Load:
        """All that the control law looks at, now."""
        now = self._clock()
        own = self._arrivals.rate(now)
        others = self._peers.rate() if self._peers is not None else 0.0
        load = Load(
            # The cores are shared: a worker has its own part of them at least, and all together
            # have no more than all of them.
            rate=max(own, (own + others) * self._cores_share),
            in_flight=self.in_flight,
            encoder=self._costs.cost(ENCODER, now),
            generator=self._costs.cost(GENERATOR, now),
            reranker=self._costs.cost(RERANKER, now),
            message_tokens=self._costs.message_tokens * self._run[ENCODER].share(now),
            reply_tokens=self._costs.reply_tokens * self._run[RERANKER].share(now),
            generated_share=self._run[GENERATOR].share(now),
            trim=self.trim,
        )
        return self._with_ahead(load)

    def delay(self, model: str) -> float:
        """Predicted seconds before an item that is submitted to this model now begins to run."""
        backlog = self._seen().get(model)
        if backlog is None:
            return 0.0
        cost = self._costs.on_the_clock(model, self._clock())
        return cost.per_token * backlog.tokens + remaining(backlog, cost)

    def hopeless(self, model: str, tokens: int, deadline: float) -> bool:
        """Whether so many tokens more could not be through before the deadline, for the queue.

        A free model is always tried: were a prediction alone enough, one bad measurement could
        keep a model from ever being measured again.
        """
        now, delay = self._clock(), self.delay(model)
        if delay == 0.0:
            return now >= deadline
        cost = self._costs.on_the_clock(model, now)
        return now + delay + cost.seconds(tokens) > deadline

    def require(self, model: str, tokens: int, deadline: float, items: int = 1) -> None:
        """DeadlineExceeded where the work is `hopeless`; so many items are counted as dropped."""
        if self.hopeless(model, tokens, deadline):
            self._metrics.dropped.labels(model, "hopeless").inc(items)
            raise DeadlineExceeded

    def allowance(self, model: str) -> Callable[[float], int]:
        """The guard of each batch of a model: from the slack of its most urgent item (seconds),
        the tokens that may run with it.

        A batch is never cut so small that its fixed part rules: what is late already would make
        everything behind it late too.
        """
        budget = self._limits.budgets.get(model)
        most = budget.tokens if budget is not None else 1 << 30

        def allowed(slack: float) -> int:
            cost = self._costs.on_the_clock(model, self._clock())
            efficient = cost.tokens((1.0 + _LEAST_EFFICIENT) * cost.fixed)
            return int(max(1, min(most, max(efficient, cost.tokens(slack)))))

        return allowed

    def close(self) -> None:
        """Give up the place among the workers; may be called twice."""
        if self._peers is not None:
            self._peers.close()
            self._peers = None

    def _with_ahead(self, load: Load) -> Load:
        """The load with the work that is let in and not done, in seconds of the shared cores."""
        now, running = self._clock(), self._running()
        seconds = sum(
            queued_work(backlog, self._costs.cost(model, now), self._limits.budgets.get(model))
            for model, backlog in self._seen().items()
        )
        for model, backlog in running.items():
            # Models that run at once share the cores, and so does what is left of their batches.
            seconds += remaining(backlog, self._costs.on_the_clock(model, now)) / len(running)
        waiting = sum(not request.planned for request in self._requests)
        if waiting:
            seconds += waiting * demand(plans(self._limits)[0], load, self._limits).shared
        unranked = sum(request.unranked for request in self._requests)
        seconds += unranked * load.reply_tokens * load.reranker.per_token
        return replace(load, ahead=seconds)

    def _running(self) -> dict[str, Backlog]:
        """The models that take the cores now: those that run, and do not hang."""
        return {
            model: backlog
            for model, backlog in self._seen().items()
            if backlog.running_tokens > 0 and not self._hangs(backlog)
        }

    def _hangs(self, backlog: Backlog) -> bool:
        """Whether a batch has run for longer than anybody waits for it.

        A native call that never returns must not turn away those whom the other models can answer.
        """
        return backlog.running_seconds > self._limits.stages_seconds

    def _reckoned(self, plan: Plan) -> dict[str, float]:
        """The tokens that a request of this plan brings to each model at most."""
        return {
            ENCODER: self._costs.message_tokens,
            RERANKER: self._costs.reply_tokens * (self._limits.retrieved + plan.n),
            GENERATOR: generator_tokens(plan, self._limits),
        }

    def _seen(self) -> dict[str, Backlog]:
        return {model: backlog_of() for model, backlog_of in self._backlogs.items()}

    def _tick(self) -> None:
        """What is done every now and then: judge, and tell the other workers."""
        now = self._clock()
        self._feedback.tick(now)
        if self._peers is not None and now >= self._published + _PUBLISH_SECONDS:
            self._published = now
            self._peers.publish(self._arrivals.rate(now), self.in_flight, self._costs.busy(now))
