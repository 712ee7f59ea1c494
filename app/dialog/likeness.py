"""When two lines are the same to a reader: letters and spaces aside, or nearly so."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

_NOT_WORD = re.compile(r"[^\w\s]|_", re.UNICODE)
_SPACE = re.compile(r"\s+")
_SHINGLE = 4  # characters
# The same for ASCII as tables of bytes, which take a tenth of the time.
_ASCII_LOWER = bytes(ord(" " if chr(i).isspace() else chr(i).lower()) for i in range(128)) + bytes(
    range(128, 256)
)
_ASCII_MARKS = bytes(i for i in range(128) if not (chr(i).isalnum() or chr(i).isspace()))

_BUCKETS = 512
_SHIFT = np.uint32(32 - 9)
_FACTORS = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F)  # odd, their bits well mixed
_ROUNDING = 1e-5


def plain(text: str) -> str:
    """Lower case, without punctuation, single spaces."""
    if text.isascii():
        words = text.encode("ascii").translate(_ASCII_LOWER, _ASCII_MARKS).split()
        return b" ".join(words).decode("ascii")
    return _SPACE.sub(" ", _NOT_WORD.sub("", text.casefold())).strip()


def shingles(line: str) -> frozenset[str]:
    """The character 4-grams of a plain text (Broder, 1997); of a shorter one, itself."""
    if len(line) <= _SHINGLE:
        return frozenset({line})
    return frozenset([line[i : i + _SHINGLE] for i in range(len(line) - _SHINGLE + 1)])


def resemblance(a: frozenset[str], b: frozenset[str]) -> float:
    """Jaccard likeness of two shingle sets, 0…1."""
    if not a or not b:
        return 0.0
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)


def bounds(lines: Sequence[str], first: int) -> NDArray[np.float32]:
    """What the resemblance of two plain lines is at most: (first, len(lines)), 0…1 or above.

    Shingles fall into buckets, all lines at once, and the buckets that two lines share are
    counted as bits: a fiftieth of the time that the sets take. It never says too little: shingles
    of one line that fall together are added to what it may share.
    """
    lengths = np.array([len(line) for line in lines])
    data = "".join(lines).encode("utf-32-le", "surrogatepass")
    letters = np.frombuffer(data, "<u4").astype(np.uint32, copy=False)
    if len(letters) < _SHINGLE:
        return np.ones((first, len(lines)), np.float32)
    owner = np.repeat(np.arange(len(lines)), lengths)
    buckets = _hashed(letters)
    inside = owner[:-3] == owner[3:]  # not from one line into the next
    flags = np.zeros((len(lines), _BUCKETS), np.bool_)
    flags[owner[:-3][inside], buckets[inside]] = True
    rows = np.packbits(flags, axis=1).view(np.uint64)
    # Counted in bits: a product of so few numbers would wake the threads of the BLAS.
    shared = _ones(rows[:first, None] & rows)
    held = _ones(rows)
    grams = np.maximum(lengths - _SHINGLE + 1, 0).astype(np.float32)
    together = np.maximum(held[:first, None] + held - shared, 1)
    most = (shared + (grams - held)[:first, None]) / together
    # Nor can it be more than the smaller set by the larger one.
    least = np.maximum(held, 1)
    most = np.minimum(most, np.minimum(grams[:first, None] / least, grams / least[:first, None]))
    short = lengths < _SHINGLE  # one set of its own: compared as it is
    most[short[:first], :] = 1
    most[:, short] = 1
    most += _ROUNDING
    bounded: NDArray[np.float32] = most
    return bounded


def _ones(bits: NDArray[np.uint64]) -> NDArray[np.float32]:
    """How many bits of each last axis are set."""
    count: NDArray[np.float32] = np.bitwise_count(bits).sum(axis=-1, dtype=np.float32)
    return count


def _hashed(letters: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The bucket of the shingle that begins at each letter but the last three."""
    count = len(letters) - _SHINGLE + 1
    mixed = np.zeros(count, np.uint32)
    for place, factor in enumerate(_FACTORS):
        mixed ^= letters[place : place + count] * np.uint32(factor)
    buckets: NDArray[np.uint32] = mixed >> _SHIFT
    return buckets


class Likenesses:
    """How alike the lines of one slate are, to each other and to `more` lines.

    Only what matters: likenesses of at least `least` (above 0). Bounds come first, so that a set
    of shingles is made only where two lines may be as alike as that.
    """

    def __init__(self, slate: Sequence[str], more: Sequence[str], least: float) -> None:
        self._lines = (*slate, *more)
        self._may_be: dict[int, list[int]] = {}  # place of the slate → places it may be like
        if slate:
            alike = bounds(self._lines, len(slate)) >= least
            for one, other in np.argwhere(alike).tolist():
                if one != other:
                    self._may_be.setdefault(one, []).append(other)
        self._set_of = cache(lambda place: shingles(self._lines[place]))

    def near(self, one: int, others: Collection[int], threshold: float) -> bool:
        """Whether the slate's line `one` resembles any of the others at least so much.

        Places count through the slate, then through `more`.
        """
        return any(
            resemblance(self._set_of(one), self._set_of(other)) >= threshold
            for other in self._may_be.get(one, ())
            if other in others
        )
