"""Cleaning, splits, windows, batches: what a generator's run reads."""

from __future__ import annotations

import random
from dataclasses import asdict
from pathlib import Path

import pytest

from models.prompt import context_ids, plain_encoder
from models.training import corpora
from models.training.corpora import Dialog, clean, is_held_out, load_own, load_public
from models.training.generator.data import HeldOut
from models.training.generator.schedule import FINISH, MAIN
from models.training.generator.tokenizer import train_tokenizer
from models.training.generator.windows import (
    IGNORED,
    LIKE_LENGTH_TOKENS,
    EncodedDialog,
    Window,
    collate,
    encode_dialogs,
    make_batches,
    make_updates,
    parts_of,
    windows_of,
)
from tests.models.training.generator.talk import TALK, make_data, write_rows


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("that ' s good , is n't it ?", "that's good, isn't it?"),
        ("I' m here .", "I'm here."),
        ("fingers crossed.It helps", "fingers crossed. It helps"),
        ("Hi, I'm [User 1's name].", ""),
        ("3.5 and U.S.A. stay", "3.5 and U.S.A. stay"),
        ("rock 'n' roll", "rock 'n' roll"),
    ],
)
def test_cleaning(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


def test_sources_become_alternating_dialogs(public: Path, own: Path) -> None:
    dialogs = load_public(public) + load_own(own)
    by_source = {d.source: d for d in dialogs}
    assert set(by_source) == {*corpora.PUBLIC_SOURCES, *corpora.OWN_SOURCES}
    assert by_source[corpora.OWN_DIALOGS].target == 1
    assert by_source[corpora.SELF_DIALOGUE].target is None
    assert by_source[corpora.PERSONA_CHAT].facts == (("I bake bread.", "I sing."), ("I swim.",))
    bank = [d.turns for d in dialogs if d.source == corpora.OWN_BANK]
    assert len(bank) == 4
    assert ("hello", "welcome") in bank


def test_placeholders_end_a_run_and_equal_speakers_are_merged(tmp_path: Path) -> None:
    says = [("A", "one"), ("A", "two"), ("B", "[name]"), ("B", "three"), ("A", "four")]
    rows = [{"dialog_id": "x", "turns": [{"speaker": s, "text": t} for s, t in says]}]
    write_rows(tmp_path / f"{corpora.SELF_DIALOGUE}.jsonl.gz", rows)
    (dialog,) = load_public(tmp_path, [corpora.SELF_DIALOGUE])
    assert dialog.turns == ("three", "four")
    assert dialog.speaker(0) == 1


def test_an_own_line_that_is_wrong_is_named(tmp_path: Path) -> None:
    write_rows(tmp_path / "bank" / "b.jsonl", [{"contexts": ["a"], "replies": ["b"]}, {"x": 1}])
    with pytest.raises(ValueError, match=r"b\.jsonl:2"):
        load_own(tmp_path)


def test_held_out_depends_on_source_and_id_alone(public: Path) -> None:
    dialogs = load_public(public)
    train, held = corpora.split_held_out(dialogs)
    assert train
    assert held
    assert not {(d.source, d.id) for d in train} & {(d.source, d.id) for d in held}
    shuffled = random.Random(1).sample(dialogs, len(dialogs))
    again = corpora.split_held_out(shuffled)[1]
    assert {(d.source, d.id) for d in again} == {(d.source, d.id) for d in held}
    share = sum(is_held_out(corpora.SELF_DIALOGUE, str(n)) for n in range(20_000)) / 20_000
    assert share == pytest.approx(0.015, abs=0.004)


def test_an_epoch_asks_few_of_the_many_questions(public: Path) -> None:
    train = corpora.split_held_out(load_public(public))[0]
    epoch = corpora.epoch_dialogs(train, random.Random(1))
    canned = [d for d in epoch if d.source == corpora.PERSONALITY_CHAT]
    answers = {d.id for d in canned}
    assert len(canned) == corpora.QUESTIONS_PER_ANSWER * len(answers)
    rest = [d for d in train if d.source != corpora.PERSONALITY_CHAT]
    assert len(epoch) == len(canned) + len(rest)


def letters(text: str) -> list[int]:
    return [ord(c) for c in text]


def make_dialog(turns: list[str], **changes: object) -> EncodedDialog:
    dialog = Dialog("x", "s", tuple(turns), **changes)  # type: ignore[arg-type]
    return encode_dialogs([dialog], letters)[0]


def learned_text(window: Window) -> str:
    pairs = zip(window.ids, window.learned, strict=True)
    return "".join(chr(i) if i else "|" for i, learned in pairs if learned)


def test_all_turns_but_the_first_are_learned_once() -> None:
    item = make_dialog([f"{n}" * 30 for n in range(9)])
    windows = list(windows_of(item, letters, 0, random.Random(3)))
    assert len(windows) > 1
    learned = "".join(learned_text(w) for w in windows)
    assert learned == "".join(f"{n}" * 30 + "|" for n in range(1, 9))
    assert all(len(w.ids) <= 200 for w in windows)


def test_only_the_target_is_learned() -> None:
    item = make_dialog(["a", "b", "c", "d"], target=1)
    (window,) = windows_of(item, letters, 0, random.Random(1))
    assert learned_text(window) == "b|d|"


def test_facts_are_rendered_as_in_serving_and_only_their_hearer_is_learned() -> None:
    tokenizer = train_tokenizer(TALK * 9, 300, 128)
    encode, eos = plain_encoder(tokenizer), int(tokenizer.eos_token_id)
    dialog = Dialog("x", "s", ("hi", "yes", "why", "so"), facts=(("I swim.",), ()))
    (item,) = encode_dialogs([dialog], encode)
    seen = set()
    for seed in range(20):
        (window,) = windows_of(item, encode, eos, random.Random(seed))
        with_facts = window.ids[0] == encode("I swim.")[0]
        seen.add(with_facts)
        told = [i for i, learned in zip(window.ids, window.learned, strict=True) if learned]
        if with_facts:
            served = context_ids(tokenizer, dialog.turns, ["I swim."])
            assert list(window.ids) == served
            assert told == [*encode("yes"), eos, *encode("so"), eos]
        else:
            assert list(window.ids) == context_ids(tokenizer, dialog.turns)
            assert told == [*encode("yes"), eos, *encode("why"), eos, *encode("so"), eos]
    assert seen == {True, False}


def test_long_turns_leave_room_for_the_response() -> None:
    item = make_dialog(["a" * 500, "b" * 500, "c"])
    for window in windows_of(item, letters, 0, random.Random(2)):
        assert len(window.ids) <= 200
        assert any(window.learned)
        assert not all(window.learned)


def test_batches_hold_every_window_with_little_padding() -> None:
    rng = random.Random(1)
    windows = [
        Window((1,) * n, (False, *[True] * (n - 1))) for n in rng.choices(range(5, 150), k=900)
    ]
    batches = make_batches(windows, 1024, rng)
    assert sorted(len(w.ids) for rows in batches for w in rows) == sorted(
        len(w.ids) for w in windows
    )
    padded = sum(len(rows) * max(len(w.ids) for w in rows) for rows in batches)
    assert padded < 1.1 * sum(len(w.ids) for w in windows)
    assert all(len(rows) * len(rows[0].ids) <= 1024 for rows in batches)


def test_collate_shifts_and_masks() -> None:
    rows = [Window((7, 8, 9, 0), (False, False, True, True)), Window((5, 6), (False, True))]
    batch = collate(rows, 0)
    assert batch.inputs.tolist() == [[7, 8, 9], [5, 0, 0]]
    assert batch.targets.tolist() == [[IGNORED, 9, 0], [6, IGNORED, IGNORED]]
    assert batch.tokens == 3


def test_large_updates_hold_every_window_at_random() -> None:
    rng = random.Random(1)
    windows = [Window((n,) * 40, (True,) * 40) for n in range(3000)]
    updates = make_updates(windows, LIKE_LENGTH_TOKENS + 1, rng)
    assert sorted(w.ids[0] for rows in updates for w in rows) == list(range(3000))
    sizes = [sum(len(w.ids) for w in rows) for rows in updates]
    assert all(LIKE_LENGTH_TOKENS < size < LIKE_LENGTH_TOKENS + 41 for size in sizes[:-1])
    assert abs(sum(w.ids[0] for w in updates[0]) / len(updates[0]) - 1500) < 200


@pytest.mark.parametrize(("count", "at_once"), [(1, 10_000), (1, 300), (2, 300), (3, 60), (9, 1)])
def test_parts_share_an_update_out(count: int, at_once: int) -> None:
    rows = [Window((n, *[1] * size), (True,) * (size + 1)) for n, size in enumerate([70, 50, 9, 8])]
    parts = [parts_of(rows, rank, count, at_once) for rank in range(count)]
    assert sorted(w.ids[0] for each in parts for part in each for w in part) == [0, 1, 2, 3]
    for part in (part for each in parts for part in each):
        assert len(part) == 1 or len(part) * max(len(w.ids) for w in part) <= at_once


def test_the_finishing_phase_is_half_own_texts(tmp_path: Path, public: Path, own: Path) -> None:
    data = make_data(tmp_path, public, own)
    windows = [w for rows in data.epoch(FINISH, 0) for w in rows]
    total = sum(len(w.ids) for w in windows)
    rng = random.Random(0)
    own_windows = [w for d in data.own_train for w in windows_of(d, data._encode, data.eos, rng)]
    share = sum(len(w.ids) for w in own_windows) / total
    assert share == pytest.approx(0.5, abs=0.08)
    assert data.phase(0.5, 0.18, MAIN) == MAIN
    assert data.phase(0.83, 0.18, MAIN) == FINISH
    assert data.phase(0.1, 0.18, FINISH) == FINISH
    assert make_data(tmp_path / "without", public).phase(0.9, 0.18, MAIN) == MAIN


def test_own_texts_are_kept_as_the_run_found_them(tmp_path: Path, public: Path, own: Path) -> None:
    first = make_data(tmp_path, public, own)
    again = make_data(tmp_path, public, tmp_path / "elsewhere")
    assert len(again.own_train) == len(first.own_train) > 0


def test_what_is_held_out_is_the_same_in_every_run(tmp_path: Path, public: Path, own: Path) -> None:
    data = make_data(tmp_path, public, own)
    again = HeldOut.of_run(tmp_path, public, own)
    for full in (False, True):
        theirs = dict(again.held_out_batches(full=full))
        for source, batches in data.held_out_batches(full=full):
            ours = [b.inputs.tolist() for b in batches]
            assert ours == [b.inputs.tolist() for b in theirs[source]]
    assert {"self_dialogue", "own_dialogs"} <= set(theirs)
    held = [asdict(d.dialog) for d in data.held_out.dialogs]
    assert not any(asdict(item.dialog) in held for item in [*data.train, *data.own_train])


def test_nothing_to_learn_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to learn"):
        make_data(tmp_path, None).epoch(MAIN, 0)
