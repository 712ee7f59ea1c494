"""What stands between a batcher and its model's function."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry

from app.errors import ModelFailure
from app.serving.batching.batcher import Batcher
from app.serving.batching.queue import Budget
from app.serving.lanes import RerankSlate, slates
from app.telemetry import Metrics
from models.contracts import RerankItem, RerankResult

LOST = 13


def pair(number: int) -> RerankItem:
    return RerankItem((number,), (number,), 0, 1)


def run(pairs: Sequence[RerankItem]) -> list[RerankResult]:
    """Scores each pair by its number, but loses one."""
    return [RerankResult({}, float(one.context[0])) for one in pairs if one.context != (LOST,)]


def test_slates_are_scored_together_and_cut_apart() -> None:
    batch = [[pair(1), pair(2)], [], [pair(3)]]
    scored = slates(run)(batch)  # type: ignore[arg-type]
    assert [[one.serving for one in slate] for slate in scored] == [[1.0, 2.0], [], [3.0]]


@pytest.mark.parametrize("more", [-1, 1])
def test_another_number_of_scores_than_of_pairs_is_an_error(more: int) -> None:
    wrong = [RerankResult({}, 0.5)] * (3 + more)
    with pytest.raises(TypeError, match="no list of 3 results"):
        slates(lambda pairs: wrong)([[pair(1)], [pair(2), pair(3)]])


def test_only_the_slate_whose_score_is_lost_fails() -> None:
    batcher: Batcher[RerankSlate, list[RerankResult]] = Batcher(
        "toy", slates(run), Budget(100, 8), len, Metrics(CollectorRegistry())
    )
    try:
        batch = [[pair(1), pair(2)], [pair(LOST), pair(4)], [pair(5)], [pair(6), pair(7)]]
        outcomes = batcher.submit(batch, time.monotonic() + 30.0).wait()
    finally:
        batcher.close()
    assert [isinstance(outcome.error, ModelFailure) for outcome in outcomes] == [
        False,
        True,
        False,
        False,
    ]
    found = [[one.serving for one in outcomes[i].get()] for i in (0, 2, 3)]
    assert found == [[1.0, 2.0], [5.0], [6.0, 7.0]]
