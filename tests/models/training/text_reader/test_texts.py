"""Files of labelled texts are read whole or refused with the line that is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.training.text_reader.texts import BadText, LabelledText, read_texts, write_texts

GOOD = {"id": "a-1", "text": "hello there", "label": "harmless", "kind": "talk"}


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    texts = [LabelledText("a-1", "caf\u00e9 \U0001f602", "harmless", "talk")]
    write_texts(tmp_path / "a.jsonl", texts)
    assert read_texts(tmp_path / "a.jsonl", ("harmless",)) == texts


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([GOOD, {**GOOD, "text": "other"}], "a.jsonl:2: its id"),
        ([GOOD, {**GOOD, "id": "a-2", "text": "Hello  THERE"}], "a.jsonl:2: its text"),
        ([{**GOOD, "label": "odd"}], "label 'odd' is not known"),
        ([{**GOOD, "text": "  "}], "empty"),
        ([{**GOOD, "more": 1}], "exactly the fields"),
        ([["a"]], "exactly the fields"),
        ([{**GOOD, "id": 3}], "no string"),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, rows: list[object], why: str) -> None:
    with pytest.raises(BadText, match=why):
        read_texts(write(tmp_path / "a.jsonl", *rows), ("harmless",))


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{", encoding="utf-8")
    with pytest.raises(BadText, match=r"a\.jsonl:1: not JSON"):
        read_texts(tmp_path / "a.jsonl")
