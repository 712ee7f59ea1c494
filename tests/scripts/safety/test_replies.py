"""A run leaves each author of replies out, chooses limits by them, and writes a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.sentence_reader import SentenceReader
from models.training.sentence_reader.fit import Recipe
from models.training.text_reader.texts import BadText, LabelledText, write_texts
from scripts.safety.replies import HEADS, Options, Text, lesson_of, material, train_replies
from tests.small_models import write_encoder

WORDS = ("amber", "birch", "cedar", "dune", "elm", "fern", "gorse", "hazel", "iris", "kelp")
BANK = [f"a reviewed line of {word}" for word in WORDS]
RECIPE = Recipe(depth=2, frozen=0, epochs=8, rate=3e-3, head_rate=2e-2, batch=16, dropout=0.0)


@pytest.fixture
def texts(tmp_path: Path) -> list[Text]:
    folder = tmp_path / "screen"
    folder.mkdir()
    for author in "ab":
        rows = [
            LabelledText(f"{author}-{head}-{word}", f"{author} {head} {word}", head, "x")
            for head in HEADS
            for word in WORDS
        ]
        rows += [
            LabelledText(f"{author}-h-{word}", f"{author} tea {word}", "harmless", "x")
            for word in WORDS
        ]
        write_texts(folder / f"outputs-{author}.jsonl", rows)
    return material(folder, BANK, lines=6, seed=1)


def test_authors_are_left_out_by_turns_and_the_bank_is_shared(texts: list[Text]) -> None:
    assert {t.fold for t in texts if t.text.startswith("a ") and not t.banked} == {0}
    assert {t.fold for t in texts if t.text.startswith("b ")} == {1}
    banked = [t for t in texts if t.banked]
    assert len(banked) == 6
    assert {t.fold for t in banked} == {0, 1}


def test_a_reason_says_little_of_the_others(texts: list[Text]) -> None:
    bad = lesson_of(next(t for t in texts if t.label == "harm"))
    place = HEADS.index("harm")
    assert bad.targets.sum() == bad.targets[place] == 1
    assert bad.weights[place] == 1 > bad.weights.min() > 0
    good = lesson_of(next(t for t in texts if t.label == "harmless"))
    assert not good.targets.any()
    assert np.all(good.weights == 1)


def test_one_author_is_not_enough(tmp_path: Path) -> None:
    write_texts(tmp_path / "outputs-a.jsonl", [LabelledText("a", "hello you", "harmless", "warm")])
    with pytest.raises(BadText, match="two authors"):
        material(tmp_path, BANK, 3, 1)


@pytest.mark.slow
def test_a_run_is_written_whole_and_gone_on_with(texts: list[Text], tmp_path: Path) -> None:
    base = tmp_path / "base"
    write_encoder(base)
    out, run = tmp_path / "artifacts" / "screen-sentences", tmp_path / "run"
    options = Options(out, run, RECIPE, alarms=0.05, banked=0.0, base=str(base))
    said: list[str] = []
    told = train_replies(texts, options, "a command", said.append)
    assert set(told) == {*HEADS, "all", "alarms", "bank"}
    assert told["all"]["texts"] == 2 * len(HEADS) * len(WORDS)
    assert told["all"]["sentences"] >= 0.8
    assert told["bank"]["sentences"] == 0
    reader = SentenceReader.load(out, base=str(base), runtime="torch", device="cpu", dtype="fp32")
    assert reader.heads == HEADS
    assert all(weights.keys() == {"sentence", "bias"} for weights in reader.stack.values())
    said.clear()
    assert train_replies(texts, options, "a command", said.append) == told
    assert not said, "nothing is fitted twice"
