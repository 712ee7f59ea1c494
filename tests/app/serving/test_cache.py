"""The caches: what they hold, in how many bytes, and that nobody's result is another's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.serving.byte_table import entry_bytes
from app.serving.cache import (
    Recall,
    ScoreCodec,
    VectorCodec,
    VersionedCodec,
    filled,
    unknown,
)
from app.serving.versions.fleet import Asked, Served
from app.telemetry import Metrics
from models.contracts import EncodeItem, RerankItem, RerankResult

MEGABYTE = 1 << 20
ids = st.lists(st.integers(0, 30_521), min_size=1, max_size=12).map(tuple)


def sample(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def pair(context: Sequence[int], response: Sequence[int], latest: int = 1) -> RerankItem:
    return RerankItem(tuple(context), tuple(response), latest, len(context) + len(response))


@dataclass
class Reranker:
    """Scores by ids; `broken` says which scores are no numbers."""

    broken: set[tuple[int, ...]] = field(default_factory=set)
    calls: list[list[RerankItem]] = field(default_factory=list)

    def run(self, items: list[RerankItem]) -> list[RerankResult]:
        self.calls.append(list(items))
        return [self.result(item) for item in items]

    def result(self, item: RerankItem) -> RerankResult:
        score = math.nan if item.response in self.broken else sum(item.response) / 7
        return RerankResult({"selection": score, "upvote": sum(item.context) / 3}, score)


def scores(capacity: int = MEGABYTE) -> tuple[Recall[RerankItem, RerankResult], Metrics]:
    metrics = Metrics()
    return Recall("reranker", ScoreCodec(), capacity, metrics), metrics


# The codecs


@given(st.lists(st.tuples(ids, ids, st.integers(1, 5)), min_size=1, max_size=8))
def test_pairs_have_one_key_only_if_they_are_equal(
    pairs: list[tuple[tuple[int, ...], tuple[int, ...], int]],
) -> None:
    keys = ScoreCodec().keys([pair(*one) for one in pairs])
    assert len(set(keys)) == len(set(pairs))
    assert keys == [ScoreCodec().keys([pair(*one)])[0] for one in pairs]  # whatever comes with it


def test_where_the_context_ends_matters() -> None:
    codec = ScoreCodec()
    assert codec.keys([pair([1, 2], [3])]) != codec.keys([pair([1], [2, 3])])


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=8))
def test_vectors_come_back_as_they_were(numbers: list[float]) -> None:
    codec, vector = VectorCodec(), np.array(numbers, np.float32)
    packed = codec.pack(vector)
    assert packed is not None
    again = codec.unpack(packed)
    assert again.dtype == np.float32
    assert np.array_equal(again, vector)
    assert not again.flags.writeable


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_not_packed(bad: float) -> None:
    assert VectorCodec().pack(np.array([0.5, bad], np.float32)) is None
    assert ScoreCodec().pack(RerankResult({"upvote": 0.5}, bad)) is None
    assert ScoreCodec().pack(RerankResult({"upvote": bad}, 0.5)) is None


def test_scores_of_other_heads_are_not_mistaken_for_these() -> None:
    codec = ScoreCodec()
    results = [RerankResult({"upvote": 0.5}, 0.25), RerankResult({"offensive": 0.5}, 0.75)]
    packed = [codec.pack(result) for result in results]
    assert [codec.unpack(one) for one in packed if one is not None] == results


def test_what_one_version_said_is_not_taken_for_anothers() -> None:
    class Model:
        def __init__(self, version: str) -> None:
            self.version = version

    codec = VersionedCodec(ScoreCodec())
    old, new = Served("aaa", Model("aaa")), Served("bbb", Model("bbb"))
    item = pair([1, 2], [3])
    keys = codec.keys([Asked(old, item), Asked(new, item), Asked(old, item)])
    assert keys[0] == keys[2] != keys[1]


# In front of a model


def test_what_was_computed_is_known() -> None:
    recall, metrics = scores()
    model = Reranker()
    run = recall.over(model.run)
    items = [pair([1, 2, 3], [n]) for n in range(4)]
    assert recall.known(items) == [None] * 4
    assert run(items[:3]) == [model.result(item) for item in items[:3]]
    assert recall.known(items) == [*map(model.result, items[:3]), None]
    assert recall.known([]) == []
    assert sample(metrics, "kindred_cache_lookups_total", cache="reranker", outcome="hit") == 3
    assert sample(metrics, "kindred_cache_lookups_total", cache="reranker", outcome="miss") == 5
    assert sample(metrics, "kindred_cache_bytes", cache="reranker") == 3 * entry_bytes(32)


def test_equal_items_are_computed_once_and_belong_to_their_caller() -> None:
    recall, metrics = scores()
    model = Reranker()
    run = recall.over(model.run)
    one, other = pair([1], [2]), pair([1], [3])
    results = run([one, other, one])
    assert model.calls == [[one, other]]
    assert results == [model.result(item) for item in (one, other, one)]
    results[0].heads["upvote"] = 9.0  # type: ignore[index]
    assert results[2].heads["upvote"] == 1 / 3
    assert recall.known([one]) == [model.result(one)]
    known = recall.known([one])[0]
    assert known is not None
    known.heads["upvote"] = 9.0  # type: ignore[index]
    assert recall.known([one]) == [model.result(one)]
    # Asked for before it was known, run after: it is not computed again.
    assert run([one, pair([1], [4])])[0] == model.result(one)
    assert model.calls[-1] == [pair([1], [4])]
    recall.known([one])
    assert sample(metrics, "kindred_cache_lookups_total", cache="reranker", outcome="shared") == 2


def test_what_is_no_number_is_computed_each_time() -> None:
    recall, _ = scores()
    model = Reranker(broken={(2,)})
    run = recall.over(model.run)
    items = [pair([1], [2]), pair([1], [3])]
    for _ in range(2):
        first, second = run(items)
        assert math.isnan(first.serving)
        assert second == model.result(items[1])
    assert recall.known(items) == [None, model.result(items[1])]
    assert model.calls == [items, items[:1]]


@pytest.mark.parametrize("answer", [None, [], [1, 2, 3]])
def test_a_wrong_number_of_results_is_an_error_and_keeps_nothing(answer: object) -> None:
    recall, _ = scores()
    run = recall.over(lambda items: answer)  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError, match="list of 2"):
        run([pair([1], [2]), pair([1], [3])])
    assert recall.known([pair([1], [2])]) == [None]


def test_an_error_of_the_model_passes_and_keeps_nothing() -> None:
    recall, _ = scores()

    def fail(items: list[RerankItem]) -> list[RerankResult]:
        raise SystemError("native")

    with pytest.raises(SystemError):
        recall.over(fail)([pair([1], [2])])
    assert recall.known([pair([1], [2])]) == [None]


def test_without_bytes_there_is_no_cache() -> None:
    recall, metrics = scores(0)
    model = Reranker()
    item = pair([1], [2])
    assert recall.over(model.run)([item, item]) == [model.result(item)] * 2
    assert model.calls == [[item, item]]
    assert recall.known([item]) == [None]
    assert sample(metrics, "kindred_cache_lookups_total", cache="reranker", outcome="miss") == 0


def test_vectors_are_recalled_and_evictions_counted() -> None:
    metrics = Metrics()
    recall = Recall("encoder", VectorCodec(), 5_000, metrics)
    items = [EncodeItem((n, n + 1)) for n in range(20)]
    run = recall.over(lambda some: [np.full(64, item.ids[0], np.float32) for item in some])
    run(items)
    known = recall.known(items)
    assert known[0] is None
    assert known[-1] is not None
    assert known[-1][0] == 19
    kept = sum(vector is not None for vector in known)
    assert sample(metrics, "kindred_cache_evictions_total", cache="encoder") == 20 - kept > 0


@given(st.lists(st.none() | st.integers(), max_size=10), st.integers(-3, 0))
def test_gaps_are_filled_in_order(known: list[int | None], lacking: int) -> None:
    gaps = [place for place, one in enumerate(known) if one is None]
    assert unknown(range(len(known)), known) == gaps
    computed = [1_000 + place for place in gaps]
    whole = filled(known, computed)
    assert [whole[place] for place in gaps] == computed
    assert all(one in (None, whole[place]) for place, one in enumerate(known))
    if gaps and lacking:
        with pytest.raises(ValueError, match="fewer"):
            filled(known, computed[:lacking])
