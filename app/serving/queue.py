"""Which waiting items the next batch takes: pure logic, no clock, no gevent, no threads.

The most urgent item is always in the batch: lowest `priority` first, among those the earliest
deadline (Liu and Layland 1973), then the first to arrive. The rest of its submission comes next,
since items of one request often share work and are useless until all are done; then items of like
length, so that little of a padded batch is padding. A batch never costs more than its budget,
save for one item that alone exceeds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Generic, TypeVar

Item = TypeVar("Item")


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

    def rank(self, seq: int) -> None:
        """Fix the order of arrival, and with it the urgency (smaller is served first)."""
        self.seq = seq
        self.urgency = (self.priority, self.deadline, seq)


@dataclass(frozen=True, slots=True)
class Selection(Generic[Item]):
    """What one look into the queue took out: a batch, and what had expired before it."""

    batch: tuple[Entry[Item], ...]
    expired: tuple[Entry[Item], ...]

    @property
    def longest(self) -> int:
        """Tokens of the longest item, 0 for an empty batch."""
        return max((entry.length for entry in self.batch), default=0)


class WaitingItems(Generic[Item]):
    """A bounded collection of waiting items."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError("a queue holds at least one item")
        self.capacity = capacity
        self._entries: dict[int, Entry[Item]] = {}
        self._seq = count(1)
        self._tokens = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def tokens(self) -> int:
        """The sum of the lengths of all that waits."""
        return self._tokens

    def admits(self, items: int) -> bool:
        """Whether so many more fit."""
        return len(self._entries) + items <= self.capacity

    def add(self, entries: Iterable[Entry[Item]]) -> None:
        """Take entries in; the caller has asked `admits`."""
        for entry in entries:
            entry.rank(next(self._seq))
            self._entries[entry.seq] = entry
            self._tokens += entry.length

    def remove(self, entry: Entry[Item]) -> bool:
        """Take one entry out; False if it does not wait any more."""
        if self._entries.pop(entry.seq, None) is None:
            return False
        self._tokens -= entry.length
        return True

    def remove_group(self, group: int) -> list[Entry[Item]]:
        """Take out what still waits of one submission."""
        entries = [entry for entry in self._entries.values() if entry.group == group]
        for entry in entries:
            self.remove(entry)
        return entries

    def take(self, now: float, budget: Budget) -> Selection[Item]:
        """Take out all that has expired at `now`, and the next batch."""
        expired = [entry for entry in self._entries.values() if entry.deadline <= now]
        for entry in expired:
            self.remove(entry)
        batch = select(list(self._entries.values()), budget)
        for entry in batch:
            self.remove(entry)
        return Selection(tuple(batch), tuple(expired))

    def clear(self) -> list[Entry[Item]]:
        """Take everything out, the most urgent first."""
        entries = sorted(self._entries.values(), key=lambda entry: entry.urgency)
        self._entries.clear()
        self._tokens = 0
        return entries


def select(entries: Sequence[Entry[Item]], budget: Budget) -> list[Entry[Item]]:
    """The next batch of these entries; never empty unless they are."""
    if not entries:
        return []
    head = min(entries, key=lambda entry: entry.urgency)

    def likeness(entry: Entry[Item]) -> tuple[bool, int, tuple[int, float, int]]:
        # A submission's own items in their order of urgency; others nearest in length first.
        same = entry.group == head.group
        return (not same, 0 if same else abs(entry.length - head.length), entry.urgency)

    batch = [head]
    longest = head.length
    for entry in sorted(entries, key=likeness):
        if len(batch) >= budget.items:
            break
        padded = max(longest, entry.length)
        if entry is not head and budget.admits(len(batch) + 1, padded):
            batch.append(entry)
            longest = padded
    return batch


def padding_ratio(batch: Sequence[Entry[Item]]) -> float:
    """The share of a padded batch's tokens that is padding, 0 … 1."""
    longest = max(entry.length for entry in batch)
    return 1.0 - sum(entry.length for entry in batch) / (longest * len(batch))
