"""Requests through the pipeline's stages on a virtual machine, under the real load controller."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from app.errors import Overloaded
from app.serving.batching.queue import Budget
from app.serving.batching.reports import BatchReport
from app.serving.load.controller import (
    ENCODER,
    GENERATOR,
    RERANKER,
    LoadController,
)
from app.serving.load.cost import Cost
from app.serving.load.law import Limits
from app.serving.load.request import Request, current_request
from app.telemetry import Metrics
from tests.simulation.machine import Clock, Machine

# In the proportions of the shipped models: a further candidate costs little, the first one much;
# ranking costs as much as generating.
COSTS: Mapping[str, Cost] = {
    ENCODER: Cost(0.002, 0.00005),
    RERANKER: Cost(0.002, 0.00003),
    GENERATOR: Cost(0.030, 0.00004),
}
BUDGETS: Mapping[str, Budget] = {
    ENCODER: Budget(tokens=1_024, items=32),
    RERANKER: Budget(tokens=2_048, items=4),
    GENERATOR: Budget(tokens=6_144, items=16),
}
MESSAGE_TOKENS, CONTEXT_TOKENS, REPLY_TOKENS = 20.0, 60.0, 30.0
_STORE = 0.003  # seconds of begin, and of finish


@dataclass
class Answer:
    """What became of one request."""

    at: float  # when it was to be sent
    seconds: float  # until its answer
    n: int  # candidates that it was allowed
    generated: int  # that it had in time
    status: int  # 200, 503
    missed: bool = False  # a stage was late
    predicted: float = math.nan  # seconds, when it was let in


@dataclass
class Service:
    """One worker: machine, controller, pipeline."""

    limits: Limits
    clock: Clock = field(default_factory=Clock)
    costs: Mapping[str, Cost] = field(default_factory=lambda: COSTS)
    seed: int = 0
    noise: float = 0.2
    speed: Callable[[float], float] = lambda now: 1.0
    cached: float = 0.0  # share of the scores that are known already
    answers: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.machine = Machine(
            self.clock,
            self.costs,
            BUDGETS,
            seed=self.seed,
            noise=self.noise,
            speed=self.speed,
        )
        self.control = LoadController(self.limits, Metrics(), self.clock)
        self._warm()
        self.machine.observe = self.control.observe
        self.machine.guard = self.control.allowance
        self.control.watch(
            {name: (lambda name=name: self.machine.backlog(name)) for name in self.machine.models}  # type: ignore[misc]
        )
        self._dice = Random(self.seed + 1)

    def _warm(self) -> None:
        """As `Engine.warm`: each model alone, at a small and a usual size."""
        sizes = {
            ENCODER: ((1, 10), (8, 80)),
            RERANKER: ((3, 90), (21, 630)),
            GENERATOR: ((1, 100), (1, 500)),
        }
        for model, batches in sizes.items():
            for items, tokens in batches:
                seconds = self.costs[model].seconds(tokens)
                self.control.observe(BatchReport(model, items, tokens, seconds, 0.0, 0.0))
                self.clock.now += seconds
        self.control.settle()

    def ask(self, retries: int = 0, first: float | None = None) -> None:
        """One request arrives now; refused, it comes again up to `retries` times."""
        sent = self.clock.now if first is None else first
        try:
            request = self.control.enter()
        except Overloaded as refusal:
            if retries > 0:
                base = refusal.retry_after or 1.0
                again = base + self._dice.uniform(0.0, max(1.0, base / 2))  # as app/web/problems
                self.clock.after(again, lambda: self.ask(retries - 1, sent))
            self.answers.append(Answer(self.clock.now, 0.0, 0, 0, 503))
            return
        self.clock.after(_STORE, lambda: self._gather(request))

    def _gather(self, request: Request) -> None:
        now, limits = self.clock.now, self.limits
        token = current_request.set(request)
        plan = self.control.plan()
        current_request.reset(token)
        answer = Answer(request.began, 0.0, plan.n, 0, 200)
        deadline = now + limits.gather_seconds
        waiting = 1 + (plan.n > 0)
        found = 0

        def embedded(ok: bool) -> None:
            nonlocal found
            found += limits.retrieved if ok else 0
            gathered()

        def generated(ok: bool) -> None:
            nonlocal found
            answer.generated = plan.n if ok else 0
            answer.missed |= not ok
            found += answer.generated
            gathered()

        def gathered() -> None:
            nonlocal waiting
            waiting -= 1
            if waiting == 0:
                self._rank(request, answer, found, now)

        self.machine.submit(ENCODER, MESSAGE_TOKENS, deadline, embedded)
        if plan.n > 0:
            tokens = CONTEXT_TOKENS + plan.n * plan.max_new_tokens
            if self.control.hopeless(GENERATOR, round(tokens), deadline):
                generated(False)
            else:
                self.machine.submit(GENERATOR, tokens, deadline, generated)

    def _rank(self, request: Request, answer: Answer, found: int, began: float) -> None:
        now, limits = self.clock.now, self.limits
        request.missed |= answer.missed
        ranked = began + limits.gather_seconds + limits.rank_seconds
        deadline = max(ranked, now + limits.rank_seconds)
        tokens = REPLY_TOKENS * found * (1.0 - self.cached)
        token = current_request.set(request)
        self.control.ranking()
        current_request.reset(token)

        def scored(ok: bool) -> None:
            answer.missed |= not ok
            request.missed |= not ok
            self.clock.after(_STORE, lambda: self._finish(request, answer))

        if found == 0 or self.control.hopeless(RERANKER, round(tokens), deadline):
            scored(False)
        else:
            self.machine.submit(RERANKER, tokens, deadline, scored, found)

    def _finish(self, request: Request, answer: Answer) -> None:
        answer.seconds = self.clock.now - answer.at
        self.control.leave(request)
        self.answers.append(answer)

    def poisson(self, rate: float, begin: float, end: float, retries: int = 0) -> None:
        """Requests at random (open loop) from `begin` to `end`."""
        at = begin
        while (at := at + self._dice.expovariate(rate)) < end:
            self.clock.after(at - self.clock.now, lambda: self.ask(retries))

    def between(self, begin: float, end: float) -> list[Answer]:
        """The requests that were sent then."""
        return [answer for answer in self.answers if begin <= answer.at < end]


def percentile(values: Sequence[float], q: float) -> float:
    """The q-quantile by the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0.0


@dataclass(frozen=True)
class Summary:
    """A window of answers in numbers."""

    offered: float  # a second
    good: float  # answered within the objective, a second
    p95: float  # of the accepted, seconds
    mean_n: float  # of the accepted
    refused: float  # share
    missed: float  # share of the accepted without a stage
    gain: float  # of those within the objective, a second

    @classmethod
    def of(cls, answers: Sequence[Answer], seconds: float, limits: Limits) -> Summary:
        """Of the answers to the requests of so many seconds."""
        accepted = [a for a in answers if a.status == 200]
        good = [a for a in accepted if a.seconds <= limits.objective_seconds]
        many = max(1, len(accepted))
        return cls(
            len(answers) / seconds,
            len(good) / seconds,
            percentile([a.seconds for a in accepted], 0.95),
            sum(a.n for a in accepted) / many,
            1 - len(accepted) / max(1, len(answers)),
            sum(a.missed for a in accepted) / many,
            sum(limits.gain.of(a.generated) for a in good) / seconds,
        )
