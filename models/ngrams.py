"""Hashed word and character n-grams: how the small linear readers see a text.

A text becomes numbers of buckets, one for each n-gram, without a vocabulary (feature hashing:
Weinberger et al., 2009): nothing that anybody wrote is kept in the weights' folder, and a word that
was never seen still shares its letters with those that were. Numpy alone, a tenth of a millisecond;
the cost grows with the length of the text, whatever stands in it.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]
_Hashes = NDArray[np.uint64]

CHARACTERS_MAX = 4_000  # of a text; what comes behind is not read
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ / golden ratio: spreads neighbours (Knuth, 6.4)
_STEP = np.uint64(0xD6E8FEB86659FD93)
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[^\w\s]|_+")
_SPACES = re.compile(r"\s+")
_REPEATED = re.compile(r"(\w)\1{2,}")


def fold(text: str) -> str:
    """Lower case, compatible forms as one, no accents, single spaces, no letter three times."""
    text = text[:CHARACTERS_MAX].casefold()
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.replace("\u2019", "'"))
        text = "".join(c for c in text if not unicodedata.combining(c))[:CHARACTERS_MAX]
    return _REPEATED.sub(r"\1\1", _SPACES.sub(" ", text)).strip()


@dataclass(frozen=True, slots=True)
class Ngrams:
    """The n-grams that are taken of a text; written beside the weights that were trained with it.

    `bits`: 2^bits buckets. `words`: word n-grams of 1 to so many, and pairs with one word between
    them. `least` to `most`: lengths of character n-grams, which cross word borders.
    """

    bits: int = 16
    words: int = 3
    least: int = 3
    most: int = 5

    @property
    def buckets(self) -> int:
        """How many numbers there are."""
        return 1 << self.bits

    def of(self, text: str, words: str | None = None) -> tuple[IntArray, FloatArray]:
        """The buckets (n,) of a text and the value (n,) of each; a bucket may come twice.

        Characters are taken of `text`, words of `words` where it is given: a caller that has a
        plainer spelling of the same text may give it. Each of the two has length 1 in all, so that
        the words are heard beside the many characters. An empty text has no n-grams.
        """
        folded = fold(text)
        parts = (
            self._of_characters(f" {folded} " if folded else ""),
            self._of_words(_TOKEN.findall(folded) if words is None else words.split()),
        )
        ids = np.concatenate(parts)
        sizes = [part.size for part in parts]
        weight = [1.0 / max(size, 1) ** 0.5 for size in sizes]
        return ids, np.repeat(np.array(weight, dtype=np.float32), sizes)

    def _of_characters(self, text: str) -> IntArray:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        return self._chains(codes.astype(np.uint64), self.least, self.most, salt=0)

    def _of_words(self, words: list[str]) -> IntArray:
        words = words[:CHARACTERS_MAX]
        codes = np.array(
            [zlib.crc32(word.encode("utf-8", "surrogatepass")) for word in words], dtype=np.uint64
        )
        chains = self._chains(codes, 1, self.words, salt=64)
        if codes.size < 3:
            return chains
        apart = (codes[:-2] * _STEP) ^ (codes[2:] + np.uint64(1))
        return np.concatenate((chains, self._buckets(apart, 128)))

    def _chains(self, codes: _Hashes, least: int, most: int, salt: int) -> IntArray:
        """Every run of `least` to `most` neighbours, hashed; each length apart from the others."""
        found: list[IntArray] = []
        hashes = codes + np.uint64(1)
        for length in range(1, min(most, codes.size) + 1):
            if length > 1:
                hashes = hashes[:-1] * _STEP + codes[length - 1 :] + np.uint64(1)
            if length >= least:
                found.append(self._buckets(hashes, salt + length))
        return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)

    def _buckets(self, hashes: _Hashes, salt: int) -> IntArray:
        mixed = (hashes ^ np.uint64(salt * 0x2545F4914F6CDD1D % 2**64)) * _MULTIPLIER
        mixed = (mixed ^ (mixed >> np.uint64(29))) * _STEP
        return (mixed >> np.uint64(64 - self.bits)).astype(np.int64)
