"""One searchable matrix of unit vectors: built in chunks, searched by one thread, on a GPU if any.

With `retrieval.lists`, all that speaks to FAISS.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import faiss
import numpy as np

from retrieval import lists
from retrieval.kinds import Kind
from retrieval.lists import Numbers, Vectors

FAISS_VERSION: str = faiss.__version__


class Rows(Protocol):
    """A matrix of unit vectors (size, dimension), float32, that need not fit in memory."""

    @property
    def size(self) -> int:
        """How many rows."""

    @property
    def dimension(self) -> int:
        """How long each is."""

    def chunks(self) -> Iterator[Vectors]:
        """All rows in order, a part at a time."""

    def sample(self, count: int) -> Vectors:
        """`count` rows drawn evenly from all, or all where there are fewer."""


class Table:
    """Rows that can be searched by inner product, and read back by number."""

    def __init__(self, index: faiss.Index, kind: Kind) -> None:
        self.kind = kind
        if kind.lists and not kind.refined:
            # Rows lie in their lists: a map from number to list is what reads one back.
            faiss.extract_index_ivf(index).make_direct_map()
        self._index = index
        self.tune(kind.search)
        self._searched = _on_device(index, kind)

    def tune(self, search: str) -> None:
        """Set search parameters, as `Kind.search` has them; a copy on a GPU keeps what it had."""
        for name, _, value in (setting.partition("=") for setting in search.split(",") if setting):
            faiss.ParameterSpace().set_index_parameter(self._index, name, float(value))

    @property
    def size(self) -> int:
        """How many rows there are."""
        return int(self._index.ntotal)

    @property
    def dimension(self) -> int:
        """The length of a row."""
        return int(self._index.d)

    def search(self, vector: Vectors, k: int) -> tuple[Vectors, Numbers]:
        """Inner products and numbers of the `k` rows nearest to `vector` (dimension,), best first.

        A number is -1 where fewer than `k` rows were met. One thread is used: the hub's own,
        where a search of one vector is over sooner than a team of threads has gathered.
        """
        faiss.omp_set_num_threads(1)
        scores, numbers = self._searched.search(vector[None, :], k)
        return scores[0], numbers[0]

    def rows(self, numbers: Numbers) -> Vectors:
        """(n, dimension) the rows of these numbers, as exactly as the kind stores them."""
        rows: Vectors = self._index.reconstruct_batch(numbers)
        return rows

    def save(self, path: Path) -> None:
        """Write the index, without its search parameters, which belong to the kind."""
        faiss.write_index(self._index, str(path))


def build(rows: Rows, kind: Kind, threads: int = 0) -> Table:
    """Index `rows` chunk by chunk, with `threads` threads (0: as many as there are cores).

    Beside the index only one chunk stands in memory, and while training the kind's sample.
    """
    with _threads(threads):
        index = faiss.index_factory(rows.dimension, kind.factory, faiss.METRIC_INNER_PRODUCT)
        if kind.lists:
            lists.fill(index, rows.sample(kind.sample), rows.chunks(), kind.lists)
        else:
            for chunk in rows.chunks():
                index.add(np.ascontiguousarray(chunk))
    return Table(index, kind)


def load(path: Path, kind: Kind) -> Table:
    """Open what `Table.save` wrote. Raises RuntimeError when FAISS cannot read it."""
    return Table(faiss.read_index(str(path)), kind)


def has_gpu() -> bool:
    """Whether this FAISS searches on a GPU, and there is one."""
    return hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() > 0


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count or len(os.sched_getaffinity(0)))
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _on_device(index: faiss.Index, kind: Kind) -> faiss.Index:
    """The index itself, or its copy on the GPUs for a kind that FAISS has there."""
    if kind.gpu and has_gpu():
        return faiss.index_cpu_to_all_gpus(index)
    return index
