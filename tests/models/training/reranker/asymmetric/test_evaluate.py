"""The measures of a reranker, and which heads make P(upvote)."""

from __future__ import annotations

import pytest
import torch

from models.training.reranker.asymmetric.evaluate import (
    Scored,
    auc,
    balanced,
    choose_upvote,
    expected_calibration_error,
    platt,
    selection_measures,
    unit_auc,
    within_group_accuracy,
)


def test_auc_counts_pairs() -> None:
    scores, labels = [0.1, 0.4, 0.35, 0.8, 0.4], [0.0, 0.0, 1.0, 1.0, 1.0]
    pairs = [
        (s, t)
        for s, a in zip(scores, labels, strict=True)
        if a
        for t, b in zip(scores, labels, strict=True)
        if not b
    ]
    expected = sum((s > t) + 0.5 * (s == t) for s, t in pairs) / len(pairs)
    assert auc(scores, labels) == pytest.approx(expected)
    assert auc([1.0, 2.0], [1.0, 1.0]) != auc([1.0, 2.0], [1.0, 1.0]), "NaN with one class"


def test_platt_finds_the_probabilities() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6000, generator=generator) * 3
    labels = (torch.rand(6000, generator=generator) < torch.sigmoid(0.5 * logits + 1)).float()
    scale, shift = platt(logits, labels, torch.ones(6000))
    assert scale == pytest.approx(0.5, abs=0.05)
    assert shift == pytest.approx(1.0, abs=0.1)
    calibrated = torch.sigmoid(logits * scale + shift)
    even = torch.ones(6000)
    assert expected_calibration_error(calibrated, labels, even) < 0.03
    assert expected_calibration_error(torch.sigmoid(logits), labels, even) > 0.05
    weights = balanced(labels)
    assert float(weights[labels > 0.5].sum()) == pytest.approx(float(weights[labels < 0.5].sum()))


def test_recall_within_lists() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.0], [1.0, 2.0, 0.0]])
    assert selection_measures(logits) == {"recall_at_1": 0.5, "auc": 0.75, "lists": 2}


def test_units_and_groups() -> None:
    scored = Scored(torch.zeros(4, 1), torch.tensor([1.0, 1.0, 0.0, 0.0]), ("a", "a", "b", "b"))
    assert unit_auc(torch.tensor([0.0, 3.0, 1.0, 1.0]), scored) == 1.0
    mixed = Scored(torch.zeros(4, 1), torch.tensor([1.0, 0.0, 1.0, 0.0]), ("a", "a", "b", "b"))
    assert within_group_accuracy(torch.tensor([1.0, 0.0, 0.0, 1.0]), mixed) == 0.5


def test_a_head_joins_the_upvote_only_if_it_agrees() -> None:
    truth = Scored(torch.zeros(40, 1), (torch.arange(40) >= 20).float(), tuple(map(str, range(40))))
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(40, generator=generator)
    useful = noise * 0.3 + truth.labels * 2
    weights, tried = choose_upvote(
        {"selection": noise, "liking": useful}, truth, ["selection", "liking"]
    )
    assert weights["liking"] > 0
    assert tried["selection"] < 0.7
    plain, _ = choose_upvote(
        {"selection": useful, "liking": -noise}, truth, ["selection", "liking"]
    )
    assert plain == {"selection": 1.0}
