"""A run leaves authors out, weighs the sides, writes a folder, and can be gone on with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.sentence_reader import KIND, SentenceReader
from models.text_reader import TextReader
from models.training.sentence_reader.fit import Recipe
from models.training.text_reader.texts import LabelledText, write_texts
from scripts.safety.material import (
    EVERYDAY,
    HEADS,
    NEVER,
    QUESTIONS,
    SETS,
    TURN,
    Material,
    development,
)
from scripts.safety.sentences import (
    BOUNDS,
    Asked,
    Bound,
    SentenceOptions,
    lesson_of,
    train_sentences,
    weights_of,
)
from scripts.safety.training import Options, train
from tests.small_models import write_encoder

WORDS = ("amber", "birch", "cedar", "dune", "elm", "fern", "gorse", "hazel", "iris", "kelp")
RECIPE = Recipe(depth=2, frozen=0, epochs=8, rate=3e-3, head_rate=2e-2, batch=16, dropout=0.0)


def write_sets(folder: Path) -> None:
    """Three authors of each set; each set's own word tells its label."""
    for name, label in SETS.items():
        for author in ("", "-a", "-b"):
            texts = [
                LabelledText(f"{name}{author}-{i}", f"{author} the {label}word {word}", label, "x")
                for i, word in enumerate(WORDS)
            ]
            texts += [
                LabelledText(f"{name}{author}-h{i}", f"{author} {word} {name}", "harmless", "x")
                for i, word in enumerate(WORDS)
            ]
            write_texts(folder / f"{name}{author}.jsonl", texts)
    everyday = [LabelledText(f"e-{word}", f"some {word} tea", "harmless", "x") for word in WORDS]
    write_texts(folder / "everyday-c.jsonl", everyday)


@pytest.fixture
def material(tmp_path: Path) -> list[Material]:
    folder = tmp_path / "texts"
    folder.mkdir()
    write_sets(folder)
    return development(folder)


def test_a_fold_leaves_whole_authors_out_and_the_first_never(material: list[Material]) -> None:
    folds = {m.text.split()[0]: m.fold for m in material if m.home == "crisis"}
    assert folds["-a"] == 0
    assert folds["-b"] == 1
    assert folds["the"] == NEVER
    everyday = [m for m in material if m.home == EVERYDAY]
    assert all(m.labels == dict.fromkeys(QUESTIONS, 0.0) for m in everyday)


def test_a_head_learns_most_from_its_own_set(material: list[Material]) -> None:
    minor = next(m for m in material if m.home == "minor" and m.labels["minor"])
    lesson = lesson_of(minor)
    by_head = dict(zip(HEADS, lesson.weights.tolist(), strict=True))
    assert by_head["minor"] > by_head["trick"] > 0
    assert by_head["other"] == by_head["loss"] == 0, "nobody judged whom it is about"
    turn = lesson_of(Material("a turn", {"crisis": 0.0}, own=False, kind=TURN))
    told = dict(zip(HEADS, turn.weights.tolist(), strict=True))
    assert told["crisis"] > by_head["trick"], "what people say all day is known to be harmless"
    assert told["abuse"] == 0


def test_public_turns_hold_the_stack_to_what_people_would_feel() -> None:
    own = [Material(f"own {i}", {"crisis": i % 2.0}, home="crisis", fold=0) for i in range(40)]
    turns = [Material(f"turn {i}", {"crisis": 0.0}, kind=TURN, own=False) for i in range(100)]
    unlabelled = [Material("a turn that a rule alarms on", {}, kind=TURN, own=False)]
    asked = Asked.of("crisis", [*own, *turns, *unlabelled])
    assert (asked.found.sum(), asked.harmless.sum(), asked.turns.sum()) == (20, 20, 101)
    assert not asked.known[-1], "nobody judged what the rules alarm on"
    sides = np.zeros((141, 3))
    sides[:40, 2] = np.where(asked.found[:40], 1.0, -2.0)
    sides[40:, 2] = -3.0
    sides[40:50, 2] = 2.0  # a tenth of the turns looks like a danger
    loose = weights_of(sides, asked, Bound(alarms=0.05, everyday=0.2))
    strict = weights_of(sides, asked, Bound(alarms=0.05, everyday=0.05))

    def alarms(weights: dict[str, float]) -> float:
        return float((sides[:, 2] * weights["sentence"] + weights["bias"] > 0)[asked.turns].mean())

    assert alarms(loose) == pytest.approx(10 / 101)
    assert alarms(strict) <= 0.05
    assert strict["bias"] < loose["bias"]
    assert strict["alone"] >= 2.0 > loose["alone"]


@pytest.mark.slow
def test_a_run_is_written_whole_and_gone_on_with(material: list[Material], tmp_path: Path) -> None:
    base = tmp_path / "base"
    write_encoder(base)
    artifacts = tmp_path / "artifacts"
    asked = Options(artifacts / "safety", strength=0.05, alarms=0.0, bits=12)
    linear, _ = train(material, asked, "a command")
    out, run = artifacts / "safety-sentences", tmp_path / "run"
    options = SentenceOptions(out, run, RECIPE, 0.05, False, base=str(base))
    said: list[str] = []
    told = train_sentences(material, linear, options, "a command", said.append)
    assert [one.question for one in told] == list(QUESTIONS)
    for one in told:
        assert one.figures["texts"] == 2 * len(WORDS)
        assert one.figures["alarms_all"] <= BOUNDS[one.question].alarms
        assert one.figures["recall_all"] >= 0.8
    reader = SentenceReader.load(out, base=str(base), runtime="torch", device="cpu", dtype="fp32")
    assert set(reader.stack) == set(QUESTIONS)
    assert isinstance(linear, TextReader)
    assert len(list(run.iterdir())) == 3
    assert KIND in (out / "manifest.json").read_text()
    said.clear()
    again = train_sentences(material, linear, options, "a command", said.append)
    assert not said, "nothing is fitted twice"
    assert again == told
