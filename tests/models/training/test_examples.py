"""The shape of a judgement and its files: what comes back, and what is refused where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.training.examples import (
    REACTION_HEADS,
    BadExample,
    Example,
    parse_example,
    read_examples,
    write_examples,
)

ROW = {"source": "s", "head": "upvote", "context": ["hi"], "response": "hello", "label": 1.0}
FULL = Example(
    source="reactions",
    head="love",
    context=("how was it?", "löng 🌧", "and now"),
    response="Dry at last.",
    label=0.25,
    group="g",
    conversation="c",
    rater="r",
    weight=0.5,
    facts=("I like rain.",),
)


@pytest.mark.parametrize("name", ["e.jsonl", "e.jsonl.gz"])
def test_what_is_written_comes_back(tmp_path: Path, name: str) -> None:
    path = tmp_path / "new" / name
    examples = [FULL, parse_example(dict(ROW))]
    assert write_examples(path, iter(examples)) == 2
    assert list(read_examples(path)) == examples
    assert (path.read_bytes()[:2] == b"\x1f\x8b") == name.endswith(".gz")
    assert [file.name for file in path.parent.iterdir()] == [name]  # nothing half-written is left


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    write_examples(path, [FULL])

    def torn() -> Any:
        yield parse_example(dict(ROW))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_examples(path, torn())
    assert list(read_examples(path)) == [FULL]
    assert [file.name for file in tmp_path.iterdir()] == ["e.jsonl"]  # its texts are in clear


def test_what_a_killed_write_left_goes_before_the_next_begins(tmp_path: Path) -> None:
    stale = tmp_path / ".e.jsonl.tmp"
    stale.write_text("in clear")

    def looking() -> Any:
        assert "in clear" not in (stale.read_text() if stale.exists() else "")
        yield FULL

    assert write_examples(tmp_path / "e.jsonl", looking()) == 1
    assert not stale.exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"label": 1.5}, "label must lie in"),
        ({"label": "1"}, "label must lie in"),
        ({"label": None}, "label must lie in"),
        ({"label": float("nan")}, "label must lie in"),
        ({"context": []}, "none of them empty"),
        ({"context": ["  "]}, "none of them empty"),
        ({"context": [3]}, "list of texts"),
        ({"context": None}, "list of texts"),
        ({"context": "hi"}, "context must be a list of texts"),
        ({"facts": "I like rain."}, "facts must be a list of texts"),
        ({"weight": float("nan")}, "weight must lie in"),
        ({"weight": float("inf")}, "weight must lie in"),
        ({"weight": -1}, "weight must lie in"),
        ({"weight": None}, "weight must lie in"),
        ({"weight": 10**400}, "weight must lie in"),
        ({"label": 10**400}, "label must lie in"),
        ({"rater": None}, "rater must be a text, not None"),
        ({"rater": 3}, "rater must be a text"),
        ({"conversation": None}, "conversation must be a text"),
        ({"group": []}, "group must be a text"),
        ({"head": 1}, "head must be a text"),
        ({"response": ""}, "not empty"),
        ({"response": None}, "not empty"),
        ({"facts": [None]}, "list of texts"),
        ({"lable": 1.0}, "unknown field 'lable'"),
    ],
)
def test_a_bad_line_is_named_with_its_number(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    path = tmp_path / "judged.jsonl"
    lines = [json.dumps(ROW), "", json.dumps({**ROW, **change})]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(BadExample, match=reason) as caught:
        list(read_examples(path))
    assert str(caught.value).startswith("judged.jsonl:3: ")


@pytest.mark.parametrize("missing", ["source", "head", "context", "response", "label"])
def test_an_incomplete_line_is_refused(missing: str) -> None:
    row = {name: value for name, value in ROW.items() if name != missing}
    with pytest.raises(BadExample, match=missing):
        parse_example(row)


@pytest.mark.parametrize("text", ["[1]", '"a"', "3", "{", "null"])
def test_what_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "e.jsonl"
    path.write_text(text)
    with pytest.raises(BadExample, match=r"e\.jsonl:1: "):
        list(read_examples(path))


def test_the_first_head_is_the_one_that_is_served() -> None:
    assert REACTION_HEADS[0] == "upvote"
    assert len(set(REACTION_HEADS)) == len(REACTION_HEADS)
