"""gain(N) by exact order statistics: against brute force over all subsets."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import Candidate, Source
from scripts.benches import gain


def brute_force(retrieved: float | None, draws: Sequence[float | None], n: int) -> float:
    """The best of each subset of n draws (None: may not be shown), averaged."""
    floor = 0.0 if retrieved is None else retrieved
    return statistics.fmean(
        max([floor, *(score for score in subset if score is not None)])
        for subset in itertools.combinations(draws, n)
    )


@settings(deadline=None)
@given(
    st.one_of(st.none(), st.floats(-1, 2)),
    st.lists(st.one_of(st.none(), st.floats(-1, 2)), min_size=5, max_size=8),
)
def test_the_curve_is_the_mean_over_all_subsets(
    retrieved: float | None, draws: list[float | None]
) -> None:
    shown = [score for score in draws if score is not None]
    found = gain.curve(retrieved, shown, len(draws), 5)
    assert found == pytest.approx([brute_force(retrieved, draws, n) for n in range(6)])
    assert all(b >= a - 1e-9 for a, b in itertools.pairwise(found))


def test_only_what_may_be_shown_and_has_a_score_counts() -> None:
    def one(source: Source, score: float | None, *filters: str) -> Candidate:
        return Candidate("c", "text", source, score=score, filters=filters)

    retrieved, generated = gain.split(
        [
            one(Source.RETRIEVAL, 0.4),
            one(Source.RETRIEVAL, 0.9, "repeat"),
            one(Source.RETRIEVAL, None),
            one(Source.GENERATOR, 0.7),
            one(Source.GENERATOR, 0.8, "unsure"),
        ]
    )
    assert (retrieved, generated) == (0.4, [0.7])
    assert gain.split([]) == (None, [])


def result() -> dict[str, Any]:
    values = [0.9 + n / 1_000 for n in range(11)]
    return {
        "machine": {
            "processor": "p",
            "extensions": [],
            "cores": 2,
            "python": "3",
            "versions": {},
            "date": "d",
        },
        "versions": {"generator": "g", "reranker": "r"},
        "prompts": 200,
        "drawn": 32,
        "retrieved": 10,
        "new_tokens": 40,
        "gain": values,
        "over_none": [gain.interval([value - 0.9] * 3) for value in values],
        "short": 0.9004,
        "cost_ms": [10.0 * n + 50 for n in range(11)],
    }


def test_the_artifact_is_what_serving_reads(tmp_path: Any) -> None:
    from app.serving.load.gain import load_gain
    from scripts.benches import report

    report.save(tmp_path / "gain.json", gain.artifact(result()))
    loaded = load_gain(tmp_path, {"generator": "g", "reranker": "r"})
    assert loaded.values == pytest.approx(result()["gain"])
    assert loaded.short == 0.9004


def test_the_table_and_the_pictures_show_worth_and_cost() -> None:
    text = gain.show(result())
    assert "| 10 | 0.9100 | +10.0 ± 0.0 | 1.00 | 150 |" in text
    (chart,) = gain.charts(result())
    over_n, over_cost = chart.panels
    assert list(over_n.series[0].xs) == list(range(11))
    assert list(over_cost.series[0].xs) == result()["cost_ms"]
