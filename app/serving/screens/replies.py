"""The sentence reader of the output screen: what machines wrote is read while it is ranked.

It has a lane of its own, beside the reranker's. Its limits come from folds that left authors out
(`scripts/train_screen`); a head above its limit is a reason to keep a reply back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import DeadlineExceeded
from app.serving.batching.pending import Pending
from app.serving.load.request import failed
from app.serving.screens.sentences import Reader, SentenceLane
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
SECONDS = 0.2  # that reading takes at most; the ranking beside it seldom takes longer
Reasons = tuple[str, ...]


class Replies(SentenceLane):
    """Asks the reader for the reasons of replies."""

    def __init__(
        self, reader: Reader, metrics: Metrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises ModelFileError for a reader of something else."""
        super().__init__(NAME, reader, metrics, REASONS, clock)
        self._bias = np.array([reader.stack[head]["bias"] for head in reader.heads])
        self._names = [REASONS[head] for head in reader.heads]

    def begin(self, texts: Sequence[str], deadline: float) -> Pending[list[Reasons]]:
        """Of each text, in order, the reasons that keep it back; `UNREAD` where it was not read.

        It is read until the deadline (`time.monotonic()` seconds), or `SECONDS` long.
        """
        ticket = self.submit(texts, min(deadline, self._clock() + SECONDS))
        if ticket is None:
            return Pending.of(self._unread([None] * len(texts)))
        return Pending(lambda: self._unread(self.collect(ticket)), ticket.cancel)

    def _unread(self, rows: Sequence[NDArray[Any] | None]) -> list[Reasons]:
        """The reasons of each row; the load control hears of it where one is missing."""
        if any(row is None for row in rows):
            failed(DeadlineExceeded())
        return [UNREAD if row is None else self._reasons(row) for row in rows]

    def _reasons(self, row: NDArray[Any]) -> Reasons:
        above = row + self._bias > 0.0
        return tuple(name for name, yes in zip(self._names, above, strict=True) if yes)
