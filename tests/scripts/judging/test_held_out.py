"""Nobody whose reactions taught a candidate judges it: each trainer's people, and evaluate's."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models.training.examples import REACTION_HEADS, Example, write_examples
from models.training.generator import run as generator_run
from models.training.reranker.asymmetric.reacted import read_reacted
from models.training.reranker.family.pairs import flat, from_examples
from models.training.reranker.reactions import run as reactions_run
from models.training.splits import split
from scripts.dataset import opening, reader
from scripts.judging.heldout import from_dataset, from_file
from tests.scripts.judging.test_promote import load_command

PEOPLE, EACH = 240, 4
ROOT = Path(__file__).parents[3]
People = Collection[str]


def reactions() -> list[Example]:
    """Some like what they get, others do not; every reply names the person whom it was made for."""
    return [
        Example(
            source="reactions",
            head=head,
            context=(f"hello, i am number {person}",),
            response=f"reply {turn} for p{person}",
            label=float((person + turn) % 2 == (head in REACTION_HEADS[3:])),
            group=f"t{person}-{turn}",
            conversation=f"c{person}-{turn // 2}",
            rater=f"p{person}",
        )
        for person in range(PEOPLE)
        for turn in range(EACH)
        for head in ("upvote", "downvote")
    ]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reactions")
    write_examples(folder / "reactions.jsonl.gz", reactions())
    return folder / "reactions.jsonl.gz"


def of_served(path: Path, seed: int) -> People:
    """Of `scripts/train_reranker --reactions`: what is learned and what it is calibrated by."""
    found = read_reacted(path)
    rows = [row for part in (found.train, found.dev) for rows in part.values() for row in rows]
    return {row.responses[0].split()[-1] for row in rows}


def of_family(path: Path, seed: int) -> People:
    """Of `scripts/train_reranker --family … --examples`."""
    subset = from_examples(path)
    return {row.rater for part in (subset.train, subset.dev) for row in flat(part)}


def of_generator(path: Path, seed: int) -> People:
    """Of `scripts/train_generator --examples`."""
    options = argparse.Namespace(examples=[path], source=[], only_upvoted=True, seed=seed)
    return {row.rater for row in generator_run.judged_of(options)}


def of_head(path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> People:
    """Of `scripts/retrain_head`, whose command is run up to the fit."""
    given: list[Example] = []

    def fit(folder: Path, examples: Sequence[Example], *_: Any, **__: Any) -> dict[str, Any]:
        given.extend(examples)
        return {"heads": {}, "moved_rms": {}}

    monkeypatch.setattr(reactions_run, "retrain_head", fit)
    monkeypatch.setattr(reactions_run.PairVectors, "open", lambda *_, **__: None)
    folder = path.parent / f"head{seed}"
    words = [path, "--out", folder, "--run", path.parent / f"run{seed}", "--seed", seed]
    assert load_command("retrain_head").main([str(word) for word in words]) == 0
    return {example.rater for example in given}


@pytest.mark.parametrize("seed", [0, 7, 20])
@pytest.mark.parametrize("trained", [of_served, of_family, of_generator, of_head])
def test_no_judge_was_a_teacher(
    trained: Callable[..., People], seed: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = (monkeypatch,) if trained is of_head else ()
    teachers = set(trained(path, seed, *more))
    judges = {example.rater for example in from_file(path, part="test").examples}
    assert len(judges) > PEOPLE / 20
    assert len(teachers) > PEOPLE * 0.8
    assert not teachers & judges


def test_a_generator_of_the_dataset_leaves_the_same_people_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = [
        SimpleNamespace(
            source=("remote", "generator")[i % 2], context=row.context, response=row.response,
            facts=(), turn_id=row.group, conversation=row.conversation, person=row.rater,
            reaction="love" if row.label else "downvote", chosen="g0",
        )
        for i, row in enumerate(row for row in reactions() if row.head == "upvote")
    ]  # fmt: skip
    dataset = SimpleNamespace(
        reactions=lambda: iter(reactions()),
        impressions=lambda: iter(()),
        manifest=SimpleNamespace(parts=()),
        skipped={},
    )
    monkeypatch.setattr(reader, "open_keys", lambda: None)
    monkeypatch.setattr(reader, "read_impressions", lambda folder, keys: iter(shown))
    monkeypatch.setattr(reader, "Dataset", lambda folder, keys: dataset)
    learned = load_command("train_generator").reacted(tmp_path)
    judges = from_dataset(tmp_path, part="test", seed=3).examples
    assert {row.source for row in learned} == {"remote", "generator"}
    assert len({row.rater for row in learned}) > PEOPLE * 0.8
    assert judges
    assert not {row.rater for row in learned} & {row.rater for row in judges}


def test_who_is_believed_is_not_asked_of_those_who_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Example] = []
    dataset = SimpleNamespace(reactions=lambda: iter(reactions()), skipped={})
    monkeypatch.setattr(opening, "open_keys", lambda: None)
    monkeypatch.setattr(opening, "Dataset", lambda folder, keys: dataset)
    monkeypatch.setattr(opening, "weights", lambda rows: asked.extend(rows) or {})
    assert opening.run(tmp_path, tmp_path / "out.jsonl", weigh=True) == 0
    judges = {example.rater for example in split(reactions())["test"]}
    assert asked
    assert not {example.rater for example in asked} & judges
