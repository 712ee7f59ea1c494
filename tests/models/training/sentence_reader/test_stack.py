"""The stack finds which side can be believed, and keeps to the alarms that it is allowed."""

from __future__ import annotations

import numpy as np
import pytest

from models.training.sentence_reader.stack import fit_stack

NAMES = ("rules", "sentence")


def evidence(seed: int = 5, n: int = 4_000) -> tuple[np.ndarray, np.ndarray]:
    """A rule that knows nothing, and a logit that knows much."""
    chance = np.random.default_rng(seed)
    labels = chance.random(n) < 0.5
    rule = (chance.random(n) < 0.3).astype(float)
    return np.stack([rule, chance.normal(np.where(labels, 2.0, -2.0), 1.5)], 1), labels


def test_what_says_nothing_weighs_nothing() -> None:
    sides, labels = evidence()
    weights = fit_stack(sides, labels, ~labels, 0.01, NAMES)
    assert set(weights) == {*NAMES, "bias"}
    assert 0.0 <= weights["rules"] < 0.25
    assert weights["sentence"] > 0.8


def test_evidence_against_weighs_nothing_either() -> None:
    sides, labels = evidence()
    sides[:, 0] = np.where(labels, 0.0, 1.0)
    assert fit_stack(sides, labels, ~labels, 0.01, NAMES)["rules"] == 0.0


@pytest.mark.parametrize("share", [0.0, 0.01, 0.05])
def test_so_many_harmless_texts_alarm_and_no_more(share: float) -> None:
    sides, labels = evidence()
    weights = fit_stack(sides, labels, ~labels, share, NAMES)
    logits = sides @ [weights[name] for name in NAMES] + weights["bias"]
    alarms = (logits > 0)[~labels].mean()
    assert share - 0.001 <= alarms <= share
    assert (logits > 0)[labels].mean() > (0.1 if share == 0.0 else 0.5)
