"""Which parts of a failed batch to run again: pure, no clock, no threads.

A batch that fails is run again by halves, until only what fails alone has failed. The number of
calls is bounded: finding one poisoned item by halves takes 1 + 2·log2(items), and twice that finds
two; a batch whose items all fail would take 2·items, while others wait. A batch that was too large
for the memory is halved once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


def calls_allowed(items: int) -> int:
    """Native calls that one batch may take in all."""
    return 1 + 4 * math.ceil(math.log2(items))


class Halving(Generic[Item]):
    """The parts of one batch that are still to be run, first to last.

    The caller iterates, and says `succeeded()` or `failed(…)` of a part that it ran before it asks
    for the next one.
    """

    def __init__(self, batch: Sequence[Item]) -> None:
        self._calls = calls_allowed(len(batch))
        self._parts: list[tuple[Sequence[Item], bool]] = [(batch, False)]
        self._memory_halved = False  # of the part that was handed out last

    def __iter__(self) -> Iterator[Sequence[Item]]:
        while self._parts:
            part, self._memory_halved = self._parts.pop()
            yield part

    def failed(self, part: Sequence[Item], *, out_of_memory: bool) -> bool:
        """A call with this part failed; True if its halves come next, False if it is given up.

        `part` is what was run: at most what was handed out, since some of it may have left.
        """
        self._calls -= 1
        affordable = self._calls >= len(self._parts) + 2
        if len(part) == 1 or not affordable or (out_of_memory and self._memory_halved):
            return False
        middle = len(part) // 2
        self._parts += [(part[middle:], out_of_memory), (part[:middle], out_of_memory)]
        return True

    def succeeded(self) -> None:
        """A call with the part went well."""
        self._calls -= 1
