"""The sentence reader of the input screen in a lane of its own: beside every limit and every load.

What it is asked stands before quotas, admission and shedding, so it has its own queue and its own
native thread, and takes no turn with the other models. Whoever asks waits for `SECONDS` at most:
then, and where it fails or hangs, there is no answer, and rules and the linear reader decide.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from app.errors import KindredError, StartupError
from app.serving.batcher import Backlog, Batcher
from app.serving.queue import Budget
from app.serving.safety_reader import HEADS
from app.telemetry import Metrics, get_logger
from models.checkpoint import ModelFileError
from models.contracts import EncodeItem
from models.sentence_reader import SentenceReader

FOLDER = "safety-sentences"  # below the artifacts
NAME = "input_screen"
SECONDS = 0.05
"""That a message waits for it; an answer takes a few milliseconds."""
_STUCK = 0.5  # seconds that a batch runs: until it comes back, nobody waits for it
_BUDGET = Budget(tokens=512, items=16)
_CAPACITY = 256


class Reader(Protocol):
    """A `models.sentence_reader.SentenceReader`, or what stands in for it in a test."""

    version: str

    @property
    def heads(self) -> tuple[str, ...]:
        """Their names, in the order of the logits."""

    @property
    def stack(self) -> Mapping[str, Mapping[str, float]]:
        """By question, how rules, linear reader and sentence reader are weighed together."""

    def prepare(self, texts: Sequence[str]) -> list[EncodeItem]:
        """Tokenise."""

    def run(self, items: Sequence[EncodeItem]) -> Sequence[Any]:
        """The logits (heads,) of each item."""

    def warm(self) -> None:
        """Run at usual sizes."""


class Sentences:
    """Asks the reader; what is not there in time, or no number, is no answer and is counted."""

    def __init__(
        self,
        reader: Reader,
        metrics: Metrics,
        *,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        unknown = set(reader.heads) - HEADS
        if unknown:
            raise ModelFileError(f"an input screen has no heads {sorted(unknown)}")
        self._reader, self._seconds, self._clock = reader, seconds, clock
        self._failed = metrics.failures.labels(NAME)
        self._lane: Batcher[EncodeItem, Any] = Batcher(
            NAME,
            reader.run,
            _BUDGET,
            lambda item: item.length,
            metrics,
            clock,
            capacity=_CAPACITY,
        )

    @property
    def version(self) -> str:
        """Of the weights."""
        return self._reader.version

    @property
    def stack(self) -> Mapping[str, Mapping[str, float]]:
        """By question, how rules, linear reader and sentence reader are weighed together."""
        return self._reader.stack

    def logits(self, texts: Sequence[str]) -> Mapping[str, float] | None:
        """Of each head the highest logit that any of the texts has; None where there is no answer.

        Waits on the hub, as a greenlet does; others go on meanwhile.
        """
        if self._lane.backlog().running_seconds > _STUCK:
            self._failed.inc()
            return None
        try:
            items = self._reader.prepare(texts)
            ticket = self._lane.submit(items, self._clock() + self._seconds)
            rows = np.stack([outcome.get() for outcome in ticket.wait()])
        except (KindredError, ValueError):
            self._failed.inc()
            return None
        if not np.isfinite(rows).all():
            self._failed.inc()
            return None
        return dict(zip(self._reader.heads, rows.max(axis=0).tolist(), strict=True))

    def backlog(self) -> Backlog:
        """What waits and what runs at this moment."""
        return self._lane.backlog()

    def close(self) -> None:
        """End the lane, answering all who wait; may be called twice."""
        self._lane.close()


def load_sentences(artifacts: Path, **options: Any) -> SentenceReader | None:
    """The reader that ships, warm; None, and a line in the log, where there is none.

    Args:
        options: of `SentenceReader.load`.

    Raises:
        StartupError: it is there, and altered, another model's, or cannot run here.
    """
    folder = artifacts / FOLDER
    if not folder.is_dir():
        get_logger("serving.sentences").warning("no sentence reader of messages", folder=FOLDER)
        return None
    try:
        reader = SentenceReader.load(folder, **options)
        reader.warm()
    except (ModelFileError, OSError, ValueError, RuntimeError) as error:
        raise StartupError(f"the input screen's sentence reader cannot be used: {error}") from None
    return reader
