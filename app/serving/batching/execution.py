"""Runs one batch to its outcomes: the native call, what it must return, and the way of halves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from app.redaction import frames
from app.serving.batching.isolation import Halving
from app.serving.batching.native import Ended, Runner
from app.serving.batching.queue import Entry, padding_ratio
from app.serving.batching.reports import BatchReport
from app.serving.batching.settlement import Settlement
from app.serving.batching.ticket import Outcome
from app.telemetry import Metrics, get_logger

Item = TypeVar("Item")
Result = TypeVar("Result")


class Execution(Generic[Item, Result]):
    """One model's native calls, one at a time; all but `run` happens on the hub's thread.

    Args:
        run: n items → n results, in order; runs in the native thread of `pool`.
        observe: called on the hub with the report of each successful call.
        parts: how many things an item holds (the pairs of a slate), for metrics and reports.
    """

    def __init__(
        self,
        model: str,
        run: Callable[[list[Item]], Sequence[Result]],
        pool: Runner,
        settlement: Settlement[Result],
        metrics: Metrics,
        clock: Callable[[], float],
        observe: Callable[[BatchReport], None] | None,
        parts: Callable[[Item], int],
    ) -> None:
        self._model = model
        self._run = run
        self._pool = pool
        self._settlement = settlement
        self._clock = clock
        self._observe = observe
        self._parts = parts
        self._log = get_logger("serving.batcher")
        self._failures = metrics.failures.labels(f"model_{model}")
        self._queue_seconds = metrics.queue_seconds.labels(model)
        self._batch_items = metrics.batch_items.labels(model)
        self._batch_seconds = metrics.batch_seconds.labels(model)
        self._batch_padding = metrics.batch_padding_ratio.labels(model)
        self._running: tuple[int, float] | None = None

    @property
    def running(self) -> tuple[int, float]:
        """Tokens in the call that runs, 0 if none, and the seconds since it began."""
        if self._running is None:
            return 0, 0.0
        tokens, since = self._running
        return tokens, self._clock() - since

    def execute(self, batch: Sequence[Entry[Item]], now: float) -> None:
        """Give every item of a batch that was taken at `now` its outcome; never raises."""
        try:
            for entry in batch:
                self._queue_seconds.observe(now - entry.arrived)
            self._by_halves(batch, now)
        except Exception as error:  # noqa: BLE001 - our own mistake must not end the dispatcher
            self.report_failure(error, "")
            self._settlement.fail(batch, error)
        finally:
            self._running = None

    def _by_halves(self, batch: Sequence[Entry[Item]], now: float) -> None:
        """Run a batch; where it fails, run its halves, until only what fails alone has failed."""
        halving = Halving(batch)
        for whole in halving:
            part = self._wanted(whole)
            if not part:
                continue
            ended = self._call(part, now)
            if ended.ok:
                halving.succeeded()
            elif not halving.failed(part, out_of_memory=ended.out_of_memory):
                self._settlement.fail(part, ended.value)

    def _call(self, part: Sequence[Entry[Item]], taken: float) -> Ended:
        """One native call: settles the items if it succeeds, says what went wrong if not."""
        tokens = sum(entry.length for entry in part)
        self._running = (tokens, self._clock())
        ended = self._pool.call(self._run, [entry.item for entry in part])
        self._running = None
        ended = checked(ended, len(part))
        if not ended.ok:
            self.report_failure(ended.value, ended.where)
            return ended
        for entry, value in zip(part, ended.value, strict=True):
            if not self._settlement.settle(entry, Outcome(value)):
                self._settlement.dropped("late")
        self._report(part, taken, tokens, ended.seconds)
        return ended

    def _wanted(self, part: Sequence[Entry[Item]]) -> list[Entry[Item]]:
        """The entries of a part that still wait for an outcome; drops those that expired."""
        now = self._clock()
        wanted, expired = [], []
        for entry in part:
            if not self._settlement.wanted(entry):
                self._settlement.dropped("late")
            elif entry.deadline <= now:
                expired.append(entry)
            else:
                wanted.append(entry)
        self._settlement.expire(expired)
        return wanted

    def _report(
        self, part: Sequence[Entry[Item]], taken: float, tokens: int, seconds: float
    ) -> None:
        things = sum(self._parts(entry.item) for entry in part)
        self._batch_items.observe(things)
        self._batch_seconds.observe(seconds)
        self._batch_padding.observe(padding_ratio(part))
        if self._observe is not None:
            arrivals = [entry.arrived for entry in part]
            longest, least = taken - min(arrivals), taken - max(arrivals)
            self._observe(BatchReport(self._model, things, tokens, seconds, longest, least))

    def report_failure(self, error: BaseException, where: str) -> None:
        """Count and log what went wrong in this model's service."""
        self._failures.inc()
        self._log.warning(
            "batch_failed",
            model=self._model,
            error=type(error).__name__,
            kind=where,
            where=frames(error),  # never its message: that may quote what the model was asked
        )


def checked(ended: Ended, items: int) -> Ended:
    """The same, but failed where the value is not one result for each item."""
    if not ended.ok:
        return ended
    if isinstance(ended.value, Sequence) and len(ended.value) == items:
        return ended
    size = len(ended.value) if isinstance(ended.value, Sequence) else "no list of"
    error = TypeError(f"the model returned {size} results for {items} items")
    return Ended(False, error, ended.seconds, "run")
