"""What is left of a message (faults, row 36)."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.text import normalised


@pytest.mark.faults(36)
@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("  hello  ", "hello"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\n\n\n\n\nb", "a\n\nb"),
        ("tab\there", "tab\there"),
        ("e\u0301", "é"),
        ("bell\x07 del\x7f c1\x9b", "bell del c1"),
        ("abc\u202edef\u202c", "abcdef"),
        ("\u2066isolate\u2069", "isolate"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("word\u2060joiner\u00adhyphen", "wordjoinerhyphen"),
        ("hid\U000e0068\U000e0069den", "hidden"),
        ("\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", None),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", None),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", None),
        ("\u2764\ufe0f", None),
        ("\u0301alone", "alone"),
        ("a \u0301b", "a b"),
        ("z" + "\u0300\u0301\u0302\u0303\u0304\u0305" * 5, None),
        ("\u200d\u200c", ""),
        (" \u3000\n", ""),
        ("private \ue000 use", "private  use"),
        ("\U0001fae8 newer than this Python", None),
        ("<|endoftext|> [SEP] <script>", None),
    ],
)
def test_row_36(given_: str, kept: str | None) -> None:
    text = normalised(given_)
    if kept is not None:
        assert text == kept
    elif "\u0300" in given_:
        assert sum(unicodedata.category(c) == "Mn" for c in text) <= 4
    else:
        assert text == given_


@pytest.mark.faults(38)
@given(st.text(max_size=60))
def test_it_is_stable_and_hides_nothing(text: str) -> None:
    once = normalised(text)
    assert normalised(once) == once
    assert once == once.strip(" \n\t")
    assert not any(unicodedata.category(c) in {"Cc", "Cs", "Co"} for c in once if c not in "\n\t")
    assert unicodedata.is_normalized("NFC", once)


@pytest.mark.faults(25)
@pytest.mark.parametrize("between", [" ", "\u3000", "\u200d\u00a0", " \u0301", "\n", "\u2028"])
def test_long_runs_of_white_space_hold_nobody_up(between: str) -> None:
    text = "é" + (between * 20_000)[:20_000] + "x"
    begun = time.process_time()
    normalised(text)
    assert time.process_time() - begun < 0.5  # four seconds, where each place begins a search


@pytest.mark.faults(25)
@pytest.mark.parametrize("marks", ["\u0f73", "\u0301\u0316", "\u0344", "\u05ae\u0f71"])
def test_long_runs_of_marks_hold_nobody_up(marks: str) -> None:
    text = "a" + (marks * 20_000)[:20_000] + "b"
    begun = time.process_time()
    assert 2 < len(normalised(text)) < 10
    assert time.process_time() - begun < 0.2  # a second, where a run of them is put in order
