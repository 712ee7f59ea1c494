"""Logged choices, as a policy other than the one that made them sees them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_TINY = 1e-200


@dataclass(frozen=True, slots=True)
class Choices:
    """n logged choices as a target policy sees them; every array is (n,).

    `reward` in [0, 1] of what was shown; `propensity` in (0, 1] it was shown with; `target`: the
    probability that the target shows it; `expected`: q of what was shown; `target_expected`: the
    mean of q over what the target would show; `unsupported`: the target's probability of showing
    what the log could not; `trust` in [0, 1]: how far its person is believed, what the choice
    counts for; `unit`: whose choice it was.
    """

    reward: Array
    propensity: Array
    target: Array
    expected: Array
    target_expected: Array
    unsupported: Array
    trust: Array
    unit: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        *,
        reward: Sequence[float],
        propensity: Sequence[float],
        target: Sequence[float],
        units: Sequence[Hashable],
        expected: Sequence[float] | None = None,
        target_expected: Sequence[float] | None = None,
        unsupported: Sequence[float] | None = None,
        trust: Sequence[float] | None = None,
    ) -> Choices:
        """From plain sequences; without a reward model q is 0, and DR is IPS.

        A target below 1e-200 is none.

        Raises:
            ValueError: nothing was logged or is trusted, lengths differ, a value is outside its
                bounds, or a reply was shown with propensity 0.
        """
        n = len(reward)
        arrays = [
            np.asarray(values if values is not None else np.zeros(n), dtype=np.float64)
            for values in (reward, propensity, target, expected, target_expected, unsupported)
        ]
        arrays.append(np.asarray(trust if trust is not None else np.ones(n), dtype=np.float64))
        if n == 0 or len(units) != n or any(array.shape != (n,) for array in arrays):
            raise ValueError("n > 0 rewards, propensities, targets and units are needed")
        if not arrays[-1].any():
            raise ValueError("some trust is needed")
        names = ("trust", "reward", "propensity", "target")
        for name, array in zip(names, (arrays[-1], *arrays), strict=False):
            if not ((array >= 0.0) & (array <= 1.0 + 1e-9)).all():
                raise ValueError(f"a {name} is not in [0, 1]")
        if (arrays[1] <= 0.0).any():
            raise ValueError("a reply was shown with propensity 0")
        if not all(np.isfinite(array).all() for array in arrays):
            raise ValueError("a value is no number")
        numbers: dict[Hashable, int] = {}
        unit = np.array([numbers.setdefault(one, len(numbers)) for one in units], dtype=np.int64)
        rewards, propensities, targets, shown, wanted, missing, trusted = arrays
        # Below this a float keeps few digits, and a ratio of two such sums may be anything.
        targets = np.where(targets < _TINY, 0.0, targets)
        return cls(rewards, propensities, targets, shown, wanted, missing, trusted, unit)

    def weights(self, clip: float | None = None) -> Array:
        """target / propensity (n,), none above `clip`."""
        weights: Array = self.target / self.propensity
        return weights if clip is None else np.minimum(weights, clip)

    def __len__(self) -> int:
        return len(self.reward)


def check_same(candidate: Choices, serving: Choices) -> None:
    """Raises ValueError where two are not of the same choices."""
    if len(candidate) != len(serving) or not np.array_equal(candidate.unit, serving.unit):
        raise ValueError("both must be of the same choices")
