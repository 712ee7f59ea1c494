"""The batcher: many callers' items through one model, a batch at a time, and knows no model.

    submit() ─► WaitingItems ─► dispatcher greenlet ─► Execution ─► native thread ─► Ticket.wait()
                 (bounded)       expire · policy · take   halves      run(items)

A batch starts as soon as the model is free, so an idle model adds no wait, and work piles up
(and batches grow) only while it is busy. Every accepted item gets exactly one outcome: its
result, `ModelFailure`, `DeadlineExceeded` (late, expired or cancelled) or `Overloaded` (closed
before its turn). The hub is never blocked. Everything here runs on the hub's thread, except
`run`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import gevent
from gevent.event import Event

from app.errors import Overloaded
from app.serving.batching.execution import Execution
from app.serving.batching.native import NativeThread, Runner
from app.serving.batching.policies import Policy, coalesce
from app.serving.batching.queue import Budget, Entry, WaitingItems
from app.serving.batching.reports import Backlog, BatchReport
from app.serving.batching.settlement import Settlement
from app.serving.batching.ticket import Departure, Ticket
from app.telemetry import Metrics

__all__ = ["Backlog", "BatchReport", "Batcher"]

Item = TypeVar("Item")
Result = TypeVar("Result")

CAPACITY = 1024  # items that may wait: seconds of work
_CLOSING_GRACE = 1.0  # seconds for the batch that runs when the batcher closes


class Batcher(Generic[Item, Result]):
    """Batches the items of all callers for one `run` function, on one native thread.

    Args:
        name: of the model, in metrics and logs.
        run: n items → n results, in order; runs in the native thread.
        budget: what a batch may hold.
        length: tokens of an item.
        capacity: items that may wait before `submit` refuses.
        observe: called on the hub with the report of each successful batch.
        parts: how many things an item holds (the pairs of a slate), for metrics and reports.
        policy: how much of the budget a batch takes.
        allowance: the guard of each batch: from the slack of the most urgent item (its deadline
            less now, seconds) the padded tokens that the batch may hold. That item always runs.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[list[Item]], Sequence[Result]],
        budget: Budget,
        length: Callable[[Item], int],
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
        pool: Runner | None = None,
        *,
        capacity: int = CAPACITY,
        observe: Callable[[BatchReport], None] | None = None,
        parts: Callable[[Item], int] = lambda item: 1,
        policy: Policy = coalesce,
        allowance: Callable[[float], int] | None = None,
    ) -> None:
        self.name = name
        self._budget = budget
        self._length = length
        self._clock = clock
        self._policy = policy
        self._allowance = allowance
        self._pool: Runner = pool if pool is not None else NativeThread()
        self._queued = metrics.queued.labels(name)
        self._waiting: WaitingItems[Item] = WaitingItems(capacity)
        self._settlement: Settlement[Result] = Settlement(name, metrics)
        self._execution: Execution[Item, Result] = Execution(
            name, run, self._pool, self._settlement, metrics, clock, observe, parts
        )
        self._closed = False
        self._wake = Event()
        self._dispatcher = gevent.spawn(self._serve)

    def submit(
        self, items: Sequence[Item], deadline: float, priority: int | Sequence[int] = 0
    ) -> Ticket[Result]:
        """Accept all items or none; `deadline` is of the batcher's clock, in seconds.

        `priority` (0 interactive; larger waits for smaller) is of all items, or of each.

        Raises Overloaded when the queue has no room for them, or the batcher is closed.
        """
        if self._closed:
            raise Overloaded("Shutting down", retry_after=1.0)
        if not self._waiting.admits(len(items)):
            self._settlement.dropped("full", len(items))
            raise Overloaded(f"The {self.name}'s queue is full", retry_after=1.0)
        group, ticket = self._settlement.open(
            len(items), lambda: deadline - self._clock(), self._leave
        )
        if not items:
            return ticket
        now = self._clock()
        ranks = [priority] * len(items) if isinstance(priority, int) else priority
        self._waiting.add(
            Entry(item, max(1, self._length(item)), deadline, rank, now, group, position)
            for position, (item, rank) in enumerate(zip(items, ranks, strict=True))
        )
        self._gauge()
        self._wake.set()
        return ticket

    def backlog(self) -> Backlog:
        """What waits and what runs at this moment."""
        return Backlog(len(self._waiting), self._waiting.tokens, *self._execution.running)

    @property
    def open_tickets(self) -> int:
        """Submissions that have an item without an outcome."""
        return len(self._settlement)

    def close(self, grace: float = _CLOSING_GRACE) -> None:
        """Refuse what comes, answer all who wait, and end the thread; may be called twice.

        The batch that runs has `grace` seconds to finish.
        """
        if self._closed:
            return
        self._closed = True
        for entry in self._waiting.clear():
            self._settlement.drop(entry, "closed", Overloaded("Shutting down", retry_after=1.0))
        self._gauge()
        self._wake.set()
        self._dispatcher.join(timeout=grace)
        self._dispatcher.kill()
        self._settlement.close()
        self._pool.close()

    def _serve(self) -> None:
        """The dispatcher: one batch after the other, for as long as the batcher is open."""
        while not self._closed:
            self._wake.wait()
            self._wake.clear()
            while len(self._waiting):
                self._next_batch()

    def _next_batch(self) -> None:
        now = self._clock()
        self._settlement.expire(self._waiting.expire(now))
        head = self._waiting.most_urgent()
        batch = [] if head is None else self._waiting.take(self._budget_now(head.deadline - now))
        self._gauge()
        if batch:
            self._execution.execute(batch, now)

    def _budget_now(self, slack: float) -> Budget:
        allowed = None
        if self._allowance is not None:
            try:
                allowed = self._allowance(slack)
            except Exception as error:  # noqa: BLE001 - a guard that errs must not end the service
                self._execution.report_failure(error, "allowance")
        return self._policy(self._budget, allowed)

    def _leave(self, group: int, why: Departure) -> None:
        """A caller has left: what waits of it is taken out, what runs is not awaited."""
        removed = self._waiting.remove_group(group)
        self._gauge()
        self._settlement.leave(group, why, len(removed))

    def _gauge(self) -> None:
        self._queued.set(len(self._waiting))
