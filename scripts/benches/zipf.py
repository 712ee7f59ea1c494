"""Messages that come again as people's do (Zipf), through the service's own cache.

The r-th most frequent of `universe` distinct messages comes with probability proportional to
r^-exponent. Its text is a function of r, so that no table of texts is kept. Keys are digests of
token ids, as in `app.serving.cache`: two spellings with the same ids are the same question.
"""

from __future__ import annotations

import struct
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from app.serving.batching.queue import Budget
from app.serving.byte_table import ByteTable, entry_bytes
from scripts.benches import texts
from scripts.benches.classifiers import Classifier, Tokens

_DIGEST_BYTES = 16
_MIX = (2_654_435_761, 40_503, 2_246_822_519)  # odd constants that spread ranks over words


@dataclass(frozen=True)
class Passed:
    """Seconds of each answered message, how many were found, and how long all of it took."""

    took: list[float]
    hits: int
    elapsed: float


class Traffic:
    """An endless sequence of messages."""

    def __init__(self, universe: int, exponent: float, tokenizer_file: str, seed: int) -> None:
        known = texts.words(tokenizer_file)
        self._words = [word for word, _ in known]
        self._ids = np.array([number for _, number in known], dtype=np.uint16)
        weights = np.arange(1, universe + 1, dtype=np.float64) ** -exponent
        self._reach = np.cumsum(weights) / weights.sum()
        lengths = texts.Lengths.read()
        order = np.argsort(lengths.tokens)
        self._lengths = lengths.tokens[order]
        self._length_reach = np.cumsum(lengths.counts[order]) / lengths.counts.sum()
        self._random = np.random.default_rng(seed)

    def ranks(self, n: int) -> list[int]:
        """The ranks of the next `n` messages, from 0."""
        found: list[int] = np.searchsorted(self._reach, self._random.random(n)).tolist()
        return found

    def messages(self, n: int) -> list[str]:
        """The next `n` messages."""
        return [" ".join([self._words[i] for i in self._places(rank)]) for rank in self.ranks(n)]

    def ids(self, rank: int, frame: tuple[int, int]) -> NDArray[np.uint16]:
        """The ids of the message of a rank, between those of `[CLS]` and `[SEP]`."""
        inner = self._ids[self._places(rank)]
        return np.concatenate([[frame[0]], inner, [frame[1]]]).astype(np.uint16)

    def _places(self, rank: int) -> NDArray[np.int64]:
        """Which words the message of a rank has; as many as the histogram gives that rank."""
        spread = ((rank + 1) * _MIX[0]) % 2**32 / 2**32
        size = int(self._lengths[np.searchsorted(self._length_reach, spread)]) - texts.FRAME
        at = np.arange(size, dtype=np.int64)
        mixed = ((rank + 1) * _MIX[1] + at * _MIX[2]) ^ (rank >> (at % 24))
        places: NDArray[np.int64] = (mixed >> 3) % len(self._words)
        return places


def key(ids: Sequence[int] | NDArray[np.uint16]) -> bytes:
    """A digest of ids."""
    return blake2b(np.asarray(ids, dtype=np.uint16).tobytes(), digest_size=_DIGEST_BYTES).digest()


def pack(score: float) -> bytes:
    """A score as the cache keeps it."""
    return struct.pack("d", score)


def cache_of(entries: int) -> ByteTable:
    """A cache with room for so many scores."""
    width = len(pack(0.0))
    return ByteTable(entries * entry_bytes(width), width)


def warm(
    cache: ByteTable, traffic: Traffic, messages: int, entries: int, frame: tuple[int, int]
) -> None:
    """Bring the cache to where `messages` messages would have, with 0 for every score."""
    recent: OrderedDict[int, None] = OrderedDict()
    for rank in traffic.ranks(messages):
        recent[rank] = None
        recent.move_to_end(rank)
        if len(recent) > entries:
            recent.popitem(last=False)
    for rank in recent:
        cache.put(key(traffic.ids(rank, frame)), pack(0.0))


def through_cache(
    model: Classifier,
    tokens: Tokens,
    messages: Sequence[str],
    cache: ByteTable,
    until: float,
    budget: Budget,
) -> Passed:
    """Each message is tokenised and looked up; a hit is answered at once.

    Misses are collected until as many wait as a batch holds; equal ones are asked once. It ends
    with the messages or the time.
    """
    began = time.monotonic()
    took: list[float] = []
    hits = longest = 0
    waiting: dict[bytes, list[float]] = {}
    missed: dict[bytes, str] = {}
    for text in messages:
        now = time.monotonic()
        if now >= until:
            break
        ids = tokens.rows([text])[0].ids
        digest = key(ids)
        if digest not in missed and cache.get([digest])[0] is not None:
            hits += 1
            took.append(time.monotonic() - now)
            continue
        waiting.setdefault(digest, []).append(now)
        missed.setdefault(digest, text)
        longest = max(longest, len(ids))
        if not budget.admits(len(missed) + 1, longest):
            scores = model.scores(list(missed.values()))
            for digest, score in zip(missed, scores, strict=True):
                cache.put(digest, pack(float(score)))
            now = time.monotonic()
            took += [now - arrived for each in waiting.values() for arrived in each]
            waiting, missed, longest = {}, {}, 0
    return Passed(took, hits, time.monotonic() - began)
