"""Rewards: the served reranker as one number, and what is not a judge is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.checkpoint import ManifestError
from models.contracts import RerankResult
from models.reranker import Reranker
from models.training.examples import Example
from models.training.tuning.contexts import Context
from models.training.tuning.reward import RerankerReward, ScorerReward, logits, open_reward

ROOT = Path(__file__).resolve().parents[4]
ONE = Context("s", ("how was your day?",), ("I run.",))
TWO = Context("s", ("what do you cook on sundays?",))


class Asked:
    """A reranker that notes what it is asked; the longer response is the better."""

    version = "asked"

    def __init__(self) -> None:
        self.requests: list[tuple[tuple[str, ...], list[str], tuple[str, ...]]] = []

    def prepare(
        self, turns: tuple[str, ...], responses: list[str], facts: tuple[str, ...]
    ) -> list[str]:
        self.requests.append((turns, responses, facts))
        return responses

    def run(self, items: Sequence[str]) -> list[RerankResult]:
        return [RerankResult({"upvote": 1.0}, min(1.0, len(item) / 10)) for item in items]


class Heads:
    """A pair scorer with two heads, of which it says 0.2 and 0.8."""

    name, parameters = "heads", 0

    def __init__(self, *heads: str) -> None:
        self.heads = heads

    def score(self, examples: Sequence[Example]) -> NDArray[np.float32]:
        return np.tile(np.array([[0.2, 0.8]], np.float32), (len(examples), 1))


def test_the_responses_of_a_context_are_asked_for_together_and_stay_in_order() -> None:
    asked = Asked()
    reward = RerankerReward(asked)  # type: ignore[arg-type]
    texts = ["five.", "fivefive..", "f"]
    scores = reward.score([ONE, ONE, TWO], texts)
    assert asked.requests == [
        (ONE.turns, ["five.", "fivefive.."], ONE.facts), (TWO.turns, ["f"], ()),
    ]  # fmt: skip
    assert scores.tolist() == pytest.approx(logits(np.array([0.5, 1.0, 0.1])).tolist())
    assert reward.score([], []).shape == (0,)


def test_a_scorer_judges_by_the_head_that_is_named_or_upvote() -> None:
    assert ScorerReward(Heads("a", "upvote")).score([ONE], ["x"]) == pytest.approx(np.log(4.0))
    assert ScorerReward(Heads("a", "b")).score([ONE], ["x"]) == pytest.approx(-np.log(4.0))
    assert ScorerReward(Heads("a", "b"), "b").score([ONE], ["x"]) == pytest.approx(np.log(4.0))


def test_the_shipped_reranker_is_a_reward() -> None:
    reward = open_reward(str(ROOT / "artifacts" / "reranker"))
    fits, not_at_all = reward.score([TWO] * 2, ["mostly soup, it is easy to cook", "zzz qq"])
    assert fits > not_at_all
    assert reward.data
    (item,) = Reranker.load(ROOT / "artifacts" / "reranker").prepare(TWO.turns, ["soup"])
    assert item.response


def test_what_judges_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="judges nothing"):
        open_reward(str(ROOT / "artifacts" / "generator"))
    with pytest.raises(ManifestError):
        open_reward(str(tmp_path))
