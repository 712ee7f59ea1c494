"""Measures against their definitions, written out; intervals against what resampling must do."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.reranker import measures as m

ROWS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0]), st.sampled_from([0.0, 1.0])),
    min_size=1,
    max_size=12,
)


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_auc_counts_pairs(rows: list[tuple[float, float]]) -> None:
    good = [s for s, label in rows if label > 0.5]
    bad = [s for s, label in rows if label <= 0.5]
    found = m.auc([s for s, _ in rows], [label for _, label in rows])
    if not good or not bad:
        assert math.isnan(found)
        return
    wins = [(g > b) + 0.5 * (g == b) for g, b in itertools.product(good, bad)]
    assert found == pytest.approx(sum(wins) / len(wins))


@given(ROWS, st.lists(st.integers(0, 3), min_size=12, max_size=12))
@settings(max_examples=60, deadline=None)
def test_weights_are_repetitions(rows: list[tuple[float, float]], times: list[int]) -> None:
    """What a resample weighs is what it would have been with the rows written out."""
    times = times[: len(rows)]
    repeated = [row for row, n in zip(rows, times, strict=True) for _ in range(n)]
    weights = np.array(times, dtype=float)
    scores, labels = [s for s, _ in rows], [label for _, label in rows]
    for statistic in (m.auc_of, m.accuracy_of, m.brier_of, m.calibration_error_of):
        found = statistic(scores, labels)(weights)
        if not repeated:
            assert math.isnan(found)
            continue
        other = statistic([s for s, _ in repeated], [label for _, label in repeated])
        wanted = other(np.ones(len(repeated)))
        assert found == pytest.approx(wanted, nan_ok=True)


def test_pairs_compare_within_their_group_only() -> None:
    scores = [0.9, 0.1, 0.2, 0.8, 0.5, 0.5]
    labels = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    groups = ["won", "won", "lost", "lost", "tied", "tied"]
    assert m.pair_accuracy(scores, labels, groups) == pytest.approx(0.5)
    assert m.pair_accuracy(scores[:2], labels[:2], groups[:2]) == 1.0
    assert math.isnan(m.pair_accuracy(scores, labels, list("abcdef"))), "no pairs, no accuracy"


def test_more_than_two_labels_are_ordered() -> None:
    assert m.pair_accuracy([1, 2, 3], [0.0, 0.5, 1.0], "aaa") == 1.0
    assert m.pair_accuracy([2, 1, 3], [0.0, 0.5, 1.0], "aaa") == pytest.approx(2 / 3)


def test_recall_wants_the_true_one_first_and_alone() -> None:
    labels = [1.0, 0.0, 0.0] * 3
    scores = [0.9, 0.1, 0.1, 0.1, 0.9, 0.1, 0.5, 0.5, 0.1]
    lists = ["first"] * 3 + ["second"] * 3 + ["tied"] * 3
    assert m.recall_at_1_of(scores, labels, lists)(np.ones(9)) == pytest.approx(1 / 3)


def test_units_are_judged_by_their_mean() -> None:
    scores = [0.9, 0.1, 0.4, 0.4]
    units, labels = ["a", "a", "b", "b"], [1.0, 1.0, 0.0, 0.0]
    assert m.unit_auc(scores, labels, units) == 1.0
    assert m.auc(scores, labels) == 0.5


def test_calibration_error_of_a_known_gap() -> None:
    labels = [1.0, 0.0, 0.0, 0.0] * 25
    assert m.calibration_error_of([0.25] * 100, labels)(np.ones(100)) == pytest.approx(0.0)
    assert m.calibration_error_of([0.75] * 100, labels)(np.ones(100)) == pytest.approx(0.5)
    assert m.brier_of([0.25] * 100, labels)(np.ones(100)) == pytest.approx(0.1875)
    heavy = [4.0 if label else 1.0 for label in labels]
    assert m.expected_calibration_error([0.5] * 100, labels, heavy) == pytest.approx(1 / 14)


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = random.Random(1)
    held = 0
    for trial in range(100):
        values = [float(rng.random() < 0.6) for _ in range(80)]
        found = m.interval(
            m.accuracy_of(values, [1.0] * 80), list(range(80)), resamples=200, seed=trial
        )
        assert found.low <= found.value <= found.high
        held += found.low <= 0.6 <= found.high
    assert held >= 85, f"95 % intervals held the truth {held} times of 100"


def test_rows_of_one_cluster_are_not_drawn_apart() -> None:
    """Ten copies of a row are one observation: the interval must not shrink by them."""
    labels = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    once = m.interval(m.accuracy_of(labels, [1.0] * 8), list(range(8)))
    copies = [label for label in labels for _ in range(10)]
    clusters = [i for i in range(8) for _ in range(10)]
    ten = m.interval(m.accuracy_of(copies, [1.0] * 80), clusters)
    apart = m.interval(m.accuracy_of(copies, [1.0] * 80), list(range(80)))
    assert ten == pytest.approx(once)
    assert apart.high - apart.low < 0.5 * (ten.high - ten.low)


def test_one_cluster_has_no_interval_and_resampling_is_repeatable() -> None:
    alone = m.interval(m.accuracy_of([1.0, 0.0], [1.0, 1.0]), ["same", "same"])
    assert alone.value == 0.5
    assert math.isnan(alone.low)
    assert math.isnan(alone.high)
    statistic = m.auc_of([0.1, 0.4, 0.3, 0.9], [0.0, 1.0, 0.0, 1.0])
    assert m.interval(statistic, "abcd") == m.interval(statistic, "abcd")
