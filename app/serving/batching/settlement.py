"""The open tickets of a batcher, and the only way in which an item gets its outcome: once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, Generic, TypeVar

from app.errors import DeadlineExceeded, KindredError, ModelFailure
from app.serving.batching.queue import Entry
from app.serving.batching.ticket import Departure, Outcome, Ticket
from app.telemetry import Metrics

Result = TypeVar("Result")


class Settlement(Generic[Result]):
    """Tickets by submission ("group"); each settled item is counted by what became of it."""

    def __init__(self, model: str, metrics: Metrics) -> None:
        self._model = model
        self._metrics = metrics
        self._tickets: dict[int, Ticket[Result]] = {}  # those with an item not settled
        self._groups = count(1)

    def __len__(self) -> int:
        return len(self._tickets)

    def open(
        self,
        size: int,
        remaining: Callable[[], float],
        leave: Callable[[int, Departure], None],
    ) -> tuple[int, Ticket[Result]]:
        """A ticket for so many items, and the group that it goes by."""
        group = next(self._groups)
        ticket: Ticket[Result] = Ticket(size, remaining, lambda why: leave(group, why))
        if size:
            self._tickets[group] = ticket
        return group, ticket

    def wanted(self, entry: Entry[Any]) -> bool:
        """Whether an item still waits for its outcome."""
        ticket = self._tickets.get(entry.group)
        return ticket is not None and not ticket.settled(entry.position)

    def settle(self, entry: Entry[Any], outcome: Outcome[Result]) -> bool:
        """Give an item its one outcome; False if it has one."""
        return self._settle(entry.group, entry.position, outcome)

    def drop(self, entry: Entry[Any], reason: str, error: KindredError) -> None:
        """An item ends with an error."""
        if self.settle(entry, Outcome(error=error)):
            self.dropped(reason)

    def expire(self, entries: Iterable[Entry[Any]]) -> None:
        """The deadlines of these have passed."""
        for entry in entries:
            self.drop(entry, "expired", DeadlineExceeded())

    def fail(self, entries: Iterable[Entry[Any]], cause: BaseException) -> None:
        """These could not be computed."""
        for entry in entries:
            failure = ModelFailure(f"The {self._model} failed")
            failure.__cause__ = cause
            self.drop(entry, "failed", failure)

    def leave(self, group: int, why: Departure, queued: int) -> None:
        """The caller of a group has left, when so many of its items were queued."""
        self.dropped(why.value, queued)
        error = DeadlineExceeded("The caller has left" if why is Departure.CANCELLED else "")
        self._settle_all(group, Outcome(error=error))

    def close(self) -> None:
        """Whoever still waits gets a ModelFailure."""
        for group in list(self._tickets):
            self._settle_all(group, Outcome(error=ModelFailure("Shutting down")))

    def dropped(self, reason: str, items: int = 1) -> None:
        """Count items that got no result."""
        self._metrics.dropped.labels(self._model, reason).inc(items)

    def _settle_all(self, group: int, outcome: Outcome[Result]) -> None:
        ticket = self._tickets.get(group)
        if ticket is not None:
            for position in range(ticket.size):
                self._settle(group, position, outcome)

    def _settle(self, group: int, position: int, outcome: Outcome[Result]) -> bool:
        ticket = self._tickets.get(group)
        if ticket is None or not ticket.settle(position, outcome):
            return False
        if ticket.done:
            del self._tickets[group]
        return True
