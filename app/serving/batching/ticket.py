"""What a caller of the batcher holds: a ticket, and in the end an outcome for each item."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar, cast

from gevent.event import Event

from app.errors import KindredError

Result = TypeVar("Result")


class Departure(StrEnum):
    """Why a caller does not wait any more; the reason that the metrics show."""

    LATE = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Result]):
    """What became of one item: a value, or the error that took its place."""

    value: Result | None = None
    error: KindredError | None = None

    def get(self) -> Result:
        """The value; raises the error if there is one."""
        if self.error is not None:
            raise self.error
        return cast("Result", self.value)


class Ticket(Generic[Result]):
    """The claim on the outcomes of one submission, in the order of its items."""

    def __init__(
        self, size: int, remaining: Callable[[], float], leave: Callable[[Departure], None]
    ) -> None:
        self.size = size
        self._outcomes: list[Outcome[Result] | None] = [None] * size
        self._left = size
        self._remaining = remaining
        self._leave = leave
        self._done = Event()
        if size == 0:
            self._done.set()

    @property
    def done(self) -> bool:
        """Whether every item has its outcome."""
        return self._left == 0

    def wait(self) -> list[Outcome[Result]]:
        """The outcomes, at the deadline at the latest; what is not there by then is late.

        The native work of a late item goes on. If the waiting greenlet is killed or timed out,
        the items are cancelled.
        """
        try:
            self._done.wait(max(0.0, self._remaining()))
        except BaseException:
            self.cancel()
            raise
        if not self.done:
            self._leave(Departure.LATE)
        return [outcome for outcome in self._outcomes if outcome is not None]

    def cancel(self) -> None:
        """The caller has left: what waits is taken out of the queue, what runs is not awaited."""
        if not self.done:
            self._leave(Departure.CANCELLED)

    def settled(self, position: int) -> bool:
        """Whether the item at this place has its outcome."""
        return self._outcomes[position] is not None

    def settle(self, position: int, outcome: Outcome[Result]) -> bool:
        """Give an item its outcome; False if it has one already."""
        if self._outcomes[position] is not None:
            return False
        self._outcomes[position] = outcome
        self._left -= 1
        if self._left == 0:
            self._done.set()
        return True
