"""Lists found in two levels are as good as those that FAISS finds in one."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from retrieval.lists import Lists, Vectors, fill
from tests.retrieval.helpers import DIMENSION, Held, gathered, nearest


def test_centroids_are_as_many_as_asked_for_and_of_unit_length(rows: Held) -> None:
    centroids = Lists.learn(rows.all, 100).centroids
    assert centroids.shape == (100, DIMENSION)
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-5)


def test_centroids_are_nearly_as_close_as_one_level_makes_them(rows: Held) -> None:
    one = faiss.Kmeans(DIMENSION, 100, niter=10, spherical=True, seed=1, min_points_per_centroid=1)
    one.train(rows.all)
    two = Lists.learn(rows.all, 100)
    fresh = gathered(1_000, seed=3)
    closeness = [(fresh @ c.T).max(axis=1).mean() for c in (one.centroids, two.centroids)]
    assert closeness[1] > 0.95 * closeness[0]


def test_a_row_gets_its_nearest_list_almost_always(rows: Held) -> None:
    lists = Lists.learn(rows.all, 100)
    exact = (rows.all @ lists.centroids.T).argmax(axis=1)
    assert (lists.assign(rows.all) == exact).mean() > 0.9


def test_as_many_lists_as_rows_are_the_rows_themselves() -> None:
    few = gathered(9, seed=4)
    lists = Lists.learn(few, 9)
    assert sorted(map(tuple, lists.centroids)) == sorted(map(tuple, few))


def test_fewer_rows_than_lists_are_refused() -> None:
    with pytest.raises(ValueError, match="10 lists cannot be learned from 9 rows"):
        Lists.learn(gathered(9, seed=4), 10)


@pytest.mark.parametrize("codes", ["SQ8", "PQ16x4fs", "PQ16x4fs,Refine(SQ8)", "Flat"])
def test_what_is_filled_answers_like_what_faiss_fills(
    codes: str, rows: Held, queries: Vectors
) -> None:
    truth = nearest(rows.all, queries, 10)
    recalls = []
    for ours in (True, False):
        index = faiss.index_factory(DIMENSION, f"IVF32,{codes}", faiss.METRIC_INNER_PRODUCT)
        if ours:
            fill(index, rows.all, rows.chunks(), 32)
        else:
            index.train(rows.all)
            index.add(rows.all)
        faiss.ParameterSpace().set_index_parameter(index, "nprobe", 32)  # all: codes alone decide
        found = index.search(queries, 10)[1]
        recalls.append(np.mean([len(set(f) & set(t)) for f, t in zip(found, truth, strict=True)]))
        assert index.ntotal == rows.size
    assert recalls[0] == pytest.approx(recalls[1], abs=0.5), "of ten"
