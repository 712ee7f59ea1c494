"""Which waiting items the next batch takes: pure logic, no clock, no gevent, no threads.

The most urgent item is always in the batch: lowest `priority` first, among those the earliest
deadline (Liu and Layland 1973), then the first to arrive. The rest of its submission comes next,
since items of one request often share work and are useless until all are done; then the other
items, priority by priority, those of like length first, so that little of a padded batch is
padding. A batch never costs more than its budget, save for one item that alone exceeds it.

Everything is found in logarithmic time: by urgency and by deadline in heaps, by submission in a
table, by length in `Lengths`. An item that leaves stays behind in the heaps as a husk until it
comes up or the husks outnumber the items.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Generic, TypeVar

from app.serving.batching.lengths import Lengths

Item = TypeVar("Item")

_HUSKS_KEPT = 64  # besides as many as there are items; fewer are not worth tidying


@dataclass(frozen=True, slots=True)
class Budget:
    """What one batch may hold: padded tokens (items × the longest item), and items."""

    tokens: int
    items: int

    def __post_init__(self) -> None:
        if self.tokens < 1 or self.items < 1:
            raise ValueError("a batch holds at least one token and one item")

    def admits(self, items: int, longest: int) -> bool:
        """Whether so many items, padded to the longest, fit."""
        return items <= self.items and items * longest <= self.tokens

    def room(self, items: int) -> int:
        """Tokens that the longest of so many items may have; 0 where so many do not fit."""
        return self.tokens // items if items <= self.items else 0


@dataclass(eq=False, slots=True)
class Entry(Generic[Item]):
    """One accepted item in the queue; `group` is the submission it came with."""

    item: Item
    length: int  # tokens, at least 1
    deadline: float  # of the batcher's clock, seconds
    priority: int  # 0 interactive; larger waits for smaller
    arrived: float
    group: int
    position: int  # in its submission
    seq: int = 0  # order of arrival, set by the queue
    urgency: tuple[int, float, int] = field(init=False, default=(0, 0.0, 0))
    waiting: bool = field(init=False, default=False)

    def rank(self, seq: int) -> None:
        """Fix the order of arrival, and with it the urgency (smaller is served first)."""
        self.seq = seq
        self.urgency = (self.priority, self.deadline, seq)


class WaitingItems(Generic[Item]):
    """A bounded collection of waiting items."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError("a queue holds at least one item")
        self.capacity = capacity
        self._groups: dict[int, dict[int, Entry[Item]]] = {}  # by seq: in order of arrival
        self._seq = count(1)
        self._size = 0
        self._tokens = 0
        self._husks = 0
        self._urgent: list[tuple[tuple[int, float, int], Entry[Item]]] = []
        self._ending: list[tuple[float, int, Entry[Item]]] = []
        self._alike: dict[int, Lengths[Entry[Item]]] = {}  # by priority

    def __len__(self) -> int:
        return self._size

    @property
    def tokens(self) -> int:
        """The sum of the lengths of all that waits."""
        return self._tokens

    def admits(self, items: int) -> bool:
        """Whether so many more fit."""
        return self._size + items <= self.capacity

    def add(self, entries: Iterable[Entry[Item]]) -> None:
        """Take entries in; the caller has asked `admits`."""
        for entry in entries:
            entry.rank(next(self._seq))
            entry.waiting = True
            self._groups.setdefault(entry.group, {})[entry.seq] = entry
            self._size += 1
            self._tokens += entry.length
            self._index(entry)

    def remove(self, entry: Entry[Item]) -> bool:
        """Take one entry out; False if it does not wait any more."""
        removed = self._drop(entry)
        self._tidy_when_due()
        return removed

    def _drop(self, entry: Entry[Item]) -> bool:
        """The same, but the indices stay as they are: their owner may be walking through them."""
        if not entry.waiting:
            return False
        entry.waiting = False
        group = self._groups[entry.group]
        del group[entry.seq]
        if not group:
            del self._groups[entry.group]
        self._size -= 1
        self._tokens -= entry.length
        self._husks += 1
        return True

    def remove_group(self, group: int) -> list[Entry[Item]]:
        """Take out what still waits of one submission."""
        entries = list(self._groups.get(group, {}).values())
        for entry in entries:
            self._drop(entry)
        self._tidy_when_due()
        return entries

    def expire(self, now: float) -> list[Entry[Item]]:
        """Take out all whose deadline is not after `now`."""
        expired = []
        while self._ending and self._ending[0][0] <= now:
            entry = heappop(self._ending)[2]
            if self._drop(entry):
                expired.append(entry)
        self._tidy_when_due()
        return expired

    def most_urgent(self) -> Entry[Item] | None:
        """The entry that heads the next batch; None where nothing waits."""
        while self._urgent:
            entry = self._urgent[0][1]
            if entry.waiting:
                return entry
            heappop(self._urgent)
        return None

    def take(self, budget: Budget) -> list[Entry[Item]]:
        """Take out the next batch, the most urgent first; empty only where nothing waits."""
        head = self.most_urgent()
        if head is None:
            return []
        self._drop(head)
        batch = [head]
        longest = head.length
        # A submission's own items in their order of urgency.
        own = self._groups.get(head.group, {})
        for entry in sorted(own.values(), key=lambda entry: entry.urgency):
            padded = max(longest, entry.length)
            if budget.admits(len(batch) + 1, padded):
                self._drop(entry)
                batch.append(entry)
                longest = padded
        for priority in sorted(self._alike):
            while (room := budget.room(len(batch) + 1)) >= longest:
                found = self._alike[priority].pop_nearest(head.length, room)
                if found is None:
                    break
                self._drop(found)
                batch.append(found)
                longest = max(longest, found.length)
        self._tidy_when_due()
        return batch

    def clear(self) -> list[Entry[Item]]:
        """Take everything out, the most urgent first."""
        entries = sorted(self._all(), key=lambda entry: entry.urgency)
        for entry in entries:
            self._drop(entry)
        self._tidy_when_due()
        return entries

    def _all(self) -> list[Entry[Item]]:
        return [entry for group in self._groups.values() for entry in group.values()]

    def _index(self, entry: Entry[Item]) -> None:
        heappush(self._urgent, (entry.urgency, entry))
        heappush(self._ending, (entry.deadline, entry.seq, entry))
        self._alike.setdefault(entry.priority, Lengths()).add(entry)

    def _tidy_when_due(self) -> None:
        """Build the indices anew of what waits; each husk is cleared away once."""
        if self._husks <= self._size + _HUSKS_KEPT:
            return
        self._husks = 0
        self._urgent, self._ending, self._alike = [], [], {}
        for entry in self._all():
            self._index(entry)


def padding_ratio(batch: Sequence[Entry[Item]]) -> float:
    """The share of a padded batch's tokens that is padding, 0 … 1."""
    longest = max(entry.length for entry in batch)
    return 1.0 - sum(entry.length for entry in batch) / (longest * len(batch))
