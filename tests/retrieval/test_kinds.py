"""The kind of an index follows from its size alone."""

from __future__ import annotations

import faiss
import pytest

from retrieval.kinds import (
    FLAT,
    FLAT_ROWS,
    GPU_FLAT_ROWS,
    GRAPH_ROWS,
    HNSW,
    gpu_ivf,
    ivf,
    kind_for,
    lists_for,
)


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        (0, "flat"),
        (FLAT_ROWS, "flat"),
        (FLAT_ROWS + 1, "hnsw"),
        (GRAPH_ROWS, "hnsw"),
        (GRAPH_ROWS + 1, "ivf"),
        (10_000_000, "ivf"),
    ],
)
def test_on_a_cpu_exact_then_a_graph_then_lists(rows: int, name: str) -> None:
    assert kind_for(rows, 384).name == name


def test_on_a_gpu_only_what_faiss_has_there() -> None:
    sizes = (1, FLAT_ROWS + 1, GPU_FLAT_ROWS, GPU_FLAT_ROWS + 1, 10_000_000)
    kinds = [kind_for(rows, 384, gpu=True) for rows in sizes]
    assert [kind.name for kind in kinds] == ["flat"] * 3 + ["ivf-gpu"] * 2
    assert all(kind.gpu for kind in kinds)


def test_lists_grow_with_the_root_of_the_rows() -> None:
    assert [lists_for(rows) for rows in (10**5, 10**6, 10**7)] == [2048, 8192, 32768]
    assert lists_for(0) == 8


def test_there_are_always_enough_rows_to_learn_the_lists_from() -> None:
    for rows in (GRAPH_ROWS + 1, 10**6, 10**7):
        assert kind_for(rows, 384).lists < kind_for(rows, 384).sample <= rows


def test_what_is_not_learned_needs_no_sample() -> None:
    assert FLAT.sample == HNSW.sample == 0


@pytest.mark.parametrize("dimension", [384, 768, 62, 63])
def test_faiss_and_the_table_speak_of_the_same_index(dimension: int) -> None:
    for kind in (FLAT, HNSW, ivf(64, dimension, 4), gpu_ivf(64, 4)):
        index = faiss.index_factory(dimension, kind.factory, faiss.METRIC_INNER_PRODUCT)
        for setting in filter(None, kind.search.split(",")):
            name, value = setting.split("=")
            faiss.ParameterSpace().set_index_parameter(index, name, float(value))  # or it raises
        assert index.is_trained == (kind.lists == 0)
