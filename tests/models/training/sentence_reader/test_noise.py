"""Noise changes letters and marks, never so much that nothing is left."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from models.training.sentence_reader.noise import fewer_words, plainer, slipped

LINE = "nobody would notice, if tomorrow came without anybody standing here"


def test_a_slip_changes_a_word_by_one_letter() -> None:
    words = LINE.split(" ")
    for seed in range(40):
        told = slipped(LINE, random.Random(seed), 1.0).split(" ")
        assert len(told) == len(words)
        for before, after in zip(words, told, strict=True):
            assert abs(len(before) - len(after)) <= 1
            assert before[0] == after[0]
    assert slipped(LINE, random.Random(1), 0.0) == LINE


def test_the_same_seed_makes_the_same_slips() -> None:
    assert slipped(LINE, random.Random(3), 0.5) == slipped(LINE, random.Random(3), 0.5)


def test_a_short_text_keeps_its_words() -> None:
    assert fewer_words("I am not well", random.Random(1), 0.9) == "I am not well"
    fewer = fewer_words(LINE, random.Random(1), 0.5).split()
    assert 0 < len(fewer) < len(LINE.split())


@given(st.text(min_size=1, max_size=200), st.integers(0, 9))
def test_any_text_can_be_changed(text: str, seed: int) -> None:
    chance = random.Random(seed)
    slipped(text, chance, 1.0)
    assert sum(map(str.isalnum, plainer(text, chance))) == sum(map(str.isalnum, text))
    assert fewer_words(text, chance, 1.0)
