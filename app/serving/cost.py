"""What a model's batch costs: a line in tokens, fitted while serving. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

_COALESCED = 8  # requests that share a batch's fixed cost when there is a queue
_DECAY = 0.95  # weight of the past at each new observation: about the last 20 batches count
_HALF_LIFE = 3.0  # seconds without an observation that halve the trust in the fit


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of a batch of so many tokens: a line, both parts at least 0."""

    fixed: float = 0.0
    per_token: float = 0.0

    def seconds(self, tokens: float) -> float:
        """Predicted time of a batch."""
        return self.fixed + self.per_token * tokens

    def amortised(self, tokens: float) -> float:
        """A request's part of a batch that several requests share."""
        return self.fixed / _COALESCED + self.per_token * tokens


@dataclass(frozen=True, slots=True)
class CostFit:
    """Batch time as a line in tokens, by exponentially weighted least squares.

    `base` is what was measured at start. The fit is trusted less the longer nothing was
    observed, since a model that gets no work for being slow would otherwise stay slow for ever.
    """

    base: Cost = field(default_factory=Cost)
    weight: float = 0.0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0
    items: float = 0.0
    at: float = 0.0  # of the last observation, seconds

    def observed(self, tokens: int, items: int, seconds: float, now: float) -> CostFit:
        """With one more batch."""
        return replace(
            self,
            weight=_DECAY * self.weight + 1.0,
            x=_DECAY * self.x + tokens,
            y=_DECAY * self.y + seconds,
            xx=_DECAY * self.xx + tokens * tokens,
            xy=_DECAY * self.xy + tokens * seconds,
            items=_DECAY * self.items + items,
            at=now,
        )

    def tokens_per_item(self, otherwise: float) -> float:
        """The mean length of an item."""
        return self.x / self.items if self.items > 0 else otherwise

    def settled(self) -> CostFit:
        """The same observations, with what they say as the base."""
        return replace(self, base=self._line())

    def cost(self, now: float) -> Cost:
        """The line as it is trusted now."""
        if self.weight == 0.0:
            return self.base
        line = self._line()
        trust = 0.5 ** (max(0.0, now - self.at) / _HALF_LIFE)
        return Cost(
            trust * line.fixed + (1 - trust) * self.base.fixed,
            trust * line.per_token + (1 - trust) * self.base.per_token,
        )

    def _line(self) -> Cost:
        spread = self.weight * self.xx - self.x * self.x
        if spread > 1e-6 * self.x * self.x:
            slope = (self.weight * self.xy - self.x * self.y) / spread
            fixed = (self.y - slope * self.x) / self.weight
            if slope >= 0.0 and fixed >= 0.0:
                return Cost(fixed, slope)
        # Batches of one size, or noise: a line through the origin promises least.
        return Cost(0.0, self.xy / self.xx if self.xx > 0 else 0.0)
