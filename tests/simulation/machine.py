"""Models that share cores on a virtual clock, fed from the real queues.

Discrete events, one after the other. Batches that run at once progress at the same pace, which
sinks with their number (processor sharing): the worst case of free-running threads on few cores.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from random import Random

from app.serving.batching.queue import Budget, Entry, WaitingItems
from app.serving.batching.reports import Backlog, BatchReport
from app.serving.load.cost import Cost

Done = Callable[[bool], None]
"""Told whether the item was run before its deadline."""


class Clock:
    """Virtual seconds, and what is to happen when."""

    def __init__(self) -> None:
        self.now = 0.0
        self._order = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    def __call__(self) -> float:
        return self.now

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Let something happen in so many seconds."""
        event = (self.now + max(0.0, seconds), next(self._order), act)
        heapq.heappush(self._events, event)

    def run(self, until: float) -> None:
        """Let happen all that is due by then."""
        while self._events and self._events[0][0] <= until:
            self.now, _, act = heapq.heappop(self._events)
            act()
        self.now = until


@dataclass(eq=False)
class Work:
    """One item: what it is worth in the report, and who waits for it."""

    parts: int
    done: Done
    open: bool = True

    def settle(self, ok: bool) -> None:
        """Tell the one who waits, once."""
        if self.open:
            self.open = False
            self.done(ok)


@dataclass
class Running:
    """A batch in progress."""

    entries: list[Entry[Work]]
    since: float
    left: float  # seconds of undisturbed work


@dataclass
class Model:
    """A queue and what batches really take."""

    name: str
    cost: Cost
    budget: Budget
    waiting: WaitingItems[Work] = field(default_factory=lambda: WaitingItems(1024))
    running: Running | None = None
    groups: count[int] = field(default_factory=count)


class Machine:
    """The models and the cores that they share.

    Args:
        noise: spread of a batch's time (log-normal); one batch in a hundred takes three times.
        speed: of the machine at a time, 1 as the costs say.
        observe: the load control's.
        guard: by model, the tokens of a batch from the slack of its head.
    """

    def __init__(
        self,
        clock: Clock,
        costs: Mapping[str, Cost],
        budgets: Mapping[str, Budget],
        *,
        seed: int = 0,
        noise: float = 0.2,
        speed: Callable[[float], float] = lambda now: 1.0,
    ) -> None:
        self.clock = clock
        self.models = {name: Model(name, cost, budgets[name]) for name, cost in costs.items()}
        self.observe: Callable[[BatchReport], None] = lambda report: None
        self.guard: Callable[[str], Callable[[float], int]] | None = None
        self._dice = Random(seed)
        self._noise = noise
        self._speed = speed
        self._updated = 0.0
        self._version = 0

    def backlog(self, name: str) -> Backlog:
        """As a batcher tells it."""
        model = self.models[name]
        running = model.running
        return Backlog(
            len(model.waiting),
            model.waiting.tokens,
            sum(entry.length for entry in running.entries) if running else 0,
            self.clock.now - running.since if running else 0.0,
        )

    def submit(self, name: str, tokens: float, deadline: float, done: Done, parts: int = 1) -> None:
        """Queue an item; `done` hears of it once, at its deadline at the latest."""
        model, now = self.models[name], self.clock.now
        work = Work(parts, done)
        if not model.waiting.admits(1):
            work.settle(False)
            return
        entry = Entry(work, max(1, round(tokens)), deadline, 0, now, next(model.groups), 0)
        model.waiting.add([entry])

        def expire() -> None:
            model.waiting.remove(entry)
            work.settle(False)

        self.clock.after(deadline - now, expire)
        self._start(model)

    def _start(self, model: Model) -> None:
        """Run the next batch, if the model is free."""
        if model.running is not None:
            return
        now = self.clock.now
        for entry in model.waiting.expire(now):
            entry.item.settle(False)
        head = model.waiting.most_urgent()
        if head is None:
            return
        budget = model.budget
        if self.guard is not None:
            allowed = self.guard(model.name)(head.deadline - now)
            budget = Budget(max(1, min(budget.tokens, allowed)), budget.items)
        batch = list(model.waiting.take(budget))
        factor = self._dice.lognormvariate(0.0, self._noise)
        if self._noise and self._dice.random() < 0.01:
            factor *= 3.0
        self._progress()
        seconds = factor * model.cost.seconds(sum(entry.length for entry in batch))
        model.running = Running(batch, now, seconds)
        self._next()

    def _progress(self) -> None:
        """What has been done since the last change."""
        now = self.clock.now
        running = [m.running for m in self.models.values() if m.running is not None]
        if running:
            done = (now - self._updated) * self._speed(self._updated) / len(running)
            for batch in running:
                batch.left -= done
        self._updated = now

    def _next(self) -> None:
        """Wait for the batch that is done first, should nothing change before."""
        self._version += 1
        version = self._version
        running = [m for m in self.models.values() if m.running is not None]
        if not running:
            return
        first = min(running, key=lambda m: m.running.left if m.running else math.inf)
        left = first.running.left if first.running else 0.0

        def finish() -> None:
            if version == self._version:
                self._finish(first)

        self.clock.after(left * len(running) / self._speed(self.clock.now), finish)

    def _finish(self, model: Model) -> None:
        self._progress()
        batch = model.running
        assert batch is not None
        model.running = None
        waits = [batch.since - entry.arrived for entry in batch.entries]
        self.observe(
            BatchReport(
                model.name,
                sum(entry.item.parts for entry in batch.entries),
                sum(entry.length for entry in batch.entries),
                self.clock.now - batch.since,
                max(waits),
                min(waits),
            )
        )
        for entry in batch.entries:
            entry.item.settle(True)
        self._start(model)
        self._next()
