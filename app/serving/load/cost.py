"""What batches cost the cores that all models share, fitted online as one joint line. Pure.

A batch of model m with x tokens takes `a·f + b·s·x` seconds of the shared cores: f and s are the
base, measured when the models were warmed, a and b are multipliers near 1 that are learned. All
multipliers are one state vector, followed by recursive least squares (a Kalman filter; Ljung and
Söderström 1983, ch. 2). Its prior makes the models one system: every multiplier is a common part
(the machine: other work beside it, a lower clock) plus a part of its own (this model, at these
sizes), so a slow encoder already tells that the generator will be slow.

Between observations the state drifts back to the base (a Gauss-Markov process), so that what was
learned is trusted less the older it is: a model that gets no work for having been slow is tried
again. Surprises are clipped, so that one stray batch moves the fit little and a second one more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_MEMORY = 10.0  # seconds after which what was learned counts 1/e
_COMMON = 0.5  # prior spread of the multiplier that all models have in common
_OWN = 0.3  # and of each one's own part
_NOISE = 0.25  # of a batch's time, relative
_CLIP = 4.0  # standard deviations of surprise that count
_ONE_SIZE = 1.25  # the most tokens by the fewest, of warming batches of one size
_LEAST = 0.05  # no multiplier is below

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of a batch of so many tokens: a line, both parts at least 0."""

    fixed: float = 0.0
    per_token: float = 0.0

    def seconds(self, tokens: float) -> float:
        """Predicted time of a batch."""
        return self.fixed + self.per_token * tokens

    def tokens(self, seconds: float) -> float:
        """How many tokens a batch of that time may have; infinite where they cost nothing."""
        if self.per_token <= 0.0:
            return math.inf
        return max(0.0, seconds - self.fixed) / self.per_token


@dataclass(frozen=True, slots=True)
class LineFit:
    """Least squares through a few batches, for the base."""

    batches: int = 0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0

    def observed(self, tokens: int, seconds: float) -> LineFit:
        """With one more batch."""
        return LineFit(
            self.batches + 1,
            self.x + tokens,
            self.y + seconds,
            self.xx + tokens * tokens,
            self.xy + tokens * seconds,
        )

    def line(self) -> Cost:
        """The line; through the origin where the batches were of one size or noise rules."""
        spread = self.batches * self.xx - self.x * self.x
        if spread > 1e-6 * self.x * self.x:
            slope = (self.batches * self.xy - self.x * self.y) / spread
            fixed = (self.y - slope * self.x) / self.batches
            if slope >= 0.0 and fixed >= 0.0:
                return Cost(fixed, slope)
        return Cost(0.0, self.xy / self.xx if self.xx > 0 else 0.0)


def undisturbed(batches: Iterable[tuple[int, float]]) -> Cost:
    """The line through the cheapest batch of each size, from (tokens, seconds) of several rounds.

    Whatever disturbs a measurement makes it longer, so the least is nearest to the truth. Batches
    within a quarter of each other are of one size: no two probes have quite the same tokens.
    """
    sizes: list[list[tuple[int, float]]] = []
    for tokens, seconds in sorted(batches):
        if not sizes or tokens > _ONE_SIZE * sizes[-1][0][0]:
            sizes.append([])
        sizes[-1].append((tokens, seconds))
    fit = LineFit()
    for size in sizes:
        fit = fit.observed(*min(size, key=lambda batch: batch[1] / max(1, batch[0])))
    return fit.line()


@dataclass(slots=True)
class JointCost:
    """The fit of all models together; times are seconds of any one clock."""

    base: Mapping[str, Cost] = field(default_factory=dict)
    _at: float = 0.0
    _state: Array = field(init=False)
    _spread: Array = field(init=False)  # covariance of the state

    def __post_init__(self) -> None:
        self._state = np.ones(2 * len(self.base))
        self._spread = _prior(len(self.base))

    def observed(self, model: str, tokens: int, seconds: float, now: float) -> None:
        """One more batch took `seconds` of the shared cores."""
        if tokens <= 0 or seconds < 0.0:
            return
        if model not in self.base:  # never warmed: its first batch is its base, and all begin anew
            self.base = {**self.base, model: Cost(0.0, seconds / tokens)}
            self.__post_init__()
        base = self.base[model]
        expected = base.seconds(tokens)
        if expected <= 0.0:
            return
        self._drift(now)
        features = np.zeros(len(self._state))
        place = self._place(model)
        features[place] = base.fixed / expected
        features[place + 1] = base.per_token * tokens / expected
        carried = self._spread @ features
        variance = float(features @ carried) + _NOISE**2
        surprise = seconds / expected - float(features @ self._state)
        most = _CLIP * math.sqrt(variance)
        gain = carried / variance
        learned = gain * min(most, max(-most, surprise))
        self._state = np.maximum(self._state + learned, _LEAST)
        self._spread = self._spread - np.outer(gain, carried)
        if abs(surprise) > most:  # a stray, or a new world: let the next batch tell
            self._spread = (self._spread + _prior(len(self.base))) / 2

    def cost(self, model: str, now: float) -> Cost:
        """The line of a model as it is believed now; nothing for one never seen."""
        base = self.base.get(model)
        if base is None:
            return Cost()
        place, trust = self._place(model), self._trust(now)
        fixed, per_token = 1.0 + trust * (self._state[place : place + 2] - 1.0)
        return Cost(float(fixed) * base.fixed, float(per_token) * base.per_token)

    def _place(self, model: str) -> int:
        return 2 * list(self.base).index(model)

    def _trust(self, now: float) -> float:
        return math.exp(-max(0.0, now - self._at) / _MEMORY)

    def _drift(self, now: float) -> None:
        trust = self._trust(now)
        self._state = 1.0 + trust * (self._state - 1.0)
        prior = _prior(len(self.base))
        self._spread = trust**2 * self._spread + (1.0 - trust**2) * prior
        self._at = max(now, self._at)


def _prior(models: int) -> Array:
    prior: Array = np.full((2 * models, 2 * models), _COMMON**2) + _OWN**2 * np.eye(2 * models)
    return prior
