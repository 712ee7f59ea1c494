"""The fit finds what tells texts apart, folds leave texts out, thresholds keep their promise."""

from __future__ import annotations

import numpy as np
import pytest

from models.ngrams import Ngrams
from models.training.text_reader.fit import Examples, fit, left_out, rows_of, threshold

NGRAMS = Ngrams(bits=12)
WHEN = ["now", "today", "again", "early", "late", "loud", "low"] * 3
ONES = [f"the kettle sings {word}" for word in WHEN]
OTHERS = [f"the garden sleeps {word}" for word in WHEN]


@pytest.fixture(scope="module")
def examples() -> Examples:
    texts = [*ONES, *OTHERS]
    rows = rows_of(NGRAMS, [(text, None) for text in texts])
    labels = np.array([1.0] * len(ONES) + [0.0] * len(OTHERS))
    return Examples(rows, labels, np.ones(len(texts)), np.arange(len(texts)))


def test_a_fit_tells_the_texts_apart_and_is_the_same_again(examples: Examples) -> None:
    beta, bias = fit(examples, 0.1)
    logits = examples.rows @ beta + bias
    assert logits[: len(ONES)].min() > 0 > logits[len(ONES) :].max()
    again, bias_again = fit(examples, 0.1)
    assert np.array_equal(beta, again)
    assert bias == bias_again


def test_a_stronger_prior_keeps_weights_smaller(examples: Examples) -> None:
    loose, _ = fit(examples, 0.01)
    firm, _ = fit(examples, 10.0)
    assert np.abs(firm).sum() < np.abs(loose).sum() / 2


def test_texts_of_one_group_are_left_out_together(examples: Examples) -> None:
    grouped = Examples(
        examples.rows, examples.labels, examples.weights, np.arange(len(examples.labels)) // 3
    )
    folds = grouped.folds()
    for group in np.unique(grouped.groups):
        assert len(set(folds[grouped.groups == group])) == 1
    assert len(set(folds)) > 1


def test_left_out_texts_are_judged_by_the_others(examples: Examples) -> None:
    logits = left_out(examples, 0.1)
    assert (logits[: len(ONES)] > 0).mean() > 0.9
    assert (logits[len(ONES) :] < 0).mean() > 0.9
    beta, bias = fit(examples, 0.1)
    assert not np.allclose(logits, examples.rows @ beta + bias)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1])
def test_a_threshold_lets_at_most_its_share_of_harmless_texts_alarm(share: float) -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(size=1_000)
    harmless = np.arange(1_000) < 600
    limit = threshold(logits, harmless, share)
    alarms = (logits[harmless] > limit).sum()
    assert alarms <= share * 600
    assert alarms >= share * 600 - 1, "and no fewer than it may"


def test_no_harmless_text_sets_no_limit() -> None:
    assert threshold(np.ones(3), np.zeros(3, dtype=bool), 0.01) == float("-inf")
