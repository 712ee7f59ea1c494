"""Waiting entries by length, so that the one nearest to a length is found quickly. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from heapq import heappop, heappush
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """What has a length and a place among its equals, and may stop waiting at any time."""

    length: int
    urgency: tuple[int, float, int]
    waiting: bool


Waiting = TypeVar("Waiting", bound=Sized)
_Shelf = list[tuple[tuple[int, float, int], Waiting]]  # a heap: the most urgent on top


class Lengths(Generic[Waiting]):
    """One shelf for each length; an entry that waits no more is found out when it comes up."""

    def __init__(self) -> None:
        self._lengths: list[int] = []  # of the shelves, ascending
        self._shelves: dict[int, _Shelf[Waiting]] = {}

    def add(self, entry: Waiting) -> None:
        """Put an entry on the shelf of its length."""
        shelf = self._shelves.get(entry.length)
        if shelf is None:
            shelf = self._shelves[entry.length] = []
            insort(self._lengths, entry.length)
        heappush(shelf, (entry.urgency, entry))

    def pop_nearest(self, length: int, most: int) -> Waiting | None:
        """Take the entry nearest to `length` that is no longer than `most`; None if there is none.

        Among equally near ones the most urgent. `most` is not below `length`.
        """
        shorter, longer = self._shorter(length), self._longer(length, most)
        if shorter is None or (longer is not None and longer - length < length - shorter):
            nearest = longer
        elif longer is None or length - shorter < longer - length:
            nearest = shorter
        else:
            nearest = min(shorter, longer, key=lambda one: self._shelves[one][0][0])
        return None if nearest is None else heappop(self._shelves[nearest])[1]

    def _shorter(self, length: int) -> int | None:
        """The greatest length below this one that somebody has."""
        while place := bisect_left(self._lengths, length):
            if self._stocked(place - 1):
                return self._lengths[place - 1]
        return None

    def _longer(self, length: int, most: int) -> int | None:
        """The least length from this one up to `most` that somebody has."""
        place = bisect_left(self._lengths, length)
        while place < len(self._lengths) and self._lengths[place] <= most:
            if self._stocked(place):
                return self._lengths[place]
        return None

    def _stocked(self, place: int) -> bool:
        """Whether somebody still waits on this shelf, then on top; an empty shelf is removed."""
        shelf = self._shelves[self._lengths[place]]
        while shelf and not shelf[0][1].waiting:
            heappop(shelf)
        if not shelf:
            del self._shelves[self._lengths.pop(place)]
        return bool(shelf)
