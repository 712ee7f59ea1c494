"""Unit vectors that gather around centres, as those of texts do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.lists import Vectors

DIMENSION = 64


@dataclass(frozen=True)
class Held:
    """Rows in memory, given out `chunk` at a time."""

    all: Vectors
    chunk: int

    @property
    def size(self) -> int:
        return len(self.all)

    @property
    def dimension(self) -> int:
        return int(self.all.shape[1])

    def chunks(self) -> Iterator[Vectors]:
        for start in range(0, self.size, self.chunk):
            yield self.all[start : start + self.chunk]

    def sample(self, count: int) -> Vectors:
        return self.all[:: max(1, self.size // count)][:count]


def gathered(rows: int, seed: int) -> Vectors:
    """(rows, DIMENSION) float32, unit length, around 200 centres, the same for all seeds."""
    centres = np.random.default_rng(0).standard_normal((200, DIMENSION))
    rng = np.random.default_rng(seed)
    out = centres[rng.integers(200, size=rows)] + 0.7 * rng.standard_normal((rows, DIMENSION))
    return (out / np.linalg.norm(out, axis=1, keepdims=True)).astype(np.float32)


def nearest(rows: Vectors, queries: Vectors, k: int) -> NDArray[np.int64]:
    """The exact answer."""
    return np.argsort(-(queries @ rows.T), axis=1, kind="stable")[:, :k]
