"""The scorers that hardly look: they learn what a candidate alone can tell, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.training.examples import Example
from models.training.reranker.comparison.floor import (
    BigramNaiveBayes,
    EncoderCosine,
    ResponseLength,
    bigrams,
    text_key,
)


def example(response: str, label: float = 1.0, asked: str = "how are you?") -> Example:
    return Example("accentor", "accentor", (asked,), response, label)


GOOD = [example(f"thank you so much {i}") for i in range(5)]
BAD = [example(f"much so you thank {i}", 0.0) for i in range(5)]


def test_bigrams_know_the_order_of_words_and_both_ends() -> None:
    assert bigrams("Hi, you") == ["hi", ",", "you", "^ hi", "hi ,", ", you", "you $"]
    assert bigrams("") == ["^ $"]


def test_the_same_words_in_another_order_are_told_apart() -> None:
    floor = BigramNaiveBayes("accentor").fit([*GOOD, *BAD])
    good, bad = floor.score([example("thank you so much"), example("much so you thank")])[:, 0]
    assert good > 0.9
    assert bad < 0.1
    assert floor.heads == ("accentor",)
    assert floor.parameters > 10


def test_the_context_does_not_matter_and_unknown_words_say_nothing() -> None:
    floor = BigramNaiveBayes("accentor").fit([*GOOD, *BAD, *BAD])
    scores = floor.score([GOOD[0], replace(GOOD[0], context=("go away",)), example("zebra")])
    assert scores.shape == (3, 1)
    assert scores.dtype == np.float32
    assert scores[0, 0] == scores[1, 0]
    assert scores[2, 0] == pytest.approx(1 / 3), "the prior: a third of what it saw was good"


def test_it_is_less_sure_where_it_was_often_wrong() -> None:
    floor = BigramNaiveBayes("accentor").fit([*GOOD, *BAD])
    before = floor.score([GOOD[0], BAD[0]])[:, 0]
    wrong_half = [*GOOD, *(replace(e, label=0.0) for e in GOOD[:2]), *BAD]
    after = floor.calibrate(wrong_half).score([GOOD[0], BAD[0]])[:, 0]
    assert 0.5 < after[0] < before[0]
    assert before[1] < after[1] < 0.5
    assert floor.score([]).shape == (0, 1)


def test_a_word_said_twice_counts_once() -> None:
    floor = BigramNaiveBayes("accentor").fit([*GOOD, *BAD])
    twice, often = floor.score([example("thank you so " * n) for n in (2, 5)])[:, 0]
    assert twice == often


def test_other_heads_are_passed_over_and_both_classes_needed() -> None:
    stranger = replace(GOOD[0], head="offensive", response="zebra zebra")
    floor = BigramNaiveBayes("accentor").fit([*GOOD, *BAD, stranger])
    assert floor.score([example("zebra")])[0, 0] == pytest.approx(0.5)
    with pytest.raises(ValueError, match="both classes"):
        BigramNaiveBayes("accentor").fit(GOOD)


def test_longer_is_better_without_end() -> None:
    short, long, longest = (example("word " * n) for n in (2, 50, 400))
    scores = ResponseLength(("selection", "upvote")).score([short, long, longest])
    assert scores.shape == (3, 2)
    assert scores[0, 0] < scores[1, 0] < scores[2, 0] < 1.0


class Letters:
    """Unit vectors of letter counts; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str], batch_size: int = 64) -> NDArray[np.float32]:
        self.asked += texts
        counts = np.array([[text.count(c) + 0.01 for c in "abc"] for text in texts])
        return (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)


def test_cosine_looks_at_the_last_turn_and_encodes_a_text_once() -> None:
    encoder = Letters()
    rows = [
        Example("s", "selection", ("ccc", "aaa"), text, 0.0) for text in ("aa", "bb", "aaa", "aa")
    ]
    scores = EncoderCosine(encoder, ("selection",), 7).score(rows)[:, 0]
    assert scores[0] == pytest.approx(1.0, abs=1e-3)
    assert scores[0] == scores[3]
    assert scores[1] < 0.6
    assert sorted(encoder.asked) == ["aa", "aaa", "bb"]
    assert EncoderCosine(encoder, ("selection",)).score([]).shape == (0, 1)


def test_one_text_in_several_spellings() -> None:
    assert text_key("I’m  fine\u200b") == text_key("i'm fine")
    assert text_key("fine") != text_key("fine!")
