"""The choice follows scores and filters, explores with known odds, and can be made again."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dialog.policy import EXPLORED, next_best, select
from app.domain import Candidate, Source


def candidate(
    number: int,
    score: float | None,
    *,
    filters: tuple[str, ...] = (),
    source: Source = Source.RETRIEVAL,
    retrieval: float | None = None,
) -> Candidate:
    return Candidate(
        candidate_id=f"c{number}",
        text=f"line {number}",
        source=source,
        score=score,
        filters=filters,
        retrieval_score=retrieval,
    )


SLATES = st.lists(
    st.tuples(
        st.one_of(st.none(), st.floats(-1, 2)),
        st.sampled_from([(), ("repeat",)]),
        st.sampled_from([Source.RETRIEVAL, Source.GENERATOR]),
    ),
    max_size=12,
).map(
    lambda rows: [
        candidate(i, score, filters=filters, source=source, retrieval=i / 20)
        for i, (score, filters, source) in enumerate(rows)
    ]
)


def test_without_exploration_the_best_is_chosen() -> None:
    choice = select([candidate(1, 0.2), candidate(2, 0.7)], seed=1, exploration=0.0)
    assert choice.chosen is not None
    assert choice.chosen.candidate_id == "c2"
    assert [c.propensity for c in choice.candidates] == [0.0, 1.0]


def test_a_filtered_candidate_is_never_chosen() -> None:
    slate = [candidate(1, 0.9, filters=("offensive",)), candidate(2, 0.1)]
    assert all(
        (chosen := select(slate, seed=seed, exploration=0.5).chosen) is not None
        and chosen.candidate_id == "c2"
        for seed in range(50)
    )


def test_without_scores_only_the_reviewed_bank_speaks() -> None:
    slate = [
        candidate(1, None, source=Source.GENERATOR),
        candidate(2, None, retrieval=0.4),
        candidate(3, None, retrieval=0.6),
    ]
    choice = select(slate, seed=3, exploration=0.5)
    assert choice.chosen is not None
    assert choice.chosen.candidate_id == "c3"
    assert not choice.explored


def test_exploration_happens_as_often_as_its_propensities_say() -> None:
    slate = [candidate(i, i / 20) for i in range(8)]
    choices = [select(slate, seed=seed, exploration=0.4) for seed in range(4_000)]
    counts = Counter(c.chosen.candidate_id for c in choices if c.chosen)
    for c in choices[0].candidates:
        assert counts[c.candidate_id] / len(choices) == pytest.approx(c.propensity, abs=0.03)


@given(SLATES, st.integers(0, 2**53), st.floats(0, 0.5))
def test_every_choice_is_lawful_and_repeatable(
    slate: list[Candidate], seed: int, exploration: float
) -> None:
    choice = select(slate, seed=seed, exploration=exploration)
    again = select(choice.candidates, seed=seed, exploration=exploration)
    assert again.chosen == choice.chosen
    allowed = [c for c in slate if not c.filters]
    if choice.chosen is None:
        assert not [c for c in allowed if c.score is not None or c.source is Source.RETRIEVAL]
    else:
        total = sum(c.propensity for c in choice.candidates)
        assert total == pytest.approx(1.0)
        assert choice.chosen.propensity >= 0
        assert sum(c.propensity > 0 for c in choice.candidates) <= EXPLORED
        assert choice.chosen.candidate_id in {c.candidate_id for c in allowed}


def test_the_next_best_was_not_shown_before() -> None:
    slate = [candidate(1, 0.9), candidate(2, 0.5), candidate(3, 0.7, filters=("twin",))]
    first = next_best(slate, ["c1"])
    assert first is not None
    assert first.candidate_id == "c2"
    assert next_best(slate, ["c1", "c2"]) is None
