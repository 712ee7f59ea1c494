"""Ranks, intervals and the judgement on a trained encoder, on vectors that are known."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from models.training.encoder.measure import (
    Ranking,
    differences,
    intervals,
    rankings,
    report,
    worse,
)
from models.training.encoder.pairs import OWN_HELD_OUT_PERCENT, Pair, forms
from models.training.judgements import Exchange, is_held_out


class Embedder:
    """A text that names number n lies near axis n; `noise` blurs it."""

    def __init__(self, noise: float) -> None:
        self.noise = noise

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = []
        for text in texts:
            rng = np.random.default_rng(zlib.crc32(text.encode()))
            row = self.noise * rng.normal(size=40)
            row[int(text.split()[-1])] += 1.0
            rows.append(row / np.linalg.norm(row))
        return np.array(rows, dtype=np.float32)


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    return [
        Pair("s", f"d{n // 4}", f"t{n % 2}", (f"so {n}", f"a {n}"), f"b {n}") for n in range(40)
    ]


@pytest.fixture(scope="module")
def bank() -> list[Exchange]:
    return [
        Exchange("own_bank", f"e{n}", "t", (f"x {n}", f"y {n}"), (f"z {n}",)) for n in range(40)
    ]


def test_a_perfect_encoder_ranks_first_everywhere(pairs: list[Pair], bank: list[Exchange]) -> None:
    found = rankings(Embedder(0.0), pairs, bank, same_topic=9)
    assert set(found) == {"response", "response_long", "same_topic", "bank"}
    for ranking in found.values():
        assert (ranking.ranks == 1.0).all()
        assert intervals(ranking)["recall@1"].to_json() == [1.0, 1.0, 1.0]
    assert [found[name].among for name in ("response", "same_topic", "bank")] == [40, 10, 40]
    held = sum(is_held_out(entry.name, OWN_HELD_OUT_PERCENT) for entry in bank)
    assert len(found["bank"].ranks) == 2 * held
    assert found["bank"].usual == pytest.approx(1.0, abs=1e-6)


def test_entries_that_were_learned_are_not_asked_for(bank: list[Exchange]) -> None:
    held = [entry for entry in bank if is_held_out(entry.name, OWN_HELD_OUT_PERCENT)]
    assert len(held) > 1
    learned = forms([held[0].replies[0].upper()])
    found = rankings(Embedder(0.0), [], bank, learned=learned)["bank"]
    assert set(found.units) == {entry.name for entry in held[1:]}
    assert found.among == len(bank)
    everything = forms(text for entry in bank for text in entry.contexts)
    assert rankings(Embedder(0.0), [], bank, learned=everything) == {}


def test_what_scores_alike_shares_its_rank(pairs: list[Pair]) -> None:
    flat = lambda texts: np.ones((len(texts), 4), dtype=np.float32) / 2
    found = rankings(flat, pairs, [])
    assert (found["response"].ranks == 20.5).all()  # the middle of 40: nothing is won by a tie
    assert "bank" not in found


def test_intervals_are_by_conversation() -> None:
    """Forty queries of two conversations tell no more than two do."""
    ranks = np.array([1.0] * 20 + [50.0] * 20)
    few = Ranking(ranks, tuple(["a"] * 20 + ["b"] * 20), 100)
    many = Ranking(ranks, tuple(map(str, range(40))), 100)
    wide, narrow = (intervals(ranking)["recall@10"] for ranking in (few, many))
    assert wide.value == narrow.value == 0.5
    assert wide.high - wide.low == pytest.approx(1.0)
    assert 0.2 < narrow.high - narrow.low < 0.4


def test_better_is_kept_and_worse_is_named(pairs: list[Pair], bank: list[Exchange]) -> None:
    blurred = rankings(Embedder(0.6), pairs, bank, same_topic=9)
    sharp = rankings(Embedder(0.1), pairs, bank, same_topic=9)
    assert worse(blurred, sharp) == []
    reasons = worse(sharp, blurred)
    assert "recall@10 of response" in reasons[0]
    gain = differences(blurred["response"], sharp["response"])["mrr"]
    assert gain.low > 0.0
    document, lines = report(blurred, sharp)
    assert document["response"]["mrr"]["difference"][0] == round(gain.value, 4)
    assert document["bank"]["usual_hit"][1] == round(sharp["bank"].usual or 0.0, 4)
    assert any(line.startswith("bank") and "recall@10" in line for line in lines)
    assert worse(sharp, sharp) != []  # no gain at all is no reason to change what serves
