"""Sentence readers in lanes of their own: of messages here, of replies in `replies.py`.

What the input screen asks stands before quotas, admission and shedding, so it has its own queue and
its own native thread, and takes no turn with the other models. Whoever asks waits for `SECONDS` at
most, and a little longer for each part of a long message: then, and where it fails or hangs, there
is no answer, and rules and the linear reader decide. As nothing stands before it, it has to share
itself out: it reads one text at a time, who has texts in the queue comes after who has none, and
the parts of a long message come after all that is short. One address that floods it takes little
of it from others.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from app.errors import KindredError, ModelFailure, StartupError
from app.serving.batching.batcher import Backlog, Batcher, BatchReport
from app.serving.batching.queue import Budget
from app.serving.batching.ticket import Outcome, Ticket
from app.serving.screens.heard import Heard
from app.serving.screens.safety_reader import HEADS
from app.telemetry import Metrics, get_logger
from models.checkpoint import ModelFileError
from models.contracts import EncodeItem
from models.sentence_reader import SentenceReader

FOLDER = "safety-sentences"  # below the artifacts
NAME = "input_screen"
SECONDS = 0.05
"""That a message waits for it; an answer takes a few milliseconds."""
FURTHER = 0.03  # seconds that each text of a message beyond the first may take longer
_STUCK = 0.5  # seconds that a batch runs: until it comes back, nobody waits for it
# One text: its reader computes them one by one, and an answer waits for its whole batch.
_BUDGET = Budget(tokens=512, items=1)
_CAPACITY = 256
_SHARE = 64  # of these that one source may have
_CANARY = ("hello there, how was your day?",)


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


class SentenceLane:
    """A sentence reader behind its own queue; what is late, failed or no number is counted.

    Raises ModelFileError for a reader with heads that are not `known`.
    """

    def __init__(
        self,
        name: str,
        reader: Reader,
        metrics: Metrics,
        known: Collection[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        unknown = set(reader.heads) - set(known)
        if unknown:
            raise ModelFileError(f"the {name.replace('_', ' ')} has no heads {sorted(unknown)}")
        self.name = name
        self._reader, self._clock = reader, clock
        self._failed = metrics.failures.labels(name)
        self.last_batch: float | None = None
        """When a batch last came back well, by the clock; None before any."""
        self._lane: Batcher[EncodeItem, Any] = Batcher(
            name,
            reader.run,
            _BUDGET,
            lambda item: item.length,
            metrics,
            clock,
            capacity=_CAPACITY,
            observe=self._observe,
        )

    @property
    def version(self) -> str:
        """Of the weights."""
        return self._reader.version

    @property
    def heads(self) -> tuple[str, ...]:
        """The reader's, in the order of its logits."""
        return self._reader.heads

    @property
    def stack(self) -> Mapping[str, Mapping[str, float]]:
        """How whoever asks should weigh each head's logit."""
        return self._reader.stack

    def submit(
        self, texts: Sequence[str], deadline: float, priority: int | Sequence[int] = 0
    ) -> Ticket[Any] | None:
        """Queue texts for one answer by the deadline; None where none can be expected.

        A larger priority, of all or of each, waits for smaller ones.
        """
        if self._lane.backlog().running_seconds > _STUCK:
            self._failed.inc()
            return None
        try:
            return self._lane.submit(self._reader.prepare(texts), deadline, priority)
        except (KindredError, ValueError):
            self._failed.inc()
            return None

    def collect(self, ticket: Ticket[Any]) -> list[NDArray[Any] | None]:
        """The logits (heads,) of each text that was submitted; None where there is no answer.

        Waits on the hub, as a greenlet does; others go on meanwhile.
        """
        rows = [_numbers(outcome) for outcome in ticket.wait()]
        if any(row is None for row in rows):
            self._failed.inc()
        return rows

    def backlog(self) -> Backlog:
        """What waits and what runs at this moment."""
        return self._lane.backlog()

    def canary(self, deadline: float) -> None:
        """Something small through the reader; KindredError unless numbers come by the deadline."""
        row = self._lane.submit(self._reader.prepare(_CANARY), deadline).wait()[0].get()
        if not np.isfinite(row).all():
            raise ModelFailure(f"The canary of the {self.name} gave no number")

    def _observe(self, report: BatchReport) -> None:
        self.last_batch = self._clock()

    def close(self) -> None:
        """End the lane, answering all who wait; may be called twice."""
        self._lane.close()


class Sentences(SentenceLane):
    """The input screen's reader."""

    def __init__(
        self,
        reader: Reader,
        metrics: Metrics,
        *,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(NAME, reader, metrics, HEADS, clock)
        self._seconds = seconds
        self._asked: Counter[str] = Counter()  # texts in the queue or running, by source

    def hear(self, texts: Sequence[str], source: str = "") -> Heard | None:
        """What it says of a message: the whole, and its parts; None where there is no answer.

        `source` is who asks, an opaque name: the more texts of theirs there are already, the more
        others go first; so do they before the parts.
        """
        further = len(texts) - 1
        deadline = self._clock() + self._seconds + further * FURTHER
        with self._asking(source, len(texts)) as before:
            if before + len(texts) > _SHARE:
                self._failed.inc()
                return None
            ticket = self.submit(texts, deadline, [before, *[before + further] * further])
            rows = [] if ticket is None else self.collect(ticket)
        found = [row for row in rows if row is not None]
        if not found:
            return None
        highest = np.stack(found).max(axis=0).tolist()
        return Heard(dict(zip(self.heads, highest, strict=True)), whole=len(found) == len(rows))

    @contextmanager
    def _asking(self, source: str, texts: int) -> Iterator[int]:
        """While so many texts are asked for; how many of the same source there were before."""
        before = self._asked[source]
        self._asked[source] += texts
        try:
            yield before
        finally:
            self._asked[source] -= texts
            if not self._asked[source]:
                del self._asked[source]


def _numbers(outcome: Outcome[Any]) -> NDArray[Any] | None:
    try:
        row = np.asarray(outcome.get())
    except (KindredError, ValueError):
        return None
    return row if np.isfinite(row).all() else None


def load_sentences(artifacts: Path, name: str = FOLDER, **options: Any) -> SentenceReader | None:
    """A reader that ships, warm; None, and a line in the log, where there is none.

    Args:
        name: of its folder, the input screen's by default.
        options: of `SentenceReader.load`.

    Raises:
        StartupError: it is there, and altered, another model's, or cannot run here.
    """
    folder = artifacts / name
    if not folder.is_dir():
        get_logger("serving.sentences").warning("no sentence reader", folder=name)
        return None
    try:
        reader = SentenceReader.load(folder, **options)
        reader.warm()
    except (ModelFileError, OSError, ValueError, RuntimeError) as error:
        raise StartupError(f"the sentence reader {name} cannot be used: {error}") from None
    return reader
