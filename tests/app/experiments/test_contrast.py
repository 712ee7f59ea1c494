"""Whether a log can tell two policies apart: at the shipped exploration it mostly cannot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.experiments.contrast import contrast
from app.experiments.off_policy import Choices, difference, evaluate

SHIPPED = 0.05
LEAST = 20.0


def both(seed: int, n: int, exploration: float, disagree: float = 0.2) -> tuple[Choices, Choices]:
    """Five replies of a slate, each liked by half; where they disagree the candidate is sure of 1.

    The log is the serving model's own: best reply 0, a uniform draw now and then.
    """
    rng = np.random.default_rng(seed)
    differ = rng.random(n) < disagree
    log = np.full((n, 5), exploration / 5)
    log[:, 0] += 1 - exploration
    target = np.full((n, 5), exploration / 5)
    target[np.arange(n), np.where(differ, 1, 0)] += 1 - exploration
    shown = np.where(rng.random(n) < exploration, rng.integers(0, 5, n), 0)
    q = np.full((n, 5), 0.5)
    q[differ, 1] = 0.7  # the mean of both models: the candidate says 0.9
    rows, liked = np.arange(n), rng.integers(0, 2, n).astype(float)

    def choices(policy: np.ndarray) -> Choices:
        return Choices.of(
            reward=liked.tolist(),
            propensity=log[rows, shown].tolist(),
            target=policy[rows, shown].tolist(),
            units=rng.permutation(n).tolist(),
            expected=q[rows, shown].tolist(),
            target_expected=(q * policy).sum(1).tolist(),
        )

    first, second = choices(target), choices(log)
    return first, replace(second, unit=first.unit)


def surely_higher(pair: tuple[Choices, Choices]) -> bool:
    return difference(*pair, resamples=200)["dr"].bootstrap[0] > 0


def test_where_nobody_was_shown_what_the_candidate_prefers_its_own_opinion_does_not_decide() -> (
    None
):
    logs = [both(seed, 1_000, SHIPPED) for seed in range(80)]
    higher = [surely_higher(pair) for pair in logs]
    assert np.mean(higher) > 0.15  # although nothing is: what the mean of the models believes
    rich = [evaluate(pair[0], resamples=2).diagnostics.effective > 30 for pair in logs]
    assert all(a for a, wrong in zip(rich, higher, strict=True) if wrong)  # the old gate was open
    decided = [contrast(*pair).supports(LEAST) for pair in logs]
    assert not any(decided)


def test_a_log_that_saw_enough_decides_and_is_seldom_wrong() -> None:
    logs = [both(seed, 4_000, 0.3) for seed in range(40)]
    decided = [pair for pair in logs if contrast(*pair).supports(LEAST)]
    assert len(decided) > 25
    assert np.mean([surely_higher(pair) for pair in decided]) < 0.1


def test_one_choice_of_great_weight_among_many_is_one() -> None:
    ones = [1.0] * 40
    light = {"reward": ones, "units": list(range(40)), "target": [0.05] * 40}
    serving = Choices.of(**light, propensity=[0.05] * 40)  # type: ignore[arg-type]
    heavy = [0.11] * 39 + [1.0]
    candidate = Choices.of(**{**light, "target": heavy}, propensity=[0.05] * 40)  # type: ignore[arg-type]
    assert contrast(candidate, serving).candidate < 30
    alike = contrast(serving, serving)
    assert alike.candidate == 0.0
    assert not alike.supports(LEAST)
    assert alike.means[0][0] <= 1 <= alike.means[0][1]


def test_who_is_not_trusted_counts_for_nothing() -> None:
    trust = [1.0, 1.0, 0.0, 0.0]
    plain = Choices.of(
        reward=[1, 0], propensity=[0.5, 0.5], target=[0.5, 0.5], units=["a", "b"],
    )  # fmt: skip
    trolled = Choices.of(
        reward=[1, 0, 0, 0],
        propensity=[0.5] * 4,
        target=[0.5, 0.5, 0.1, 0.1],
        units=["a", "b", "troll", "troll"],
        trust=trust,
    )
    first, second = evaluate(plain), evaluate(trolled)
    for name, estimate in first.estimates.items():
        assert second.estimates[name].value == pytest.approx(estimate.value)
    assert second.diagnostics.effective == pytest.approx(first.diagnostics.effective)
    assert second.diagnostics.weight_mean == pytest.approx(1.0)
    with pytest.raises(ValueError, match="trust"):
        Choices.of(reward=[1], propensity=[1], target=[1], units=["a"], trust=[0.0])
    with pytest.raises(ValueError, match="same choices"):
        contrast(plain, trolled)
