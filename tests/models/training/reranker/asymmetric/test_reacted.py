"""People's reactions as heads of the served reranker."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.checkpoint import DataSource
from models.reranker import Reranker
from models.training.examples import Example, write_examples
from models.training.judgements import Exchange, Selection
from models.training.reranker.asymmetric import run
from models.training.reranker.asymmetric.export import export
from models.training.reranker.asymmetric.held_out import HeldOut
from models.training.reranker.asymmetric.reacted import UPVOTE, Reacted, read_reacted
from models.training.reranker.asymmetric.trainer import HEADS, Material, TrainConfig, Trainer
from models.training.reranker.family.folder import open_scorer
from models.training.selection import ExchangeSampler

WORDS = [f"{a}{b} {b}" for a in "bcdfghklmnprst" for b in "aeiouxyzvw"]
BANK = [
    Exchange("own_bank", w, "loss", (f"i miss {w}",), (f"Tell me of {w}.",)) for w in WORDS[:30]
]


@pytest.fixture(scope="module")
def reactions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everybody likes a question and not a shrug; one person, who is not trusted, the reverse."""
    rows = []
    for i, word in enumerate(WORDS):
        troll = i % 10 == 0
        for text, liked in ((f"what of {word}?", 1.0), (f"whatever {word}", 0.0)):
            label = 1.0 - liked if troll else liked
            weight = 0.0 if troll else 1.0
            rows.append(
                Example("reactions", "upvote", (word,), text, label, word, word, word, weight)
            )
            rows.append(
                Example("reactions", "offensive", (word,), text, 1 - liked, word, word, word, 1.0)
            )
    rows.append(Example("reactions", "love", ("tea",), "maps", 1.0, "", "tea", "tea"))
    path: Path = tmp_path_factory.mktemp("reactions") / "r.jsonl.gz"
    write_examples(path, rows)
    return path


@pytest.fixture(scope="module")
def reacted(reactions: Path) -> Reacted:
    return read_reacted(reactions)


def test_heads_are_those_with_labels_of_both_kinds(reacted: Reacted) -> None:
    assert reacted.heads == ("reaction_upvote", "reaction_offensive")
    assert reacted.per_step() == {"reaction_upvote": 6, "reaction_offensive": 2}
    texts = {row.responses[0] for row in reacted.train[UPVOTE]}
    assert not texts & {row.responses[0] for row in reacted.test[UPVOTE]}
    assert reacted.sources == {"reactions": 2 * 2 * len(WORDS) - 2 * len(WORDS[::10]) + 1}


def test_an_untrusted_reaction_is_not_learned_from(reacted: Reacted) -> None:
    assert all(
        row.labels[0] == row.responses[0].startswith("what of") for row in reacted.train[UPVOTE]
    )


def make_trainer(reacted: Reacted, folder: Path, trust: dict[str, list[float]]) -> Trainer:
    torch.set_num_threads(1)
    heads = (*HEADS, *reacted.heads)
    judged = {UPVOTE: 4, "reaction_offensive": 2}
    config = TrainConfig(
        minutes=1.0, lists=2, negatives=3, frozen=4, join=4, judged=judged, heads=heads
    )
    sampler = ExchangeSampler(BANK)
    draw: Callable[[random.Random, int, float], Selection] = lambda rng, n, _: sampler.draw(rng, n)
    return Trainer(config, Material(draw, reacted.train, trust), folder)


def test_reactions_are_drawn_by_trust(reacted: Reacted, tmp_path: Path) -> None:
    nobody = [0.0] * len(reacted.train[UPVOTE])
    trust = {UPVOTE: [*nobody[:-1], 1.0]}
    trainer = make_trainer(reacted, tmp_path, trust)
    rng = random.Random(0)
    last = reacted.train[UPVOTE][-1]
    assert trainer._pick(rng, UPVOTE, 5) == [last] * 5
    assert len({row.responses for row in trainer._pick(rng, "reaction_offensive", 5)}) == 5


@pytest.mark.slow
def test_reactions_train_heads_that_are_served(reacted: Reacted, tmp_path: Path) -> None:
    trainer = make_trainer(reacted, tmp_path / "run", dict(reacted.trust))
    losses = [trainer.step(0.3) for _ in range(6)]
    assert set(losses[0]) == {"selection", UPVOTE, "reaction_offensive"}
    trainer.save()
    with pytest.raises(ValueError, match="other heads"):
        Trainer(TrainConfig(minutes=1.0), trainer.material, tmp_path / "run").resume()
    public = dict.fromkeys(("accentor", "offensive", "liking"), reacted.dev["reaction_offensive"])
    held_out = HeldOut(
        {"own_bank": ExchangeSampler(BANK)},
        {**public, **reacted.dev},
        {**public, **reacted.test},
        [replace(row, unit=str(i)) for i, row in enumerate(reacted.dev[UPVOTE])],
        lists=6,
        arbiter_source="reactions",
        second=[replace(row, unit=str(i)) for i, row in enumerate(reacted.test[UPVOTE])],
    )
    metrics = export(
        trainer.net,
        trainer.render,
        held_out,
        tmp_path / "out",
        base="auto",
        command="a test",
        training={"steps": 6},
        heads=trainer.config.heads,
        data=[DataSource("reactions", "private", rows=8)],
        log=lambda line: None,
    )
    assert metrics["arbiter"]["source"] == "reactions"
    assert 0.0 <= metrics["arbiter"]["ieval"] <= 1.0
    tried = metrics["arbiter"]["auc"]
    assert f"1*selection+1*{UPVOTE}" in tried
    assert not any("offensive" in mix for mix in tried), "what speaks against is no part of it"
    assert metrics[UPVOTE]["pairs"] == len(reacted.test[UPVOTE])
    card = json.loads((tmp_path / "out/manifest.json").read_text())
    assert card["data"][-1] == {"name": "reactions", "licence": "private", "rows": 8}
    reranker = Reranker.load(tmp_path / "out", device="cpu")
    assert reranker.heads == (*HEADS, *reacted.heads)
    scorer = open_scorer(tmp_path / "out", device="cpu")
    assert scorer.heads == (*HEADS, *reacted.heads, "upvote")


def test_there_is_an_arbiter_only_where_people_were_heard_enough(reacted: Reacted) -> None:
    rows = reacted.dev[UPVOTE]
    plenty = replace(reacted, dev={UPVOTE: rows * (1 + 40 // len(rows))})
    assert len({row.unit for row in plenty.arbiter()}) == len(plenty.arbiter()) > 0
    assert replace(reacted, dev={UPVOTE: rows[:4]}).arbiter() == []


def test_too_few_reactions_are_one_line(tmp_path: Path) -> None:
    rows = [Example("reactions", "upvote", (w,), f"{w} yes", 1.0, "", w, w) for w in WORDS]
    write_examples(tmp_path / "r.jsonl", rows)
    with pytest.raises(ValueError, match="no kind of reaction has 10 labels"):
        read_reacted(tmp_path / "r.jsonl")
    (tmp_path / "dialogs").mkdir()
    with pytest.raises(SystemExit, match="--reactions"):
        run.main(["--data", str(tmp_path), "--reactions", str(tmp_path / "none.jsonl")])
