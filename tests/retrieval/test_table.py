"""A table finds what is near, whatever its kind, however its rows came in, wherever it lies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from retrieval import table
from retrieval.kinds import FLAT, HNSW, Kind, gpu_ivf, ivf
from retrieval.lists import Vectors
from tests.retrieval.helpers import DIMENSION, Held, nearest

LISTS = ivf(64, DIMENSION, 24)
ON_GPU = gpu_ivf(64, 24)
KINDS = pytest.mark.parametrize("kind", [FLAT, HNSW, LISTS, ON_GPU], ids=lambda kind: kind.name)


def answers(of: table.Table, queries: Vectors, k: int = 10) -> list[list[int]]:
    return [of.search(query, k)[1].tolist() for query in queries]


@KINDS
def test_recall_at_ten(kind: Kind, rows: Held, queries: Vectors) -> None:
    found = answers(table.build(rows, kind, threads=1), queries)
    truth = nearest(rows.all, queries, 10)
    recall = np.mean([len(set(f) & set(t)) for f, t in zip(found, truth, strict=True)]) / 10
    assert recall >= (1.0 if kind is FLAT else 0.95)


@KINDS
def test_built_in_chunks_equals_built_at_once(kind: Kind, rows: Held, queries: Vectors) -> None:
    in_chunks = table.build(rows, kind, threads=1)
    at_once = table.build(replace(rows, chunk=rows.size), kind, threads=1)
    assert in_chunks.size == at_once.size == rows.size
    assert answers(in_chunks, queries) == answers(at_once, queries)


@KINDS
def test_saved_and_loaded_it_is_searched_in_the_same_way(
    kind: Kind, rows: Held, queries: Vectors, tmp_path: Path
) -> None:
    built = table.build(rows, kind, threads=1)
    built.save(tmp_path / "t.faiss")
    loaded = table.load(tmp_path / "t.faiss", kind)
    assert (loaded.size, loaded.dimension) == (rows.size, DIMENSION)
    assert answers(loaded, queries) == answers(built, queries)


def test_the_parameters_of_the_kind_are_set_at_load(rows: Held, tmp_path: Path) -> None:
    table.build(rows, replace(LISTS, search="nprobe=1"), threads=1).save(tmp_path / "t.faiss")
    index = table.load(tmp_path / "t.faiss", LISTS)._index
    assert faiss.extract_index_ivf(index).nprobe == 24
    assert faiss.downcast_index(index).k_factor == 60


@KINDS
def test_rows_are_read_back_by_number(kind: Kind, rows: Held, tmp_path: Path) -> None:
    table.build(rows, kind, threads=1).save(tmp_path / "t.faiss")
    numbers = np.array([rows.size - 1, 0, 1_234])
    read = table.load(tmp_path / "t.faiss", kind).rows(numbers)
    exact = kind in (FLAT, HNSW)
    np.testing.assert_allclose(read, rows.all[numbers], atol=0 if exact else 5e-3)


def test_a_build_leaves_the_number_of_threads_as_it_was(rows: Held, queries: Vectors) -> None:
    faiss.omp_set_num_threads(2)
    built = table.build(rows, FLAT, threads=1)
    assert faiss.omp_get_max_threads() == 2
    built.search(queries[0], 3)
    assert faiss.omp_get_max_threads() == 1, "the hub's thread searches alone"


class FakeGpu:
    """FAISS with a GPU: the copy is a clone, and is counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, gpus: int) -> None:
        self.copies: list[Any] = []
        monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
        monkeypatch.setattr(faiss, "get_num_gpus", lambda: gpus, raising=False)
        monkeypatch.setattr(faiss, "index_cpu_to_all_gpus", self._copy, raising=False)

    def _copy(self, index: Any) -> Any:
        self.copies.append(faiss.clone_index(index))
        return self.copies[-1]


@KINDS
def test_a_gpu_searches_the_kinds_that_it_can(
    kind: Kind, rows: Held, queries: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_cpu = table.build(rows, kind, threads=1)
    gpu = FakeGpu(monkeypatch, gpus=1)
    assert table.has_gpu()
    built = table.build(rows, kind, threads=1)
    assert built._searched is (gpu.copies[0] if kind.gpu else built._index)
    assert len(gpu.copies) == (1 if kind.gpu else 0)
    assert answers(built, queries) == answers(on_cpu, queries)
    np.testing.assert_array_equal(built.rows(np.array([3])), on_cpu.rows(np.array([3])))


def test_faiss_for_gpus_without_one_stays_on_the_cpu(
    rows: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = FakeGpu(monkeypatch, gpus=0)
    table.build(rows, FLAT, threads=1)
    assert not table.has_gpu()
    assert gpu.copies == []
