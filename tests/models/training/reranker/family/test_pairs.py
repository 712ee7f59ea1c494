"""The common subset: its shares, what is held out, and that it is the same every time."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.training.examples import Example, write_examples
from models.training.judgements import is_held_out
from models.training.reranker.family.pairs import (
    SOURCES,
    Subset,
    common_subset,
    data_files,
    flat,
    from_examples,
)


@pytest.fixture(scope="module")
def subset(data: Path) -> Subset:
    return common_subset(data, 120)


def test_half_of_the_pairs_are_of_accentor_and_the_others_as_named(subset: Subset) -> None:
    counts = {source: len(rows) for source, rows in subset.train.items()}
    assert counts == {"accentor": 60, "selection": 36, "diasafety": 12, "dialogue_eval": 12}
    assert list(counts) == list(SOURCES)
    assert subset.heads() == ("accentor", "selection", "offensive", "liking")
    assert all(rows for part in (subset.dev, subset.test) for rows in part.values())


def test_no_conversation_and_no_rater_crosses_parts(subset: Subset) -> None:
    parts = [flat(part) for part in (subset.train, subset.dev, subset.test)]
    for i, a in enumerate(parts):
        for b in parts[i + 1 :]:
            assert not {e.conversation for e in a} & {e.conversation for e in b}
    raters = [{e.rater for e in part} - {""} for part in parts]
    assert raters[0]
    assert not raters[0] & (raters[1] | raters[2])
    held = {e.conversation.split(":")[1] for e in subset.test["selection"]}
    assert all(is_held_out(name) for name in held)


def test_a_pair_of_selection_is_one_true_turn_and_one_other(subset: Subset) -> None:
    rows = subset.train["selection"]
    for true, wrong in zip(rows[::2], rows[1::2], strict=True):
        assert (true.label, wrong.label) == (1.0, 0.0)
        assert true.context == wrong.context
        assert true.group == wrong.group
        assert true.response != wrong.response


def test_a_smaller_subset_is_part_of_a_larger_one(data: Path, subset: Subset) -> None:
    small = common_subset(data, 40)
    for source, rows in small.train.items():
        assert rows == subset.train[source][: len(rows)]
    assert flat(common_subset(data, 120).train) == flat(subset.train)
    assert len(flat(common_subset(data, 0).train)) > len(flat(subset.train))


def test_a_source_that_is_left_out_gives_the_others_nothing(data: Path, subset: Subset) -> None:
    without = common_subset(data, 120, sources=("accentor", "diasafety"))
    assert set(without.train) == {"accentor", "diasafety"}
    assert without.train["accentor"] == subset.train["accentor"]
    with pytest.raises(ValueError, match="unknown source 'likes'"):
        common_subset(data, sources=("likes",))


def test_what_nobody_can_see_is_left_out(subset: Subset) -> None:
    assert all(e.response.strip("\u200b") for e in subset.train["diasafety"])


def test_the_files_that_are_read_exist(data: Path) -> None:
    assert all(path.exists() for path in data_files(data))


def test_a_file_of_examples_is_split_by_conversation(tmp_path: Path) -> None:
    # Texts that differ in digits alone would count as one.
    words = [f"{a}{b} {b}" for a in "bcdfghklmn" for b in "aeiouxyz"]
    rows = [
        Example("reactions", "upvote", (word,), f"{word} {k}", float(k == "yes"), "", word, word)
        for word in words
        for k in ("yes", "no")
    ]
    write_examples(tmp_path / "e.jsonl.gz", rows)
    subset = from_examples(tmp_path / "e.jsonl.gz")
    assert subset.heads() == ("upvote",)
    parts = [{e.conversation for e in flat(p)} for p in (subset.train, subset.dev, subset.test)]
    assert all(parts)
    assert not parts[0] & parts[1]
    assert not (parts[0] | parts[1]) & parts[2]
    assert sum(map(len, parts)) == 80
