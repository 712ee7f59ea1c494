"""Slips of the finger in the rules' own words are mended; everyday words stay."""

from __future__ import annotations

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
