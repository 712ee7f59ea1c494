"""Off-policy estimates against a logging policy and a truth that are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.experiments.off_policy import Choices, Report, difference, evaluate

ACTIONS = 4
LIKED = np.array([0.2, 0.4, 0.6, 0.8])  # of each action where the context is 0; reversed where 1


def truth(contexts: np.ndarray) -> np.ndarray:
    """P(liked), (n, ACTIONS)."""
    return np.where(contexts[:, None] == 0, LIKED, LIKED[::-1])


def logged(
    seed: int, n: int = 400, people: int = 40, *, perfect: bool = False, exploration: float = 0.4
) -> Choices:
    """Epsilon-greedy for action 0 was logged; the target is nearly greedy for action 3."""
    rng = np.random.default_rng(seed)
    contexts, person = rng.integers(0, 2, n), rng.integers(0, people, n)
    log = np.full((n, ACTIONS), exploration / ACTIONS)
    log[:, 0] += 1 - exploration
    target = np.full((n, ACTIONS), 0.1 / ACTIONS)
    target[:, 3] += 0.9
    shown = np.array([rng.choice(ACTIONS, p=row) for row in log])
    rows = np.arange(n)
    liked = truth(contexts)
    q = liked if perfect else np.full((n, ACTIONS), 0.3)  # wrong, on purpose
    return Choices.of(
        reward=(rng.random(n) < liked[rows, shown]).astype(float),
        propensity=log[rows, shown],
        target=target[rows, shown],
        units=[f"person {one}" for one in person],
        expected=q[rows, shown],
        target_expected=(q * target).sum(1),
    )


def known() -> float:
    target = np.array([0.025, 0.025, 0.025, 0.925])
    return float(((target * LIKED).sum() + (target * LIKED[::-1]).sum()) / 2)


def values(reports: list[Report], name: str) -> np.ndarray:
    return np.array([report.estimates[name].value for report in reports])


def test_over_many_logs_the_estimates_are_right_on_average() -> None:
    reports = [evaluate(logged(seed), resamples=2) for seed in range(300)]
    for name, bias in (("ips", 0.0), ("snips", 0.01), ("dr", 0.0)):
        found = values(reports, name)
        noise = 3.5 * found.std() / np.sqrt(len(found))
        assert abs(found.mean() - known()) < noise + bias, name


def test_a_reward_model_that_is_right_takes_noise_away() -> None:
    plain = [evaluate(logged(seed), resamples=2) for seed in range(100)]
    perfect = [evaluate(logged(seed, perfect=True), resamples=2) for seed in range(100)]
    assert values(perfect, "dr").std() < 0.8 * values(plain, "ips").std()
    # It says so itself: the errors that it states are smaller, and true to the spread.
    stated = np.mean([report.estimates["dr"].error for report in perfect])
    assert stated < 0.8 * np.mean([report.estimates["ips"].error for report in plain])
    assert stated == pytest.approx(values(perfect, "dr").std(), rel=0.25)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    reports = [evaluate(logged(seed), resamples=150, confidence=0.9) for seed in range(120)]
    for name in ("snips", "dr"):
        for kind in ("normal", "bootstrap"):
            bounds = [getattr(report.estimates[name], kind) for report in reports]
            held = np.mean([low <= known() <= high for low, high in bounds])
            assert 0.8 <= held <= 0.98, (name, kind)


@given(st.floats(-0.2, 0.2), st.integers(0, 20))
@settings(max_examples=25, deadline=None)
def test_snips_moves_with_every_reward_and_no_further(shift: float, seed: int) -> None:
    one = logged(seed, n=60)
    rewards = 0.2 + 0.6 * one.reward  # room on both sides
    both = [
        Choices.of(
            reward=(rewards + by).tolist(),
            propensity=one.propensity.tolist(),
            target=one.target.tolist(),
            units=one.unit.tolist(),
        )
        for by in (0.0, shift)
    ]
    plain, moved = (evaluate(choices, resamples=2).estimates["snips"] for choices in both)
    assert moved.value - plain.value == pytest.approx(shift, abs=1e-9)
    assert moved.error == pytest.approx(plain.error, abs=1e-9)


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(0.01, 1), st.floats(0, 1), st.integers(0, 5)),
        min_size=1,
        max_size=30,
    )
)
@example([(0.75, 1.0, 5e-324, 0)])
@settings(deadline=None)
def test_estimates_stay_where_rewards_are(rows: list[tuple[float, float, float, int]]) -> None:
    reward, propensity, target, units = (list(column) for column in zip(*rows, strict=True))
    choices = Choices.of(reward=reward, propensity=propensity, target=target, units=units)
    report = evaluate(choices, resamples=20)
    assert -1e-9 <= report.estimates["snips"].value <= max(reward) + 1e-9
    assert report.estimates["ips"].value >= 0
    assert report.estimates["dr"].value == pytest.approx(report.estimates["ips"].value)  # no q
    assert 0 <= report.diagnostics.effective <= len(rows) + 1e-6
    again = evaluate(choices, resamples=20)
    assert again == report or np.isnan(report.estimates["ips"].normal[0])


def test_the_logging_policy_itself_is_just_the_mean() -> None:
    one = logged(3)
    own = Choices.of(
        reward=one.reward.tolist(),
        propensity=one.propensity.tolist(),
        target=one.propensity.tolist(),
        units=one.unit.tolist(),
    )
    report = evaluate(own)
    assert report.estimates["ips"].value == pytest.approx(one.reward.mean())
    assert report.estimates["snips"].value == pytest.approx(one.reward.mean())
    assert report.diagnostics.effective == pytest.approx(len(one))
    assert report.diagnostics.weight_max == pytest.approx(1.0)


def test_clipping_says_what_it_costs() -> None:
    one = logged(5, exploration=0.05)
    plain, clipped = evaluate(one), evaluate(one, clip=5.0)
    assert plain.diagnostics.weight_max > 50
    assert 0 < clipped.diagnostics.clipped < 0.1
    bias = clipped.diagnostics.clip_bias
    for name in ("ips", "dr"):
        moved = clipped.estimates[name].value - plain.estimates[name].value
        assert moved == pytest.approx(bias[name])
    assert bias["ips"] < 0
    assert clipped.diagnostics.effective > plain.diagnostics.effective
    assert clipped.estimates["ips"].error < plain.estimates["ips"].error


def test_a_difference_over_the_same_people_is_surer_than_two_values() -> None:
    one = logged(7)
    target = np.clip(one.target * 0.95, 0, 1)
    other = Choices.of(
        reward=one.reward.tolist(),
        propensity=one.propensity.tolist(),
        target=target.tolist(),
        units=one.unit.tolist(),
    )
    gap = difference(one, other)["ips"]
    assert gap.value == pytest.approx(0.05 * evaluate(one).estimates["ips"].value)
    assert gap.error < 0.2 * evaluate(one).estimates["ips"].error
    assert gap.bootstrap[0] > 0
    with pytest.raises(ValueError, match="same choices"):
        difference(one, logged(7, n=10))


def test_one_person_tells_nothing_of_the_spread() -> None:
    choices = Choices.of(reward=[1, 0], propensity=[1, 1], target=[1, 1], units=["a", "a"])
    estimate = evaluate(choices).estimates["ips"]
    assert estimate.value == 0.5
    assert estimate.error == float("inf")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"reward": []}, "n > 0"),
        ({"reward": [2.0]}, "reward"),
        ({"propensity": [0.0]}, "propensity 0"),
        ({"target": [float("nan")]}, "target"),
        ({"units": []}, "n > 0"),
        ({"expected": [float("inf")]}, "no number"),
    ],
)
def test_what_is_no_log_is_refused(wrong: dict[str, list[float]], says: str) -> None:
    right = {"reward": [1.0], "propensity": [0.5], "target": [0.5], "units": ["a"]}
    with pytest.raises(ValueError, match=says):
        Choices.of(**{**right, **wrong})  # type: ignore[arg-type]
    choices = Choices.of(**right)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="clip"):
        evaluate(choices, clip=0)
    with pytest.raises(ValueError, match="confidence"):
        evaluate(choices, confidence=1)
