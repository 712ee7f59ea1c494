"""SECURITY.md: all ten risks, each with tests that are there, and no place that is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
ROWS = {
    f"API{match[1]}": [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if (match := re.match(r"\| \*\*API(\d+)\*\* ", line))
}
_PLACE = re.compile(r"`((?:app|models|retrieval|scripts|tests|deploy|docs|locks)/[\w./-]*)`")


def test_all_ten_risks_of_2023_have_a_row() -> None:
    assert list(ROWS) == [f"API{number}" for number in range(1, 11)]


@pytest.mark.parametrize("name", list(ROWS))
def test_a_row_says_what_is_done_where_it_is_proven_and_what_remains(name: str) -> None:
    risk, done, proven, remains = ROWS[name]
    assert all(len(cell.split()) >= 3 for cell in (risk, done, remains))
    tests = _PLACE.findall(proven)
    assert tests
    for test in tests:
        files = (
            sorted((ROOT / test).rglob("test_*.py")) if (ROOT / test).is_dir() else [ROOT / test]
        )
        assert files, test
        assert all("def test_" in file.read_text(encoding="utf-8") for file in files), test


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/runbook.md"])
def test_every_place_that_a_page_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    places = {*_PLACE.findall(text), *re.findall(r"\b(docs/[\w-]+\.md)\b", text)}
    assert places
    assert not sorted(place for place in places if not (ROOT / place).exists())


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/runbook.md"])
def test_every_setting_that_a_page_names_is_there(page: str) -> None:
    from app.settings import Settings

    named = set(re.findall(r"\bKINDRED_([A-Z_]+[A-Z])\b", (ROOT / page).read_text("utf-8")))
    known = {field.upper() for field in Settings.model_fields}
    assert named
    assert not named - known
