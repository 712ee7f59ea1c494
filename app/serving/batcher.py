"""The batcher: many callers' items through one model, a batch at a time, and knows no model.

    submit() ─► WaitingItems ─► dispatcher greenlet ─► native thread ─► Ticket.wait()
                 (bounded)        take() · drop            run(items)

A batch starts as soon as the model is free, so an idle model adds no wait, and work piles up
(and batches grow) only while it is busy. Every accepted item gets exactly one outcome: its
result, `ModelFailure`, `DeadlineExceeded` (late, expired or cancelled) or `Overloaded` (closed
before its turn). The hub is never blocked. Everything here runs on the hub's thread, except
`run`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Generic, TypeVar

import gevent
from gevent.event import Event

from app.errors import DeadlineExceeded, KindredError, ModelFailure, Overloaded
from app.serving.native import Ended, NativeThread, Runner
from app.serving.queue import Budget, Entry, WaitingItems, padding_ratio
from app.serving.ticket import Departure, Outcome, Ticket
from app.telemetry import Metrics, get_logger

Item = TypeVar("Item")
Result = TypeVar("Result")

CAPACITY = 1024  # items that may wait: seconds of work, and still a sort of one millisecond
_DETAIL_CHARS = 200
_CLOSING_GRACE = 1.0  # seconds for the batch that runs when the batcher closes


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What one successful batch cost, for the load control."""

    model: str
    items: int
    tokens: int  # sum of lengths
    seconds: float  # in the native thread
    waited: float  # seconds that its longest waiting item had waited


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a model has before it now."""

    items: int  # waiting
    tokens: int  # waiting
    running_tokens: int  # in the batch that runs, 0 if none
    running_seconds: float  # since that batch began


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
    ) -> None:
        self.name = name
        self._run = run
        self._budget = budget
        self._length = length
        self._metrics = metrics
        self._clock = clock
        self._pool: Runner = pool if pool is not None else NativeThread()
        self._observe = observe
        self._parts = parts
        self._log = get_logger("serving.batcher")
        self._waiting: WaitingItems[Item] = WaitingItems(capacity)
        self._tickets: dict[int, Ticket[Result]] = {}  # those with an item not settled
        self._groups = count(1)
        self._running: tuple[int, float] | None = None  # tokens, since
        self._closed = False
        self._wake = Event()
        self._dispatcher = gevent.spawn(self._serve)

    def submit(self, items: Sequence[Item], deadline: float, priority: int = 0) -> Ticket[Result]:
        """Accept all items or none; `deadline` is of the batcher's clock, in seconds.

        Raises Overloaded when the queue has no room for them, or the batcher is closed.
        """
        if self._closed:
            raise Overloaded("Shutting down", retry_after=1.0)
        if not self._waiting.admits(len(items)):
            self._metrics.dropped.labels(self.name, "full").inc(len(items))
            raise Overloaded(f"The {self.name}'s queue is full", retry_after=1.0)
        group = next(self._groups)
        ticket: Ticket[Result] = Ticket(
            len(items), lambda: deadline - self._clock(), lambda why: self._leave(group, why)
        )
        if not items:
            return ticket
        now = self._clock()
        self._tickets[group] = ticket
        self._waiting.add(
            Entry(item, max(1, self._length(item)), deadline, priority, now, group, position)
            for position, item in enumerate(items)
        )
        self._gauge()
        self._wake.set()
        return ticket

    def backlog(self) -> Backlog:
        """What waits and what runs at this moment."""
        tokens, since = self._running or (0, self._clock())
        seconds = self._clock() - since
        return Backlog(len(self._waiting), self._waiting.tokens, tokens, seconds)

    def close(self, grace: float = _CLOSING_GRACE) -> None:
        """Refuse what comes, answer all who wait, and end the thread; may be called twice.

        The batch that runs has `grace` seconds to finish.
        """
        if self._closed:
            return
        self._closed = True
        for entry in self._waiting.clear():
            self._drop(entry, "closed", Overloaded("Shutting down", retry_after=1.0))
        self._gauge()
        self._wake.set()
        self._dispatcher.join(timeout=grace)
        self._dispatcher.kill()
        for group in list(self._tickets):
            self._settle_all(group, Outcome(error=ModelFailure("Shutting down")))
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
        selection = self._waiting.take(now, self._budget)
        self._gauge()
        for entry in selection.expired:
            self._drop(entry, "expired", DeadlineExceeded())
        batch = list(selection.batch)
        if not batch:
            return
        try:
            for entry in batch:
                self._metrics.queue_seconds.labels(self.name).observe(now - entry.arrived)
            self._execute(batch, now)
        except Exception as error:  # noqa: BLE001 - our own mistake must not end the dispatcher
            self._report_failure(error, "")
            self._fail(batch, error)
        finally:
            self._running = None

    def _execute(self, batch: list[Entry[Item]], now: float) -> None:
        """Run a batch; where it fails, run its halves, until only what fails alone has failed."""
        runs = _runs_allowed(len(batch))
        parts = [(batch, False)]
        while parts:
            part, halved = parts.pop()
            part = self._wanted(part)
            if not part:
                continue
            ended = self._call(part, max(now - entry.arrived for entry in part))
            runs -= 1
            if ended.ok:
                continue
            no_memory = ended.out_of_memory
            affordable = runs >= len(parts) + 2
            if len(part) == 1 or not affordable or (no_memory and halved):
                self._fail(part, ended.value)
                continue
            middle = len(part) // 2
            parts += [(part[middle:], no_memory), (part[:middle], no_memory)]

    def _call(self, part: list[Entry[Item]], waited: float) -> Ended:
        """One native call: settles the items if it succeeds, says what went wrong if not."""
        tokens = sum(entry.length for entry in part)
        self._running = (tokens, self._clock())
        ended = self._pool.call(self._run, [entry.item for entry in part])
        self._running = None
        ended = _checked(ended, len(part))
        if not ended.ok:
            self._report_failure(ended.value, ended.where)
            return ended
        for entry, value in zip(part, ended.value, strict=True):
            if not self._settle(entry.group, entry.position, Outcome(value)):
                self._metrics.dropped.labels(self.name, "late").inc()
        things = sum(self._parts(entry.item) for entry in part)
        self._metrics.batch_items.labels(self.name).observe(things)
        self._metrics.batch_seconds.labels(self.name).observe(ended.seconds)
        self._metrics.batch_padding_ratio.labels(self.name).observe(padding_ratio(part))
        if self._observe is not None:
            report = BatchReport(self.name, things, tokens, ended.seconds, waited)
            self._observe(report)
        return ended

    def _wanted(self, part: list[Entry[Item]]) -> list[Entry[Item]]:
        """The entries of a part that still wait for an outcome; drops those that expired."""
        now = self._clock()
        wanted = []
        for entry in part:
            ticket = self._tickets.get(entry.group)
            if ticket is None or ticket.settled(entry.position):
                self._metrics.dropped.labels(self.name, "late").inc()
                continue
            if entry.deadline <= now:
                self._drop(entry, "expired", DeadlineExceeded())
            else:
                wanted.append(entry)
        return wanted

    def _leave(self, group: int, why: Departure) -> None:
        """A caller has left: settle its open items, and take those that wait out of the queue."""
        removed = self._waiting.remove_group(group)
        self._metrics.dropped.labels(self.name, why.value).inc(len(removed))
        self._gauge()
        error = DeadlineExceeded("The caller has left" if why is Departure.CANCELLED else "")
        self._settle_all(group, Outcome(error=error))

    def _settle_all(self, group: int, outcome: Outcome[Result]) -> None:
        ticket = self._tickets.get(group)
        if ticket is not None:
            for position in range(ticket.size):
                self._settle(group, position, outcome)

    def _settle(self, group: int, position: int, outcome: Outcome[Result]) -> bool:
        """Give an item its one outcome; False if it has one."""
        ticket = self._tickets.get(group)
        if ticket is None or not ticket.settle(position, outcome):
            return False
        if ticket.done:
            del self._tickets[group]
        return True

    def _drop(self, entry: Entry[Item], reason: str, error: KindredError) -> None:
        if self._settle(entry.group, entry.position, Outcome(error=error)):
            self._metrics.dropped.labels(self.name, reason).inc()

    def _fail(self, part: Sequence[Entry[Item]], cause: BaseException) -> None:
        for entry in part:
            failure = ModelFailure(f"The {self.name} failed")
            failure.__cause__ = cause
            self._drop(entry, "failed", failure)

    def _report_failure(self, error: BaseException, where: str) -> None:
        self._metrics.failures.labels(f"model_{self.name}").inc()
        self._log.warning(
            "batch_failed",
            model=self.name,
            error=type(error).__name__,
            detail=str(error)[:_DETAIL_CHARS],
            where=where,
        )

    def _gauge(self) -> None:
        self._metrics.queued.labels(self.name).set(len(self._waiting))


def _runs_allowed(items: int) -> int:
    """Native calls that one batch may take in all.

    Finding one poisoned item by halves takes 1 + 2·log2(items); twice that finds two. A batch
    whose items all fail would take 2·items, while others wait.
    """
    return 1 + 4 * math.ceil(math.log2(items))


def _checked(ended: Ended, items: int) -> Ended:
    """The same, but failed where the value is not one result for each item."""
    if not ended.ok:
        return ended
    if isinstance(ended.value, Sequence) and len(ended.value) == items:
        return ended
    size = len(ended.value) if isinstance(ended.value, Sequence) else "no list of"
    error = TypeError(f"the model returned {size} results for {items} items")
    return Ended(False, error, ended.seconds, "run")
