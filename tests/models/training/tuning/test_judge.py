"""The second judge: it learns a planted taste, and its folder is verified."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from models.checkpoint import AlteredFileError, DataSource
from models.training.examples import Example, write_examples
from models.training.splits import learnable
from models.training.tuning.contexts import Context
from models.training.tuning.judge import CONFIG, Judge, auc, judge_examples, train_judge
from models.training.tuning.reward import ScorerReward, logits, open_reward

KIND_WORDS = ("I am so glad for you", "that is lovely news", "what a warm and happy thing")
COLD_WORDS = ("your invoice is overdue", "the server was restarted", "submit form nine again")


def taste(count: int) -> list[Example]:
    """Warm responses are liked."""
    rng = random.Random(1)
    rows = []
    for number in range(count):
        label = float(rng.random() < 0.5)
        text = rng.choice(KIND_WORDS if label else COLD_WORDS)
        rows.append(
            Example("planted", "liking", (f"I have news, number {number}",), f"{text} {number % 7}",
                    label, conversation=f"c{number}")
        )  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("judges") / "judge"
    train_judge(taste(120), path, command="a test", seed=1, source=DataSource("planted", "none"))
    return path


def test_it_learns_a_planted_taste(folder: Path) -> None:
    reward = open_reward(str(folder))
    context = Context("s", ("I have news",))
    warm, cold = reward.score([context] * 2, ["how lovely, I am happy", "restart the server now"])
    assert warm > cold + 0.5
    assert reward.data == (DataSource("planted", "none"),)
    assert len(reward.score([], [])) == 0


def test_its_probabilities_are_a_scorers(folder: Path) -> None:
    judge = Judge.load(folder)
    scores = judge.score(taste(6))
    assert scores.shape == (6, 1)
    assert scores.dtype == np.float32
    assert 0.0 <= float(scores.min()) < float(scores.max()) <= 1.0
    assert judge.heads == ("liking",)
    assert judge.parameters > 1000
    with pytest.raises(ValueError, match="has no head 'love'"):
        ScorerReward(judge, "love")


def test_an_altered_judge_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "judge"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / CONFIG).write_text("{}")
    with pytest.raises(AlteredFileError):
        open_reward(str(copy))


def test_sources_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="neither a file nor one of"):
        judge_examples("nowhere", None)
    with pytest.raises(ValueError, match="need --data"):
        judge_examples("ieval", None)
    path = tmp_path / "e.jsonl"
    write_examples(path, taste(3))
    assert judge_examples(str(path), None) == learnable(taste(3))
    with pytest.raises(ValueError, match="too few conversations"):
        train_judge(taste(2), tmp_path, command="", seed=1, source=DataSource("planted", "none"))


def test_figures() -> None:
    assert (
        auc(np.array([1.0, 2.0, 3.0, 4.0], np.float32), np.array([0, 0, 1, 1], np.float32)) == 1.0
    )
    assert auc(np.array([1.0, 1.0], np.float32), np.array([0, 1], np.float32)) == 0.5
    assert logits(np.array([0.0, 0.5, 1.0])).tolist() == pytest.approx(
        [-6.907, 0.0, 6.907], abs=1e-3
    )
