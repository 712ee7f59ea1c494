"""A text becomes buckets: the same ones everywhere, each part of length one, whatever it holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ngrams import CHARACTERS_MAX, Ngrams, fold

NGRAMS = Ngrams(bits=12)
FIRST = [59809, 16712, 51115]  # weights on disk mean these numbers, whatever numpy does


def buckets(text: str, words: str | None = None) -> list[int]:
    return sorted(NGRAMS.of(text, words)[0].tolist())


def test_the_same_text_has_the_same_buckets_in_every_process() -> None:
    assert Ngrams(bits=16).of("so it goes")[0][:3].tolist() == FIRST
    assert buckets("so it goes") == buckets("so it goes")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Help ME", "help me"),
        ("helpppp me", "helpp me"),
        ("help   me\n", "help me"),
        ("h\u00e9lp me", "help me"),
        ("\uff48\uff45lp me", "help me"),
    ],
)
def test_spellings_that_look_alike_are_one(one: str, other: str) -> None:
    assert buckets(one) == buckets(other)


def test_every_n_gram_is_there_once_a_place() -> None:
    ngrams = Ngrams(bits=12, words=2, least=2, most=3)
    ids, values = ngrams.of("abc def")
    characters = len(" abc def ")
    assert len(ids) == (characters - 1) + (characters - 2) + 2 + 1
    assert values[0] == pytest.approx(1 / (2 * characters - 3) ** 0.5)
    assert values[-1] == pytest.approx(3**-0.5)


def test_other_words_may_be_given_beside_the_letters() -> None:
    assert buckets("i wnat out", "i want out") != buckets("i wnat out")
    shared = set(buckets("i wnat out", "i want out")) & set(buckets("i want out"))
    assert len(shared) >= 6 + 1, "the words of both are the same"


def test_an_empty_text_has_none() -> None:
    for text in ("", "   ", "\u200d" * 0):
        ids, values = NGRAMS.of(text)
        assert ids.size == values.size == 0


@given(st.text(max_size=400))
def test_any_text_is_read(text: str) -> None:
    ids, values = NGRAMS.of(text)
    assert ids.shape == values.shape
    assert ((ids >= 0) & (ids < NGRAMS.buckets)).all()
    assert float(values @ values) <= 2.0001, "letters and words have length one each"


def test_what_is_too_long_is_not_read_to_its_end() -> None:
    ids, _ = NGRAMS.of("ab " * 100_000)
    assert ids.size <= 3 * CHARACTERS_MAX + 4 * CHARACTERS_MAX
    assert len(fold("\ufdfa" * CHARACTERS_MAX)) <= CHARACTERS_MAX, "one sign that stands for 18"


def test_buckets_are_filled_evenly() -> None:
    rng = np.random.default_rng(1)
    letters = rng.integers(97, 123, size=(400, 60))
    ids = np.concatenate([NGRAMS.of("".join(map(chr, row)))[0] for row in letters])
    counts = np.bincount(ids, minlength=NGRAMS.buckets)
    mean = ids.size / NGRAMS.buckets
    assert counts.min() > 0
    assert counts.max() < 2.5 * mean
