"""Vectors for the retrieval bench: real turns embedded once, jittered copies above their number.

The first rows are embeddings of distinct real turns; queries are turns of held-out dialogs that
are no stored turns. Above the number of real turns, rows are jittered copies: Gaussian noise with
the covariance of the real turns, so that a copy moves along the directions in which turns differ,
added to a real turn and normalised. A larger bank is a denser one: each doubling of the real turns
brings the nearest other turn closer by the same step, and the noise is scaled so that the median
cosine of a copy to its original lies where that line would be at the bank's size. Queries stay as
far from the bank as real ones are from the real turns, which is farther than in a real bank of
that size. Each chunk has a seed of its own, so that any chunk can be made again and none is kept.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.encoder import Encoder
from models.training.corpora import load_public, split_held_out

Vectors = NDArray[np.float32]
STORED, QUERIES = 60_000, 1_000
CHUNK = 20_000
_PROBES = 2_000  # real turns whose nearest other turn sets the jitter
_NEAREST_MOST = 0.95  # the line ends somewhere
_SEED = 20_240


def load_turns(dialogs: Path, cache: Path, stored: int = STORED) -> tuple[Vectors, Vectors]:
    """(stored, queries): unit rows of distinct real turns, from `cache` where they stand there.

    Args:
        dialogs: the folder of public dialogs (`models.training.corpora.PUBLIC_SOURCES`).
        cache: an .npz file, written by the first call and tied to the encoder's weights.

    Raises:
        FileNotFoundError: neither a cache of this encoder nor the dialogs are there.
    """
    encoder = Encoder.load("auto", device="cpu", threads=1)
    if cache.is_file():
        kept = np.load(cache)
        if str(kept["encoder"]) == encoder.version and len(kept["stored"]) >= stored:
            return kept["stored"][:stored], kept["queries"]
    train, held = split_held_out(load_public(dialogs))
    known = list(dict.fromkeys(turn for dialog in train for turn in dialog.turns))
    new = sorted({turn for dialog in held for turn in dialog.turns} - set(known))
    rng = random.Random(_SEED)
    texts = rng.sample(known, min(stored, len(known)))
    rows, queries = encoder.encode(texts), encoder.encode(rng.sample(new, min(QUERIES, len(new))))
    cache.parent.mkdir(parents=True, exist_ok=True)
    np.savez(cache, stored=rows, queries=queries, encoder=encoder.version)
    return rows, queries


@dataclass(frozen=True)
class Bank:
    """`size` unit rows over `real` ones, made chunk by chunk; `cosine` of a copy, its median."""

    real: Vectors
    size: int
    mixing: Vectors  # (dimension, dimension): white noise → noise with the turns' covariance
    cosine: float

    @property
    def dimension(self) -> int:
        """The length of a row."""
        return int(self.real.shape[1])

    @classmethod
    def of(cls, real: Vectors, size: int) -> Bank:
        """A bank of `size` rows; the jitter is fitted to the whole of `real`."""
        nearest = expected_nearest(real, size)
        mixing = np.linalg.cholesky(np.cov(real.T) + 1e-9 * np.eye(real.shape[1]))
        low, high = 0.0, 8.0
        for _ in range(24):  # the median cosine falls as the scale grows
            scale = (low + high) / 2
            copies = _jitter(real[:_PROBES], (scale * mixing).astype(np.float32), _SEED)
            close = float(np.median(np.sum(copies * real[:_PROBES], axis=1))) > nearest
            low, high = (scale, high) if close else (low, scale)
        return cls(real[:size], size, (low * mixing).astype(np.float32), nearest)

    def chunks(self) -> Iterator[Vectors]:
        """All rows in order, `CHUNK` at most at a time; the same on every call."""
        for start in range(0, self.size, CHUNK):
            yield self.rows(start, min(start + CHUNK, self.size))

    def rows(self, start: int, stop: int) -> Vectors:
        """Rows start…stop, where `start` begins a chunk: real turns first, copies after them."""
        numbers = np.arange(start, stop)
        out = self.real[numbers % len(self.real)].copy()
        copies = numbers >= len(self.real)
        if copies.any():
            out[copies] = _jitter(out[copies], self.mixing, _SEED + start)
        return out

    def sample(self, count: int) -> Vectors:
        """At most `count` rows to train an index from: whole chunks, evenly over the bank."""
        starts = np.arange(0, self.size, CHUNK)
        number = min(len(starts), max(1, count // CHUNK))
        chosen = starts[np.linspace(0, len(starts) - 1, number, dtype=int)]
        parts = [self.rows(int(start), min(int(start) + CHUNK, self.size)) for start in chosen]
        return np.concatenate(parts)[:count]


def exact(bank: Bank, queries: Vectors, k: int) -> NDArray[np.int64]:
    """(queries, k) row numbers of the k highest inner products, by comparing with every row."""
    best = np.full((len(queries), k), -np.inf, dtype=np.float32)
    rows = np.full((len(queries), k), -1, dtype=np.int64)
    start = 0
    for chunk in bank.chunks():
        scores = queries @ chunk.T
        for query in np.flatnonzero(scores.max(axis=1) > best[:, -1]):
            better = np.flatnonzero(scores[query] > best[query, -1])
            if len(better) > 10 * k:  # the first chunks: all of their rows are better
                top = np.argpartition(-scores[query, better], k)[:k]
                better = np.sort(better[top])
            values = np.concatenate([best[query], scores[query, better]])
            numbers = np.concatenate([rows[query], better + start])
            order = np.argsort(-values, kind="stable")[:k]
            best[query], rows[query] = values[order], numbers[order]
        start += len(chunk)
    return rows


def _jitter(rows: Vectors, mixing: Vectors, seed: int) -> Vectors:
    white = np.random.default_rng(seed).standard_normal(rows.shape, dtype=np.float32)
    out: Vectors = rows + white @ mixing.T
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    return out


def expected_nearest(real: Vectors, size: int) -> float:
    """The median cosine of a turn to its nearest other one, drawn on from `real` to `size` turns.

    A line through the logarithm of the number of turns, from a sixteenth of `real` and all of it.
    """
    few, all_ = _nearest_other(real[: max(2, len(real) // 16)]), _nearest_other(real)
    doublings = np.log2(max(1.0, size / len(real)))
    return min(_NEAREST_MOST, all_ + (all_ - few) / 4 * float(doublings))


def _nearest_other(real: Vectors) -> float:
    probes = real[:_PROBES]
    scores = probes @ real.T
    scores[np.arange(len(probes)), np.arange(len(probes))] = -1.0
    return float(np.median(scores.max(axis=1)))
