"""The sentence reader of the output screen: what machines wrote is read while it is ranked.

It has a lane of its own, beside the reranker's. Its limits come from folds that left authors out
(`scripts/train_screen`); a head above its limit is a reason to keep a reply back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from app.serving.sentences import Reader, SentenceLane
from app.serving.ticket import Ticket
from app.telemetry import Metrics

FOLDER = "screen-sentences"  # below the artifacts
NAME = "output_screen"
REASONS = {
    "toxic": "toxic",
    "personal_data": "personal-data",
    "human_claim": "human-claim",
    "medical": "medical",
    "legal": "legal",
    "harm": "harm",
    "sexual": "sexual",
}
"""By head what the screen calls it."""
UNREAD = ("unread",)  # what could not be read in time is not said


class Replies(SentenceLane):
    """Asks the reader for the reasons of replies."""

    def __init__(
        self, reader: Reader, metrics: Metrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises ModelFileError for a reader of something else."""
        super().__init__(NAME, reader, metrics, REASONS, clock)
        self._bias = [reader.stack[head]["bias"] for head in reader.heads]

    def begin(self, texts: Sequence[str], deadline: float) -> Reading:
        """Begin to read texts, to be read by the deadline (`time.monotonic()` seconds)."""
        return Reading(self, len(texts), self.submit(texts, deadline) if texts else None)

    def reasons(self, ticket: Ticket[Any] | None, count: int) -> list[tuple[str, ...]]:
        """Of each text the reasons that keep it back; `UNREAD` for all where there is no answer."""
        rows = self.collect(ticket) if count else None
        if rows is None:
            return [UNREAD] * count
        names = [REASONS[head] for head in self.heads]
        return [
            tuple(name for name, yes in zip(names, above, strict=True) if yes)
            for above in (rows + self._bias > 0.0).tolist()
        ]


class Reading:
    """Texts that are being read."""

    def __init__(self, replies: Replies, count: int, ticket: Ticket[Any] | None) -> None:
        self._replies, self._count, self._ticket = replies, count, ticket

    def reasons(self) -> list[tuple[str, ...]]:
        """Of each text the reasons that keep it back, in order; waits, as a greenlet does."""
        return self._replies.reasons(self._ticket, self._count)
