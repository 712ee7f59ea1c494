"""Rows on disk while an index is built: appended as they are made, read back in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from retrieval.lists import Vectors

_CHUNK = 16_384  # rows at a time: 25 MB at 384 dimensions
_SEED = 1234


class Spool:
    """A file of at most `size` float32 rows, removed when the block ends.

    The rows are mapped, not held: the system writes them out and drops them as memory is needed.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._capacity = size
        self._rows: Vectors | None = None
        self.size = 0

    @property
    def dimension(self) -> int:
        """The length of a row; 0 before the first."""
        return 0 if self._rows is None else int(self._rows.shape[1])

    def append(self, rows: Vectors) -> None:
        """Keep (n, dimension) rows. Raises ValueError when they are too many or too long."""
        if self.size + len(rows) > self._capacity:
            raise ValueError(f"the spool was made for {self._capacity} rows")
        if self._rows is None:
            shape = (self._capacity, rows.shape[1])
            self._rows = np.memmap(self._path, dtype=np.float32, mode="w+", shape=shape)
        self._rows[self.size : self.size + len(rows)] = rows
        self.size += len(rows)

    def part(self, start: int, stop: int) -> SpooledRows:
        """Rows start…stop, as `retrieval.table.build` takes them."""
        if self._rows is None:
            raise ValueError("nothing was spooled")
        return SpooledRows(self._rows[start:stop])

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._rows = None
        self._path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class SpooledRows:
    """A part of a spool, read as it is needed."""

    mapped: Vectors

    @property
    def size(self) -> int:
        """How many rows."""
        return len(self.mapped)

    @property
    def dimension(self) -> int:
        """How long each is."""
        return int(self.mapped.shape[1])

    def chunks(self) -> Iterator[Vectors]:
        """All rows in order, copied a chunk at a time."""
        for start in range(0, self.size, _CHUNK):
            yield np.array(self.mapped[start : start + _CHUNK])

    def sample(self, count: int) -> Vectors:
        """`count` rows drawn evenly from all, or all where there are fewer."""
        chosen = np.random.default_rng(_SEED).permutation(self.size)[:count]
        rows: Vectors = np.array(self.mapped[np.sort(chosen)])
        return rows
