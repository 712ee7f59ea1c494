"""How much of the cores' time each batch had, where several models run at once. Pure.

While k models run, each is counted 1/k of the time. The shares of all batches then add up to the
time in which any model ran, which cannot exceed the clock: capacity is one, however many threads
run beside each other and however much they slow each other down. A batch that ran alone is
counted whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

_KEPT = 64  # finished batches of each model: more than run beside one batch of another


@dataclass(slots=True)
class CoreShares:
    """The last batches of each model: when they ran (seconds, from and to)."""

    _finished: dict[str, deque[tuple[float, float]]] = field(default_factory=dict)

    def finished(self, model: str, begin: float, end: float, running: Mapping[str, float]) -> float:
        """The share (seconds, at most end - begin) of a batch that ends now.

        Args:
            running: when the batch of each other model began that still runs.
        """
        own = self._finished.setdefault(model, deque(maxlen=_KEPT))
        others = [
            (start, stop)
            for name, batches in self._finished.items()
            if name != model
            for start, stop in batches
            if stop > begin
        ]
        others += [(start, end) for name, start in running.items() if name != model]
        own.append((begin, end))
        return _shared(begin, end, others)


def _shared(begin: float, end: float, others: list[tuple[float, float]]) -> float:
    """The integral of 1 / (1 + others that run) from begin to end."""
    changes = [(end, 0)]
    for start, stop in others:
        start, stop = max(begin, start), min(end, stop)
        if start < stop:
            changes += [(start, 1), (stop, -1)]
    total, at, beside = 0.0, begin, 0
    for moment, change in sorted(changes):
        total += (moment - at) / (1 + beside)
        at, beside = moment, beside + change
    return total
