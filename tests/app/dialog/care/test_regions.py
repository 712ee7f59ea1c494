"""Where help is found follows the country that a client names; a language alone names none."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.dialog.care import texts
from app.dialog.care.regions import REGIONS, region_of
from app.dialog.care.texts import Kind


@pytest.mark.parametrize(
    ("locale", "header", "region"),
    [
        ("en-GB", None, "GB"),
        ("en_US", None, "US"),
        ("en-UK", None, "GB"),
        ("zh-Hant-TW", None, "TW"),
        ("de-AT-1996", None, "AT"),
        ("de", "fr-FR", ""),  # what the client says itself goes first, though it names none
        (None, "fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", "CH"),
        (None, "en, en-NZ;q=0.4, en-AU;q=0.9", "AU"),
        (None, "es-419, es;q=0.9", ""),
        (None, "xx-ZZ, ga-IE;q=0.3", "IE"),
        (None, "en-US;q=0, en-CA;q=0.1", "CA"),
        (None, "en-GB;q=much", "GB"),
        ("", "", ""),
        (None, None, ""),
        ("nonsense", None, ""),
        ("en-" + "X" * 40, None, ""),
    ],
)
def test_the_country_of_a_client(locale: str | None, header: str | None, region: str) -> None:
    assert region_of(locale, header) == region


@settings(deadline=None)
@given(st.text(max_size=300), st.text(max_size=300))
def test_no_header_breaks_it(locale: str, header: str) -> None:
    assert region_of(locale, header) in {"", *REGIONS}


def test_the_table_is_wide_and_its_numbers_are_numbers() -> None:
    with_lines = [code for code, region in REGIONS.items() if region.lines]
    assert len(with_lines) >= 25
    assert len(REGIONS) >= 50
    for code, region in REGIONS.items():
        assert re.fullmatch(r"[A-Z]{2}", code)
        assert re.fullmatch(r"\d{2,4}( or \d{2,4})?", region.emergency), code
        for clause in filter(None, (region.lines, region.young)):
            assert re.search(r"\d", clause), code
            assert not clause.endswith("."), code


def test_the_numbers_that_everybody_can_check() -> None:
    known = {
        "US": "988",
        "CA": "988",
        "GB": "116 123",
        "IE": "116 123",
        "AU": "13 11 14",
        "NZ": "1737",
        "FR": "3114",
        "DE": "0800 111 0 111",
    }
    for code, number in known.items():
        assert number in texts.first(Kind.SELF, code)


@pytest.mark.parametrize("region", ["", *REGIONS])
@pytest.mark.parametrize("young", [False, True])
def test_every_text_says_where_help_is(region: str, young: bool) -> None:
    every = [texts.follow_up(region, young=young)]
    for kind in Kind:
        first = texts.first(kind, region, young=young)
        assert first.startswith(texts.opening(kind))
        assert "I'm an AI" in first
        answers = [first, *texts.again(kind, region, young=young)]
        assert len(set(answers)) == len(answers)
        for text in answers:
            assert text.endswith("?"), "a question keeps the person talking"
        every += answers
    for text in every:
        assert "local emergency number" in text
        assert "findahelpline.com" in text
        assert not text.startswith(("Please call", "I'm an AI")), "care comes first"
        assert "{" not in text
        assert "  " not in text
        if region:
            assert REGIONS[region].emergency in text
            assert REGIONS[region].lines in text
        else:
            assert "988" in text
            assert "116 123" in text
        assert ("an adult you trust" in text) is young


def test_young_people_hear_of_their_own_lines() -> None:
    assert "0800 1111" in texts.first(Kind.SELF, "GB", young=True)
    assert "0800 1111" not in texts.first(Kind.SELF, "GB")
    assert "0800 1111" in texts.boundary_for_young("GB")
    assert "isn't your fault" in texts.boundary_for_young()
