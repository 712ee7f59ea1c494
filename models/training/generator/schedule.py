"""How long a run takes and where it stands: by the clock, or by steps or tokens.

By the clock (`minutes`) the rate follows the **time** that is used, so that a run always ends with
its decay done, however fast the machine turns out to be; but two runs differ in their number of
steps. By `steps` or `tokens` the same seed and data give the same weights, whatever happens in
between.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

MAIN = "main"
FINISH = "finish"
# A warm-up never takes more of a run than this.
WARMUP_AT_MOST = 0.1


@dataclass
class Progress:
    """Where a run stands. `fraction` of its schedule, 0 to 1; `per_second` if that is a clock.

    `tokens` counts the tokens read, without padding; `batch` is the next one of `epoch` in `phase`.
    """

    fraction: float = 0.0
    per_second: float = 0.0
    seconds: float = 0.0
    step: int = 0
    tokens: int = 0
    phase: str = MAIN
    epoch: int = 0
    batch: int = 0


@dataclass(frozen=True)
class Schedule:
    """Exactly one of the three is given. Raises ValueError otherwise, or if it is not positive."""

    minutes: float | None = None
    steps: int | None = None
    tokens: int | None = None

    def __post_init__(self) -> None:
        given = [v for v in (self.minutes, self.steps, self.tokens) if v is not None]
        if len(given) != 1 or given[0] <= 0:
            raise ValueError("a schedule has minutes, steps or tokens: one of them, above 0")

    @property
    def repeatable(self) -> bool:
        """Whether the same seed and data give the same weights."""
        return self.minutes is None

    def start(self) -> Progress:
        """The progress of a run that begins."""
        return Progress(per_second=0.0 if self.minutes is None else 1.0 / (60.0 * self.minutes))

    def advance(self, place: Progress, seconds: float) -> None:
        """Count the seconds of one step into `place`, whose step and tokens are counted."""
        place.seconds += seconds
        if self.steps is not None:
            place.fraction = place.step / self.steps
        elif self.tokens is not None:
            place.fraction = place.tokens / self.tokens
        else:
            place.fraction += seconds * place.per_second


def rate_factor(fraction: float, tokens: int, warmup_tokens: int) -> float:
    """Linear warm-up by tokens, times a cosine from 1 to 0.1 over the schedule.

    tokens: read so far, with those of the update whose rate it is. The warm-up ends after
    `warmup_tokens` or a tenth of the schedule, whichever is first.
    """
    warm = max(tokens / max(1, warmup_tokens), fraction / WARMUP_AT_MOST)
    return min(1.0, warm) * (0.1 + 0.45 * (1.0 + math.cos(math.pi * min(1.0, fraction))))
