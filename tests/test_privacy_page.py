"""docs/privacy.md and the names of app/store/keys.py are one: the map has every key of Redis."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from app.settings import Settings
from app.store import keys
from app.store.tallies import Tallies

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
MAP = PAGE.partition("## What is kept")[2].partition("## Rights")[0]
ROWS = [line for line in MAP.splitlines() if line.startswith("| ")][1:]
# What follows the hash tag, in the names that keys.py writes: `…}}:turns:{…}`, `{self._tag}turns:`.
_NAMES = re.compile(r"(?:\}\}:|_tag\}|\{SAFETY\})(\w+)")
SHARED = {"flags", "meta", "safety", "access"}  # tags of keys that are no person's


def kinds() -> set[str]:
    """Every kind of key that is written anywhere, as the map would name it."""
    source = inspect.getsource(keys)
    found = set(_NAMES.findall(source))
    meta = {f"meta:{name}" for name in re.findall(r"\{\{meta\}\}:(\w+)", source)}
    flags = {"definitions", "states", "version"}
    return (found - flags - {name[5:] for name in meta}) | meta | {"flags", "safety"}


def test_the_kinds_are_found() -> None:
    assert kinds() >= {"turns", "person", "impression", "idempotency", "events", "meta:judges"}
    assert "writer:" in inspect.getsource(Tallies)


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_every_key_of_redis_is_in_the_map(kind: str) -> None:
    assert re.search(rf"`{kind}(?::[*\w:]+)?`", MAP), f"{kind} is in no row"


@pytest.mark.parametrize("row", ROWS)
def test_a_row_says_where_under_which_key_how_long_for_whom_and_how_it_ends(row: str) -> None:
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert len(cells) == 6
    assert all(cells)


def test_every_bound_that_the_map_names_is_a_setting() -> None:
    named = set(re.findall(r"`(?:KINDRED_)?([A-Z]+(?:_[A-Z]+)*_(?:DAYS|MAX|HOURS))`", PAGE))
    assert {"RETENTION_DAYS", "TURNS_MAX", "IDEMPOTENCY_HOURS"} <= named
    assert not named - {name.upper() for name in Settings.model_fields}


def test_an_address_that_redis_is_told_of_is_told_as_a_keyed_hash() -> None:
    """`tests/app/web/test_limits.py` looks into Redis; here it is what the map says."""
    (row,) = [row for row in ROWS if "`LIMITS:*`" in row]
    where, sealed = (cell.strip() for cell in row.strip("|").split("|")[1:3])
    assert where.startswith("memory; Redis")
    assert "in Redis a keyed hash" in sealed
