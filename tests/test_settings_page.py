"""docs/settings.md and app/settings.py are one: every setting, its default, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from app.settings import Settings

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "settings.md"
_ROW = re.compile(r"^\| `([A-Z_]+)` \| (.+?) \| (.+?) \|$", re.MULTILINE)
ROWS = {name: (default, what) for name, default, what in _ROW.findall(PAGE.read_text("utf-8"))}
FIELDS = {
    str(field.validation_alias or f"KINDRED_{name.upper()}"): field
    for name, field in Settings.model_fields.items()
}


def told(field: FieldInfo) -> str | None:
    """A default as the page writes it; None where it says in words what an empty one means."""
    default = field.default
    if default in ("", None):
        return None
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


def test_every_setting_is_on_the_page_and_no_other() -> None:
    names = [name for name, _, _ in _ROW.findall(PAGE.read_text("utf-8"))]
    assert names == list(FIELDS)  # in the order of the file, each once


@pytest.mark.parametrize("name", list(FIELDS))
def test_its_default_is_the_one_of_the_code(name: str) -> None:
    default, what = ROWS[name]
    wanted = told(FIELDS[name])
    assert wanted in (None, default.strip("`"))
    assert what


@pytest.mark.parametrize(
    "page",
    ["README.md", *sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("docs/**/*.md"))],
)
def test_no_page_names_a_setting_that_is_not_there(page: str) -> None:
    found = set(re.findall(r"\bKINDRED_[A-Z_]*[A-Z]\b", (ROOT / page).read_text("utf-8")))
    assert found - set(FIELDS) == set()
