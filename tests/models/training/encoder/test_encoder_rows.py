"""Training rows: drawn from conversations or read from files, in an order that can be resumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.training.encoder.files import BadFile, TextRow, classes_of, read_text_rows, scores_of
from models.training.encoder.objectives import conversation_rows, file_rows
from models.training.encoder.pairs import (
    Conversations,
    Drawer,
    forms,
    held_out_pairs,
    read_conversations,
    texts_of,
)
from models.training.judgements import Exchange


def test_batches_are_repeatable_and_hold_no_false_negatives(
    public_data: Path, own_data: Path
) -> None:
    training, _, _ = read_conversations(public_data, own_data)
    one, other = (Drawer(training, 5, hard=2, paraphrases=0.5) for _ in range(2))
    assert other.batch(3, 16) == one.batch(3, 16)
    assert one.batch(4, 16) != one.batch(3, 16)
    for number in range(10):
        rows = one.batch(number, 16)
        assert len(rows) == 16
        for texts in ([r.unit for r in rows], [r.positive for r in rows]):
            assert len(set(texts)) == 16
        assert all(len(row.hard) == 2 and row.unrelated for row in rows)


def test_no_conversation_is_on_both_sides(public_data: Path, own_data: Path) -> None:
    training, held, bank = read_conversations(public_data, own_data)
    units = [{pair.unit for pair in part.pairs()} for part in (training, held)]
    assert units[0]
    assert units[1]
    assert not units[0] & units[1]
    assert len(bank) == 40
    answers = forms(texts_of(training))
    pairs = held_out_pairs(held, 30, answers=answers)
    responses = [pair.response for pair in pairs]
    learned = {pair.response for pair in training.pairs()}
    assert len(set(responses)) == len(responses) > 5
    assert not learned & set(responses)
    assert len({pair.source for pair in pairs}) > 1
    assert held_out_pairs(held, 30, answers=answers) == pairs


def test_what_a_file_holds_is_not_asked_for(public_data: Path, own_data: Path) -> None:
    _, held, _ = read_conversations(public_data, own_data)
    pairs = held_out_pairs(held, 1000, answers=())
    by_answer, by_message, by_context = pairs[0], pairs[1], pairs[2]
    learned = forms(
        [
            by_answer.response.upper() + " !",  # another spelling of the same
            f"well\n{by_message.message}",  # a turn of a longer context
            by_context.context.replace("\n", " "),
        ]
    )
    left = held_out_pairs(held, 1000, answers=learned, asked=learned)
    assert left
    assert by_answer.response not in {pair.response for pair in left}
    assert by_message.message not in {pair.message for pair in left}
    assert by_context.context not in {pair.context for pair in left}


def test_conversations_make_rows_for_every_objective(public_data: Path, own_data: Path) -> None:
    training, _, _ = read_conversations(public_data, own_data)
    drawer = Drawer(training, 5, hard=1)
    classes = conversation_rows("softmax", drawer, 5)
    table = classes.table(4, 8)
    assert set(table["label"]) == {0, 1, 2}
    assert len(classes.classes) == 3
    scores = conversation_rows("cosine", drawer, 5).table(4, 8)
    assert set(scores["label"]) == {0.0, 0.3, 1.0}
    triplets = conversation_rows("triplet", drawer, 5)
    assert triplets.columns == ("anchor", "positive", "negative")
    hard = conversation_rows("negatives", Drawer(training, 5, hard=3), 5)
    assert len(hard.columns) == len(hard.full(0, 4)) == 5


def test_more_hard_negatives_than_a_triplet_has_place_for(
    public_data: Path, own_data: Path
) -> None:
    training, _, _ = read_conversations(public_data, own_data)
    drawer = Drawer(training, 5, hard=2)
    table = conversation_rows("triplet", drawer, 5).table(2, 8)
    assert list(table) == ["anchor", "positive", "negative"]
    assert table["negative"][:8] == [draw.hard[0] for draw in drawer.batch(0, 8)]


def test_a_hard_negative_is_wrong_for_every_row_of_its_batch() -> None:
    """Entries of one topic that share replies, say what others ask, or stand alone in theirs."""
    entries = [
        Exchange("own_bank", f"e{n}", f"t{n % 7}", (f"what of {n}?", f"Fine {n}."), replies)
        for n in range(35)
        for replies in [(f"Fine {n % 5}.", "Sure.", f"It is {n}, {n + 7}.")]
    ]
    alone = Exchange("own_bank", "alone", "alone", ("who?", "who is it?"), ("Me.", "It is me."))
    right = {e.name: {t.casefold() for t in (*e.contexts, *e.replies)} for e in [*entries, alone]}
    drawer = Drawer(Conversations({}, {"own_bank": [*entries, alone]}), 5, hard=2, paraphrases=0.3)
    seen = set()
    for number in range(200):
        batch = drawer.batch(number, 8)
        said = {text.casefold() for row in batch for text in (row.anchor, row.positive)}
        for row in batch:
            name = row.unit.rpartition(":")[2]
            hard = {text.casefold() for text in row.hard}
            assert len(hard) == 2
            assert not hard & right[name]
            assert row.unrelated.casefold() not in right[name]
            assert not hard & said
            seen.add(name)
    assert seen == set(right)  # what stands alone in its topic is learned too


def test_a_batch_larger_than_the_data_is_refused(own_data: Path) -> None:
    training, _, _ = read_conversations(None, own_data)
    with pytest.raises(ValueError, match="more than the data holds"):
        conversation_rows("negatives", Drawer(training, 5), 5).table(1, 400)


def test_file_rows_come_once_a_pass_and_can_be_taken_up_again() -> None:
    rows = [TextRow(f"a{i % 7}", f"b{i}") for i in range(20)]
    stream = file_rows("negatives", rows, seed=3)
    batches = [stream.batch(number, 4) for number in range(15)]
    for batch in batches:
        assert len({row[0] for row in batch}) == 4  # what is said twice waits
    seen = [row for batch in batches for row in batch]
    assert set(seen) == {(row.first, row.second) for row in rows}
    again = file_rows("negatives", rows, seed=3)
    assert again.batch(9, 4) == batches[9]
    assert file_rows("negatives", rows, seed=4).batch(0, 4) != batches[0]


def test_a_third_text_is_a_hard_negative_where_every_row_has_one(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    line = '{"query": "q%d", "answer": "a%d", "negative": "n%d"}\n'
    path.write_text("".join(line % (n, n, n) for n in range(6)))
    rows = read_text_rows(path, ("first", "second"), ("negative",))
    hard = file_rows("negatives", rows, seed=3)
    assert hard.columns == ("anchor", "positive", "negative")
    assert set(hard.batch(0, 6)) == {(f"q{n}", f"a{n}", f"n{n}") for n in range(6)}
    some = file_rows("negatives", [*rows, TextRow("q", "a")], seed=3)
    assert some.columns == ("anchor", "positive")


def test_tables_are_read_with_and_without_a_header(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('he said "hi\tshe did\tyes\nno\tmaybe\t-\nx\ty\tno\n')
    rows = read_text_rows(path, ("first", "second", "label"))
    assert rows == [TextRow('he said "hi', "she did", label="yes"), TextRow("x", "y", label="no")]
    assert classes_of(rows) == ["no", "yes"]
    named = tmp_path / "b.csv"
    named.write_text('score,sentence2,sentence1\n4,"b, c",a\n')
    rows = read_text_rows(named, ("first", "second", "label"))
    assert rows == [TextRow("a", "b, c", label="4")]
    assert scores_of(rows, 5.0) == [0.8]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"first": "a", "second": " ", "label": 1}\n', "bad.jsonl:1: no second text"),
        ("[1]\n", "bad.jsonl:1: not an object"),
        ("{oops\n", "bad.jsonl:1: not JSON"),
        ("", "holds no rows"),
    ],
)
def test_bad_files_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(text)
    with pytest.raises(BadFile, match=message):
        read_text_rows(path, ("first", "second", "label"))


def test_labels_that_do_not_suit_are_refused() -> None:
    with pytest.raises(BadFile, match="1 classes"):
        classes_of([TextRow("a", "b", label="x")])
    with pytest.raises(BadFile, match="above the highest"):
        scores_of([TextRow("a", "b", label="5")], 1.0)
    with pytest.raises(BadFile, match="is no score"):
        scores_of([TextRow("a", "b", label="good")], 1.0)
