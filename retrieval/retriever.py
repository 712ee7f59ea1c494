"""From a vector to the replies of the bank that are worth ranking."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.corpus import Corpus
from retrieval.index import BankIndex

# How much each likeness counts: of the message to what people wrote before such a reply, and of
# the message to the reply itself. Contexts tell more; the reply breaks ties between entries.
CONTEXT_WEIGHT = 0.8
REPLY_WEIGHT = 0.2
_WIDTH = 4  # rows looked at for each hit wanted
_REPLIES_OF_ENTRY = 2  # of one entry's replies, at most so many are offered


@dataclass(frozen=True, slots=True)
class Hit:
    """A reply of the bank: its likeness (about -1…1) and its unit vector (dimension,) float32."""

    text: str
    entry_id: str
    reply: int
    tags: tuple[str, ...]
    score: float
    vector: NDArray[np.float32]


class Retriever:
    """Searches contexts and replies together, and offers the best replies of different entries."""

    def __init__(self, corpus: Corpus, index: BankIndex) -> None:
        self._corpus = corpus
        self._index = index
        self._context_entry = np.array([i for _, i in corpus.contexts])
        self._reply_text = [text for text, _ in corpus.replies]
        self._reply_entry = np.array([i for _, i in corpus.replies])
        # Replies stand in the order of their entries: entry e has rows first[e]…first[e + 1].
        self._first_reply = np.searchsorted(
            self._reply_entry, np.arange(len(corpus.entries) + 1)
        ).tolist()

    @property
    def version(self) -> str:
        """Changes with the bank and the encoder."""
        return self._index.version

    def search(self, vector: NDArray[np.float32], k: int) -> list[Hit]:
        """The `k` best replies for a context's unit vector (dimension,), best first."""
        likeness = self._context_likeness(vector, k)
        rows_of = [range(*self._first_reply[entry : entry + 2]) for entry in likeness]
        rows = [row for own in rows_of for row in own]
        vectors = self._index.replies.rows(np.array(rows, dtype=np.int64))
        reply_scores: list[float] = (vectors @ vector).tolist()
        scored: list[tuple[float, int]] = []  # and its place in `rows`
        place = 0
        for own, context_score in zip(rows_of, likeness.values(), strict=True):
            places = range(place, place := place + len(own))
            ranked = sorted(places, key=reply_scores.__getitem__, reverse=True)
            scored += [
                (CONTEXT_WEIGHT * context_score + REPLY_WEIGHT * reply_scores[at], at)
                for at in ranked[:_REPLIES_OF_ENTRY]
            ]
        scored.sort(reverse=True)
        return [self._hit(rows[place], score, vectors[place]) for score, place in scored[:k]]

    def _context_likeness(self, vector: NDArray[np.float32], k: int) -> dict[int, float]:
        """Entry number → its best context's likeness, for entries found by either search."""
        width = min(_WIDTH * k, self._index.contexts.size)
        scores, rows = self._index.contexts.search(vector, width)
        best: dict[int, float] = {}
        for score, row in zip(scores, rows, strict=True):
            if row >= 0:
                best.setdefault(int(self._context_entry[row]), float(score))
        floor = min(best.values(), default=0.0)
        _, reply_rows = self._index.replies.search(vector, min(k, len(self._reply_text)))
        for row in reply_rows:
            if row >= 0:  # found by its reply alone: its contexts are no closer than the floor
                best.setdefault(int(self._reply_entry[row]), floor)
        return best

    def _hit(self, row: int, score: float, vector: NDArray[np.float32]) -> Hit:
        entry_number = int(self._reply_entry[row])
        entry = self._corpus.entries[entry_number]
        return Hit(
            text=self._reply_text[row],
            entry_id=entry.entry_id,
            reply=row - self._first_reply[entry_number],
            tags=entry.tags,
            score=score,
            vector=vector,
        )
