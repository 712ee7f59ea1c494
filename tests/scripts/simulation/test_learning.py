"""What an arm learns from: reactions as they stand, weighted by how likely they were to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.domain import Candidate, Impression, ReactionKind, Reply, Slate, Source
from models.checkpoint import ManifestError
from models.training.reranker.reactions.frozen import PairVectors
from scripts.simulation.learning import WEIGHT_MAX, examples_of, reranker_over, shuffled

SERVED = Path(__file__).parents[3] / "artifacts" / "reranker"


def impression(
    reaction: ReactionKind | None, propensity: float, chosen: str | None = "r0"
) -> Impression:
    candidates = (
        Candidate("r0", "So it rained?", Source.RETRIEVAL, propensity=propensity),
        Candidate("r1", "Rain it is.", Source.RETRIEVAL, propensity=1 - propensity),
    )
    return Impression(
        reply=Reply("reply", "talk", "So it rained?", Source.RETRIEVAL, False, {}, 1.0),
        user_id="u",
        turn_id="t",
        context=("hm", "rain again"),
        slate=Slate(candidates, chosen, 7),
        facts=("I like rain.",),
        reaction=reaction,
    )


@pytest.mark.parametrize(
    ("reaction", "label"),
    [
        (ReactionKind.LOVE, 1.0),
        (ReactionKind.FUNNY, 1.0),
        (ReactionKind.UPVOTE, 1.0),
        (ReactionKind.MEANINGLESS, 0.0),
        (ReactionKind.OFFENSIVE, 0.0),
        (ReactionKind.DOWNVOTE, 0.0),
    ],
)
def test_a_reaction_becomes_an_example(reaction: ReactionKind, label: float) -> None:
    (example,) = examples_of([impression(reaction, propensity=0.8)], {"u": "12"})
    assert example.head == "upvote"
    assert example.label == label
    assert example.context == ("hm", "rain again")
    assert example.response == "So it rained?"
    assert example.facts == ("I like rain.",)
    assert (example.rater, example.conversation) == ("12", "talk")
    assert example.weight == pytest.approx(1 / 0.8)


def test_what_was_explored_counts_more_but_not_without_bound() -> None:
    weights = [
        examples_of([impression(ReactionKind.LOVE, propensity)], {"u": "1"})[0].weight
        for propensity in (0.95, 0.5, 0.01, 0.0)
    ]
    assert weights == sorted(weights)
    assert weights[1] == pytest.approx(2.0)
    assert weights[2] == weights[3] == WEIGHT_MAX


def test_what_was_not_chosen_or_not_judged_is_no_example() -> None:
    silent = impression(None, 0.9)
    safety = impression(ReactionKind.UPVOTE, 0.9, chosen=None)
    assert examples_of([silent, safety], {"u": "1"}) == []


def test_shuffling_keeps_the_labels_and_loses_whose_they_are() -> None:
    kinds = [ReactionKind.LOVE, ReactionKind.DOWNVOTE]
    examples = examples_of([impression(kinds[i % 2], 0.9) for i in range(40)], {"u": "1"})
    mixed = shuffled(examples, seed=3)
    assert sum(e.label for e in mixed) == sum(e.label for e in examples)
    assert [e.label for e in mixed] != [e.label for e in examples]
    assert shuffled(examples, seed=3) == mixed
    assert [e.response for e in mixed] == [e.response for e in examples]


def test_a_model_over_another_bert_is_refused(tmp_path: Path) -> None:
    vectors = PairVectors.open(SERVED, runtime="torch", threads=1)
    assert reranker_over(SERVED, SERVED, vectors).version == vectors.version
    with pytest.raises(ManifestError):
        reranker_over(SERVED, tmp_path, vectors)
