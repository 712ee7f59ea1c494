"""One result for each item or an error for all, from services that answer item by item.

A batch function can only fail as a whole. Whoever calls it then runs the batch again by halves, to
find what fails alone (`app/serving/batching/batcher.py`). Asked anew each time, a service would be
asked several times over for what it has already answered, and once more for what has just timed
out. So the outcomes of a batch that failed are kept for parts of that same batch: its halves
are answered from memory, in microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Outcomes(Generic[Item, Result]):
    """Runs batches through `ask`, which gives a result or an exception for each item."""

    def __init__(self, ask: Callable[[Sequence[Item]], Sequence[Result | Exception]]) -> None:
        self._ask = ask
        # By identity: another item that looks the same is another question. The items are held
        # so that their ids stay theirs.
        self._kept: dict[int, tuple[Item, Result | Exception]] = {}

    def run(self, items: Sequence[Item]) -> list[Result]:
        """One result for each item, in order; raises the first error if there is one."""
        if not items:
            return []
        if len(items) < len(self._kept) and all(id(item) in self._kept for item in items):
            outcomes = [self._kept[id(item)][1] for item in items]
        else:
            self._kept = {}
            outcomes = list(self._ask(items))
            if any(isinstance(outcome, Exception) for outcome in outcomes):
                pairs = zip(items, outcomes, strict=True)
                self._kept = {id(item): (item, outcome) for item, outcome in pairs}
        results: list[Result] = []
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
            results.append(outcome)
        return results
