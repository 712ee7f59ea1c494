"""data/safety/README.md counts what is in the sets; no line of them is shown here."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from scripts.safety import sets

FOLDER = Path(__file__).parents[3] / "data" / "safety"
_SECTION = re.compile(r"^## `(\w+)\.jsonl`$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
PAGE = dict(_SECTION.findall((FOLDER / "README.md").read_text(encoding="utf-8")))


def counted(section: str) -> Counter[tuple[str, str]]:
    """Lines by (label, kind), from tables of one label each or from one with a column for it."""
    found: Counter[tuple[str, str]] = Counter()
    label = ""
    for line in section.splitlines():
        cells = re.findall(r"`(\w+)`(?= \|)", line)
        number = re.search(r"\| (\d+) \|", line)
        if cells and number is None:
            label = cells[0]  # the head of a table
        elif len(cells) == 2 and number is not None:
            found[cells[0], cells[1]] += int(number[1])
        elif len(cells) == 1 and number is not None:
            found[label, cells[0]] += int(number[1])
    return found


def totals(section: str) -> list[int]:
    """What the tables give as their sums."""
    return [int(number) for number in re.findall(r"\*\*all\*\* \| \*\*(\d+)\*\*", section)]


@pytest.mark.parametrize("name", list(sets.SETS))
def test_the_page_counts_the_lines_of_a_set(name: str) -> None:
    texts = sets.load(FOLDER, name)
    assert texts is not None
    assert counted(PAGE[name]) == Counter((text.label, text.kind) for text in texts)
    assert sum(totals(PAGE[name])) == len(texts)
    for part in ("How it was labelled", "What it can show"):
        assert part in PAGE[name]
