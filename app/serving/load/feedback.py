"""The slow half of the control law: what is measured corrects what was predicted. Pure.

Twice a reason to plan less than the cost model would: more than 5 of 100 replies came near the
latency objective (or missed a stage), or a queue stands. A queue that a burst left drains
with the next batch; one from which even the latest item of a batch has waited for longer than the
batch before it ran was there all the time, and only adds delay. Its sign is the minimum over a
window, not the mean (CoDel: Nichols and Jacobson 2012, RFC 8289).

The correction is `trim`, the share of every limit that may be planned: cut by a factor where there
is a reason, raised by little where there is none, judged once a second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from app.serving.batching.reports import BatchReport

LEAST = 0.5  # the trim is not below: the law never trusts its own prediction less than half
_JUDGED = 1.0  # seconds between judgements,
_PATIENCE = 3.0  # or these, where there were few replies
_ENOUGH = 20  # replies
_LATE_SHARE = 0.05  # of the replies: an objective for the 95th percentile
_AIM = 0.85  # of the objective: what swings around a mark must aim below it
_LATE_CUT = 0.8
_STANDING_CUT = 0.9
_RISE = 0.1  # a second
_STANDING_SHARE = 0.05  # of the objective: a shorter queue is none
_STANDING_BATCHES = 2  # of a model in a window


@dataclass(slots=True)
class Feedback:
    """Counts late replies and standing queues, and keeps the trim."""

    objective_seconds: float
    now: float
    trim: float = 1.0
    _replies: int = 0
    _late: int = 0
    _last_batch: dict[str, float] = field(default_factory=dict)
    _excess: dict[str, tuple[int, float]] = field(default_factory=dict)  # batches, least
    _judged: float = field(init=False)  # when last

    def __post_init__(self) -> None:
        self._judged = self.now

    def replied(self, seconds: float, *, missed: bool = False) -> None:
        """A request was answered after so long; `missed`: without a stage that was late."""
        self._replies += 1
        self._late += missed or seconds > _AIM * self.objective_seconds

    def ran(self, report: BatchReport) -> None:
        """A batch has run."""
        before = self._last_batch.get(report.model, math.inf)
        self._last_batch[report.model] = report.seconds
        batches, least = self._excess.get(report.model, (0, math.inf))
        self._excess[report.model] = (batches + 1, min(least, report.waited_least - before))

    def standing(self) -> bool:
        """Whether some model's queue did not drain since the last judgement."""
        least = _STANDING_SHARE * self.objective_seconds
        return any(
            batches >= _STANDING_BATCHES and excess > least
            for batches, excess in self._excess.values()
        )

    def tick(self, now: float) -> None:
        """Judge, if it is time."""
        elapsed = now - self._judged
        if elapsed < _JUDGED or (self._replies < _ENOUGH and elapsed < _PATIENCE):
            return
        cut = 1.0
        if self._late > max(1.0, _LATE_SHARE * self._replies):
            cut = _LATE_CUT
        elif self.standing():
            cut = _STANDING_CUT
        raised = self.trim + _RISE * elapsed if cut == 1.0 else self.trim
        self.trim = min(1.0, max(LEAST, cut * raised))
        self._judged, self._replies, self._late = now, 0, 0
        self._excess.clear()
