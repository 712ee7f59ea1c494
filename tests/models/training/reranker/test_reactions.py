"""A head from reactions: what it learns, what stays as it was, and the folder that it leaves."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.checkpoint import load_manifest, verify
from models.reranker import Reranker
from models.training.examples import Example, write_examples
from models.training.reranker.reactions import placing
from models.training.reranker.reactions.frozen import HeadOverVectors, PairVectors
from models.training.reranker.reactions.head import TooFewReactions, retrain_head
from models.training.reranker.reactions.logistic import Problem, choose, fit, sigmoid

SERVED = Path(__file__).parents[4] / "artifacts" / "reranker"
TOPICS = ["rain", "bread", "trains", "cats", "chess", "tea", "maps", "jazz", "soup", "frost"]
ASKING = ["What is it about {} that you like?", "When did {} begin for you?", "And {}, how so?"]
TELLING = ["I have nothing to say of {}.", "It was only {} again.", "There is {} on the table."]


def judged(seed: int, raters: int = 6) -> list[Example]:
    """People who like to be asked, nine times in ten, about things."""
    dice = random.Random(seed)
    examples = []
    for rater in range(raters):
        for topic in TOPICS:
            asks = dice.random() < 0.5
            response = dice.choice(ASKING if asks else TELLING).format(topic)
            liked = asks if dice.random() < 0.9 else not asks
            context = (f"today was all {dice.choice(TOPICS)}",)
            person = f"{seed}-{rater}"
            examples.append(
                Example("reactions", "upvote", context, response, float(liked), rater=person)
            )
    return examples


@pytest.fixture(scope="module")
def vectors() -> PairVectors:
    return PairVectors.open(SERVED, runtime="torch", threads=1)


@pytest.fixture(scope="module")
def learned(
    vectors: PairVectors, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("models") / "learned"
    metrics = retrain_head(SERVED, judged(1), out, command="test", vectors=vectors)
    return out, metrics


def upvotes(model: Reranker, examples: Sequence[Example]) -> list[float]:
    items = [i for e in examples for i in model.prepare(e.context, [e.response])]
    return [result.heads["upvote"] for result in model.run(items)]


def test_it_learns_what_people_liked_and_says_so(learned: tuple[Path, dict[str, Any]]) -> None:
    folder, metrics = learned
    measured = metrics["heads"]["upvote"]
    assert measured["auc"] > 0.75 > measured["auc_before"]
    assert measured["log_loss"] < measured["log_loss_before"]
    assert measured["examples"] == 60
    model = Reranker.load(folder, runtime="torch", threads=1)
    ask, tell = (
        Example("s", "upvote", ("today was all ink",), text, 0.0)
        for text in ("What was it about ink that you liked?", "There was ink on the floor.")
    )
    likes, dislikes = upvotes(model, [ask, tell])
    assert likes > 0.5 > dislikes


def test_the_folder_is_served_as_any_other(learned: tuple[Path, dict[str, Any]]) -> None:
    folder, metrics = learned
    manifest = verify(folder, kind="reranker")
    before = load_manifest(SERVED)
    assert manifest.version != before.version
    assert manifest.base == before.base
    assert metrics["retrained_from"] == before.version
    assert manifest.data[-1].name == "reactions"
    assert manifest.data[-1].rows == 60
    assert placing.same_bert(SERVED, folder)
    assert "reactions.upvote" in Reranker.load(folder, runtime="torch", threads=1).heads


def test_the_other_heads_hardly_move(
    learned: tuple[Path, dict[str, Any]], vectors: PairVectors
) -> None:
    folder, metrics = learned
    pairs = judged(5, raters=2)
    items = [i for e in pairs for i in vectors.render.items(e.context, [e.response])]
    before = HeadOverVectors(vectors, placing.head_of(SERVED)).logits(items)
    after = HeadOverVectors(vectors, placing.head_of(folder)).logits(items)
    assert after.shape == (len(items), before.shape[1] + 1)
    moved = np.sqrt(((after[:, :-1] - before) ** 2).mean(0))
    assert (moved < 0.05 * before.std(0) + 0.01).all()
    assert max(metrics["moved_rms"].values()) < 0.05


def test_remembered_vectors_give_the_scores_of_the_folder(
    learned: tuple[Path, dict[str, Any]], vectors: PairVectors
) -> None:
    folder, _ = learned
    pairs = judged(7, raters=1)
    config = {**json.loads((folder / "reranker.json").read_text()), "version": "v"}
    network = HeadOverVectors(vectors, placing.head_of(folder))
    remembered = Reranker(network, vectors.tokens, config)
    loaded = Reranker.load(folder, runtime="torch", threads=1)
    assert upvotes(remembered, pairs) == pytest.approx(upvotes(loaded, pairs), abs=2e-3)
    asked = vectors.computed
    upvotes(remembered, pairs)
    assert vectors.computed == asked


def test_retraining_begins_from_what_was_before_the_reactions(
    learned: tuple[Path, dict[str, Any]], vectors: PairVectors, tmp_path: Path
) -> None:
    folder, _ = learned
    examples = judged(2)
    twice, once = tmp_path / "twice", tmp_path / "once"
    retrain_head(folder, examples, twice, command="test", vectors=vectors)
    retrain_head(SERVED, examples, once, command="test", vectors=vectors)
    configs = [json.loads((f / "reranker.json").read_text()) for f in (twice, once)]
    assert configs[0]["heads"] == configs[1]["heads"]
    assert configs[0]["reactions"] == configs[1]["reactions"]
    models = [Reranker.load(f, runtime="torch", threads=1) for f in (twice, once)]
    again, direct = (upvotes(model, examples[:10]) for model in models)
    assert again == pytest.approx(direct, abs=0.02)


def test_other_heads_come_where_there_are_labels(vectors: PairVectors, tmp_path: Path) -> None:
    examples = judged(3)
    funny = [replace(e, head="funny", label=1.0 - e.label) for e in examples]
    love = [replace(e, head="love") for e in examples[:20]]  # too few
    other = [replace(e, head="selection") for e in examples]  # no head of reactions
    given = [*examples, *funny, *love, *other]
    metrics = retrain_head(SERVED, given, tmp_path / "m", command="test", vectors=vectors)
    assert set(metrics["heads"]) == {"upvote", "funny"}
    model = Reranker.load(tmp_path / "m", runtime="torch", threads=1)
    items = [i for e in examples for i in model.prepare(e.context, [e.response])]
    heads = [result.heads for result in model.run(items)]
    order = np.corrcoef([h["reactions.funny"] for h in heads], [h["upvote"] for h in heads])
    assert order[0, 1] < -0.5


def test_shuffled_reactions_teach_nothing(vectors: PairVectors, tmp_path: Path) -> None:
    examples = [e for seed in (11, 12, 13) for e in judged(seed)]
    labels = [e.label for e in examples]
    random.Random(4).shuffle(labels)
    noise = [replace(e, label=label) for e, label in zip(examples, labels, strict=True)]
    metrics = retrain_head(SERVED, noise, tmp_path / "m", command="test", vectors=vectors)
    assert metrics["heads"]["upvote"]["auc"] < 0.6
    said = upvotes(Reranker.load(tmp_path / "m", runtime="torch", threads=1), examples)
    assert np.std(said) < 0.12


def test_weights_say_whom_to_believe(vectors: PairVectors, tmp_path: Path) -> None:
    good = judged(21)
    trolls = [replace(e, label=1.0 - e.label, rater=f"troll {e.rater}") for e in judged(22, 12)]
    damped = [*good, *(replace(e, weight=0.01) for e in trolls)]
    retrain_head(SERVED, damped, tmp_path / "damped", command="test", vectors=vectors)
    retrain_head(SERVED, [*good, *trolls], tmp_path / "all", command="test", vectors=vectors)
    ask, tell = (Example("s", "upvote", ("rain",), text.format("rain"), 0.0)
                 for text in (ASKING[0], TELLING[0]))  # fmt: skip
    gaps = []
    for name in ("damped", "all"):
        a, b = upvotes(Reranker.load(tmp_path / name, runtime="torch", threads=1), [ask, tell])
        gaps.append(a - b)
    assert gaps[0] > 0.1 > gaps[1]


def test_too_few_reactions_are_refused_and_nothing_is_written(
    vectors: PairVectors, tmp_path: Path
) -> None:
    one_sided = [replace(e, label=1.0) for e in judged(1)]
    for examples in ([], judged(1)[:15], one_sided):
        with pytest.raises(TooFewReactions, match="fewer than 20"):
            retrain_head(SERVED, examples, tmp_path / "m", command="test", vectors=vectors)
    assert not (tmp_path / "m").exists()


def problem(n: int, noise: float, seed: int = 0) -> tuple[Problem, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, 6))
    truth = np.array([2.0, -1.0, 0, 0, 0, 0])
    labels = (rng.random(n) < sigmoid(rows @ truth / max(noise, 1e-9))).astype(float)
    flat = np.ones(6)
    return Problem(rows, labels, np.ones(n), 0 * flat, flat, 0 * flat), truth


def test_the_fit_finds_the_truth_where_there_is_enough_of_it() -> None:
    given, truth = problem(4000, noise=1.0)
    assert fit(given, 0.01) == pytest.approx(truth, abs=0.25)
    torch_fit = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    rows, labels = torch.from_numpy(given.rows), torch.from_numpy(given.labels)
    optimizer = torch.optim.LBFGS([torch_fit], max_iter=200, tolerance_grad=1e-10)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            rows @ torch_fit, labels, reduction="sum"
        )
        loss = loss + 0.5 * 0.01 * torch_fit.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert fit(given, 0.01) == pytest.approx(torch_fit.detach().numpy(), abs=1e-2)


def test_a_strong_prior_is_chosen_where_there_is_nothing_to_learn() -> None:
    folds = np.arange(300) % 5
    signal, _ = problem(300, noise=1.0)
    noise, _ = problem(300, noise=1e9)
    strengths = (1000.0, 100.0, 10.0, 1.0)
    assert choose(noise, folds, strengths).strength == 1000.0
    assert choose(signal, folds, strengths).strength < 100.0


def test_without_rows_that_differ_the_prior_stands() -> None:
    given, _ = problem(50, noise=1.0)
    empty = replace(given, rows=np.zeros_like(given.rows), mean=np.arange(6.0))
    assert fit(empty, 1.0) == pytest.approx(np.arange(6.0))


def retrain(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SERVED.parents[1] / "scripts" / "retrain_head"), *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_command_makes_a_folder_that_is_served(tmp_path: Path) -> None:
    write_examples(tmp_path / "reactions.jsonl.gz", judged(1))
    run = tmp_path / "run"
    done = retrain(tmp_path / "reactions.jsonl.gz", "--out", tmp_path / "new", "--run", run)
    assert done.returncode == 0, done.stderr
    assert "upvote: 60 examples, AUC 0." in done.stdout
    document = json.loads((run / "run.json").read_text())
    metrics = document["metrics"]["heads"]["upvote"]
    assert metrics["auc"] > metrics["auc_before"]
    assert "reactions.jsonl.gz" in document["data"]
    model = Reranker.load(tmp_path / "new", runtime="torch", threads=1)
    assert model.version == load_manifest(tmp_path / "new").version


@pytest.mark.parametrize(
    ("lines", "words", "status", "reason"),
    [
        ("", [], 1, "fewer than 20 responses"),
        ('{"head": 1}\n', [], 1, "e.jsonl:1: incomplete"),
        ("", ["--least", "2"], 2, "must be 5 or more"),
        ("", ["--reranker", "/nowhere"], 2, "there is no folder"),
    ],
)
def test_the_command_says_what_is_wrong_in_one_line(
    tmp_path: Path, lines: str, words: list[str], status: int, reason: str
) -> None:
    (tmp_path / "e.jsonl").write_text(lines)
    run = ["--run", tmp_path / "run"]
    done = retrain(tmp_path / "e.jsonl", "--out", tmp_path / "new", *run, *words)
    assert done.returncode == status
    assert reason in done.stderr.splitlines()[-1]
    assert not (tmp_path / "new").exists()


def test_a_stopped_retraining_leaves_nothing_half_written(
    vectors: PairVectors, tmp_path: Path
) -> None:
    def stop(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retrain_head(SERVED, judged(1), tmp_path / "m", command="test", vectors=vectors, tell=stop)
    assert not (tmp_path / "m").exists()
