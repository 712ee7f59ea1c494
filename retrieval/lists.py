"""Inverted lists over many rows: centroids and the rows' lists found in two levels.

With L lists, one level of k-means compares every row with L centroids, and so does adding a row
(or walks a graph over them, whose steps miss the cache). In two levels, √L groups first, both
compare with a few times √L: at 10⁷ rows minutes instead of hours, for lists that are nearly as
tight. What is built is an ordinary FAISS index; only the way to it is shorter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Numbers = NDArray[np.int64]
Inverted = Any  # an IndexIVF of some class: FAISS's stubs do not know what the classes add

_ROUNDS = 10  # of k-means
_SAMPLE_PER_CENTROID = 256  # more rows than this do not make a centroid better
_GROUPS_TRIED = 3  # of the groups nearest to a row, to find its list
_SEED = 1234


class Lists:
    """Centroids in groups: `centroids` (lists, dimension), and which is nearest to a row."""

    def __init__(self, heads: Vectors, groups: list[Vectors]) -> None:
        self.centroids = np.concatenate(groups)
        self._heads = _flat(heads)
        self._groups = [_flat(group) for group in groups]
        self._first = np.cumsum([0, *(len(group) for group in groups)])

    @classmethod
    def learn(cls, sample: Vectors, count: int) -> Lists:
        """`count` unit centroids of a sample of unit rows, by spherical k-means in two levels.

        Each group gets a share of the centroids by its share of the sample. Raises ValueError for
        a sample of fewer rows than centroids.
        """
        if len(sample) < count:
            raise ValueError(f"{count} lists cannot be learned from {len(sample)} rows")
        heads = _kmeans(sample, max(1, round(count**0.5)))
        group_of = _flat(heads).search(sample, 1)[1][:, 0]
        members = np.bincount(group_of, minlength=len(heads))
        bounds = np.rint(np.cumsum(members) * (count / len(sample))).astype(int)
        shares = np.diff(bounds, prepend=0)
        used = np.flatnonzero(shares)
        groups = [_kmeans(sample[group_of == group], int(shares[group])) for group in used]
        return cls(heads[used], groups)

    def assign(self, rows: Vectors) -> Numbers:
        """(n,) the number of each row's nearest centroid within its nearest groups."""
        tried = min(_GROUPS_TRIED, len(self._groups))
        near = self._heads.search(rows, tried)[1]
        best = np.full(len(rows), -np.inf, dtype=np.float32)
        lists = np.zeros(len(rows), dtype=np.int64)
        for group, index in enumerate(self._groups):
            here = np.flatnonzero((near == group).any(axis=1))
            if len(here):
                scores, numbers = index.search(rows[here], 1)
                better = scores[:, 0] > best[here]
                best[here[better]] = scores[better, 0]
                lists[here[better]] = numbers[better, 0] + self._first[group]
        return lists


def fill(index: faiss.Index, sample: Vectors, chunks: Iterable[Vectors], count: int) -> faiss.Index:
    """Train an empty inverted-file index of `count` lists, and add all rows to it.

    `index` is what `faiss.index_factory` made of `IVF…`, with `Refine(…)` or without; it is
    returned. Rows keep the numbers of their order.
    """
    lists = Lists.learn(sample, count)
    inverted: Inverted = faiss.downcast_index(faiss.extract_index_ivf(index))
    if not inverted.quantizer.is_trained:  # where the centroids are coded themselves
        inverted.quantizer.train(lists.centroids)
    inverted.quantizer.add(lists.centroids)  # now FAISS trains only what encodes rows
    index.train(sample)
    open_lists = _unpacked(inverted)
    refined = index.refine_index if isinstance(index, faiss.IndexRefine) else None
    for chunk in chunks:
        rows = np.ascontiguousarray(chunk)
        _append(open_lists, rows, lists.assign(rows))
        if refined is not None:
            refined.add(rows)
    if open_lists is not inverted:
        _pack(open_lists, inverted)
    index.ntotal = inverted.ntotal
    return index


def _append(inverted: Inverted, rows: Vectors, lists: Numbers) -> None:
    codes = np.empty((len(rows), inverted.coarse_code_size() + inverted.code_size), np.uint8)
    pointers = [faiss.swig_ptr(array) for array in (rows, lists, codes)]
    inverted.encode_vectors(len(rows), *pointers, True)
    inverted.add_sa_codes(codes, np.arange(inverted.ntotal, inverted.ntotal + len(rows)))


def _unpacked(inverted: Inverted) -> Inverted:
    """What rows with known lists can be added to: the index itself, or for 4-bit codes its twin.

    Codes that are scanned in registers lie in blocks of 32, which FAISS packs from a plain index.
    """
    if not isinstance(inverted, faiss.IndexIVFPQFastScan):
        return inverted
    codes = inverted.pq
    twin = faiss.IndexIVFPQ(
        inverted.quantizer, inverted.d, inverted.nlist, codes.M, codes.nbits, inverted.metric_type
    )
    twin.by_residual = inverted.by_residual
    twin.pq = codes
    twin.is_trained = True
    return twin


def _pack(plain: Inverted, into: Inverted) -> None:
    packed = faiss.IndexIVFPQFastScan(plain)
    into.replace_invlists(packed.invlists, True)
    packed.own_invlists = False
    into.ntotal = packed.ntotal


def _flat(rows: Vectors) -> faiss.IndexFlatIP:
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    return index


def _kmeans(rows: Vectors, count: int) -> Vectors:
    if len(rows) <= count:
        return rows
    kmeans = faiss.Kmeans(
        rows.shape[1],
        count,
        niter=_ROUNDS,
        spherical=True,
        seed=_SEED,
        min_points_per_centroid=1,
        max_points_per_centroid=_SAMPLE_PER_CENTROID,
    )
    kmeans.train(rows)
    return np.asarray(kmeans.centroids, dtype=np.float32)
