"""The bank is read whole, in a fixed order, and a bad line is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from retrieval.corpus import CorpusError, load_corpus

ENTRY = {
    "id": "a-1",
    "topic": "tea",
    "feeling": "happy",
    "kind": "share",
    "contexts": ["I made tea", "tea is ready"],
    "replies": ["Which tea did you make?"],
}


def bank(tmp_path: Path, *lines: object) -> Path:
    folder = tmp_path / "bank"
    folder.mkdir(exist_ok=True)
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (folder / "a.jsonl").write_text(text + "\n")
    return tmp_path


def test_an_entry_is_read_with_its_tags(tmp_path: Path) -> None:
    corpus = load_corpus(bank(tmp_path, ENTRY))
    assert corpus.entries[0].tags == ("topic:tea", "feeling:happy", "kind:share")
    assert corpus.contexts == [("I made tea", 0), ("tea is ready", 0)]
    assert corpus.replies == [("Which tea did you make?", 0)]


def test_the_digest_changes_with_any_text(tmp_path: Path) -> None:
    before = load_corpus(bank(tmp_path, ENTRY)).sha256
    assert load_corpus(bank(tmp_path, ENTRY)).sha256 == before
    assert load_corpus(bank(tmp_path, {**ENTRY, "replies": ["Which one?"]})).sha256 != before


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "not JSON"),
        ("[]", "JSON object"),
        ({**ENTRY, "topic": ""}, "topic"),
        ({**ENTRY, "contexts": []}, "contexts"),
        ({**ENTRY, "replies": ["ok", 3]}, "replies"),
        (ENTRY, "used twice"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: object, says: str) -> None:
    with pytest.raises(CorpusError, match=rf"a\.jsonl:2.*{says}"):
        load_corpus(bank(tmp_path, ENTRY, line))


def test_no_bank_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no response bank"):
        load_corpus(tmp_path)


def test_the_shipped_bank_keeps_its_promises() -> None:
    corpus = load_corpus(Path(__file__).parents[2] / "data")
    replies = [text for text, _ in corpus.replies]
    assert len(corpus.entries) >= 1_200
    assert all(2 <= len(e.contexts) <= 5 and 1 <= len(e.replies) <= 3 for e in corpus.entries)
    assert len(set(replies)) == len(replies), "two entries give the very same reply"
