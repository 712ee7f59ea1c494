"""Slips of the finger in the rules' own words are mended; everyday words stay."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dialog.safety.spelling import mended
from app.dialog.safety.words import normalise


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("anymroe", "anymore"),
        ("alvie", "alive"),
        ("disapear", "disappear"),
        ("thnking", "thinking"),
        ("worthles", "worthless"),
        ("overdoose", "overdose"),
        ("hurrt", "hurt"),
        ("jmp", "jump"),
    ],
)
def test_a_slip_is_mended(typed: str, meant: str) -> None:
    assert mended(typed) == meant


@pytest.mark.parametrize(
    "word", ["alike", "bridle", "hunting", "homeless", "lead", "slide", "pants", "three", "kitten"]
)
def test_everyday_words_stay(word: str) -> None:
    assert mended(word) == word


@pytest.mark.parametrize(
    ("message", "plain"),
    [
        ("idont want to liev", " . i do not want to live . "),
        ("wannadie", " . want to die . "),
        ("h8 my lfie", " . hate my life . "),
    ],
)
def test_a_message_is_read_in_its_right_spelling(message: str, plain: str) -> None:
    assert normalise(message) == plain


@given(st.text(alphabet=st.characters(min_codepoint=97, max_codepoint=122), max_size=40))
def test_mending_ends_and_mends_once(word: str) -> None:
    assert mended(mended(word)) == mended(word)


@pytest.mark.faults(25)
def test_a_word_of_thousands_of_letters_is_let_be() -> None:
    word = "kcal" * 5_000
    begun = time.process_time()
    assert mended(word) == word
    assert time.process_time() - begun < 0.05  # four hundred megabytes of letters otherwise


@pytest.mark.faults(25)
@pytest.mark.parametrize("one", ["\u3389", "\u33af", "\u2483", "\ufdfa", "\ufb03"])
def test_characters_that_stand_for_many_make_no_message_long(one: str) -> None:
    assert len(normalise(one * 2_000)) < 10_000
    assert "suicide" in normalise(f"{one * 3} \u24e2\u24e4i\u24d2ide")
