"""Nobody who is in a filter is denied, and few who are not are told that they may be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.checkpoint import load_manifest, verify, write_manifest
from models.people_filter import ERROR, filter_of, may_hold


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{i:030x}" for i in range(count)]


def test_who_is_in_it_is_found_and_few_others() -> None:
    known = filter_of(names("a", 2_000))
    assert known is not None
    assert known["people"] == 2_000
    assert all(may_hold(known, name) for name in names("a", 2_000))
    wrong = sum(may_hold(known, name) for name in names("b", 20_000))
    assert wrong < 3 * ERROR * 20_000


def test_it_holds_no_names_and_has_no_order() -> None:
    known = filter_of(["x1", "x2", "", "x2"])
    assert known == filter_of(["x2", "x1"])
    assert known is not None
    assert known["people"] == 2
    assert "x1" not in json.dumps(known)


def test_of_nobody_there_is_none() -> None:
    assert filter_of([]) is None
    assert filter_of(["", ""]) is None


@pytest.mark.parametrize("broken", [{}, {"bits": "", "hashes": 3}, {"bits": "!", "hashes": 1}])
def test_what_is_no_filter_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises((ValueError, KeyError)):
        may_hold(broken, "x")


def test_a_manifest_carries_those_of_the_models_it_was_made_of(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(name)
    said = {"name": "n", "kind": "reranker", "command": "c"}
    plain = write_manifest(tmp_path / "first", **said)
    assert plain.people == ()
    assert "people" not in json.loads((tmp_path / "first" / "manifest.json").read_text())
    first = write_manifest(tmp_path / "first", **said, people=["p1"])
    write_manifest(tmp_path / "second", **said, people=["p2"], made_of=[first])
    found = verify(tmp_path / "second").people
    assert [[may_hold(one, name) for one in found] for name in ("p1", "p2")] == [
        [True, False],
        [False, True],
    ]
    assert load_manifest(tmp_path / "first").version == plain.version
