"""An engine without models: it answers at once, and the same to the same question.

For what stands above the models (the HTTP edge, the dialog, the store) and is measured or tested
without them. Its lines differ from one another as real candidates do, so that none is a repeat or
a twin of another to the output screen.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from app.errors import Overloaded
from app.serving.contract import Vector
from app.serving.health import Health
from app.serving.load import Plan
from app.serving.pending import Pending
from models.generator import Generation
from models.reranker import RerankResult
from retrieval.retriever import Hit

DIMENSION = 384  # as MiniLM's vectors have
_OPENINGS = (
    "That sounds like a lot to carry in one day.",
    "Oh, I can picture that so well!",
    "It makes sense that you would see it this way.",
    "What a lovely thing to come home to.",
    "I have been thinking over what you said before.",
    "Some evenings are simply made for soup and a blanket.",
    "You put that into words better than most.",
    "Well, there goes the quiet weekend, then.",
    "Hm, that could mean several things.",
    "Small steps still take you up the hill.",
    "Rain on the window has a way of slowing time.",
    "A good question deserves a slow answer.",
    "Nobody gets through a move without losing one box.",
    "Let us call that a victory and celebrate.",
    "Your patience with them is worth a medal.",
    "Funny how music brings whole summers back.",
)
_CLOSINGS = (
    "How did you feel once it was over?",
    "Which part would you do again?",
    "Do tell me more about the garden.",
    "Who else knows about it by now?",
    "Would a short walk help to clear your head?",
    "Maybe tomorrow looks kinder already.",
    "Did anything surprise you along the way?",
    "And what does your sister make of this?",
    "Take your time, there is no hurry here.",
    "Where shall we begin, then?",
    "I would love to hear the whole story.",
    "What would make next week easier?",
    "Is there somebody who could lend a hand?",
    "Perhaps a cup of tea comes first.",
    "When did you last have a day off?",
    "Keep that thought, it is a good one.",
)
LINES = tuple(f"{one} {other}" for one, other in itertools.product(_OPENINGS, _CLOSINGS))
# Coprime to the number of lines: neighbours share neither their opening nor their closing.
_STRIDE = 37


class FakeEngine:
    """The engine's questions without a model: nothing waits, nothing is late."""

    def __init__(
        self, candidates: int = 10, new_tokens: int = 20, in_flight_max: int = 256
    ) -> None:
        self.versions: Mapping[str, str] = {
            "encoder": "fake-1",
            "reranker": "fake-1",
            "generator": "fake-1",
            "index": "fake-1",
        }
        self._plan = Plan(candidates, new_tokens)
        self._in_flight_max = in_flight_max
        self._in_flight = 0
        self._vectors = _unit_rows(len(LINES))

    def embed(self, texts: Sequence[str], deadline: float) -> Pending[list[Vector]]:
        """The vector of the line that a text is counted as."""
        return Pending.of([self._vectors[_place(text)] for text in texts])

    def retrieve(self, vector: Vector, k: int) -> list[Hit]:
        """Lines from a place that the vector names."""
        start = int(np.abs(vector).argmax()) * 7
        return [self._hit(start + i * _STRIDE, i) for i in range(k)]

    def generate(
        self,
        turns: Sequence[str],
        facts: Sequence[str],
        *,
        n: int,
        seed: int,
        deadline: float,
        max_new_tokens: int | None = None,
    ) -> Pending[list[Generation]]:
        """`n` lines from a place that the last turn names."""
        start = _place(turns[-1]) + len(LINES) // 2
        return Pending.of(
            [
                Generation(LINES[(start + i * _STRIDE) % len(LINES)], 18, -1.2 - i / 100, True)
                for i in range(n)
            ]
        )

    def score(
        self, turns: Sequence[str], responses: Sequence[str], facts: Sequence[str], deadline: float
    ) -> Pending[list[RerankResult | None]]:
        """A score that every text has of its own, the same at every turn."""
        return Pending.of([_score(response) for response in responses])

    def plan(self) -> Plan:
        """Always the same."""
        return self._plan

    @contextmanager
    def admission(self) -> Iterator[None]:
        """Counts requests; refuses those above the bound."""
        if self._in_flight >= self._in_flight_max:
            raise Overloaded(retry_after=1.0)
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    def health(self) -> Health:
        """Always ready."""
        return Health(True, {"state": "serving", "in_flight": self._in_flight})

    def close(self) -> None:
        """Nothing to end."""

    def _hit(self, place: int, rank: int) -> Hit:
        place %= len(LINES)
        return Hit(
            text=LINES[place],
            entry_id=f"line-{place:03d}",
            reply=place % 4,
            tags=("topic:everyday", "feeling:calm", "kind:question"),
            score=0.8 - rank / 50,
            vector=self._vectors[place],
        )


def _place(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass")) % len(LINES)


def _score(text: str) -> RerankResult:
    share = zlib.crc32(text.encode("utf-8", "surrogatepass")) % 1000 / 1000
    heads = {"selection": share, "liked": 0.7 * share, "offensive": 0.01, "upvote": 0.8 * share}
    return RerankResult(heads, 0.8 * share - 0.005)


def _unit_rows(count: int) -> Vector:
    """Fixed random unit vectors, (count, DIMENSION) float32."""
    rows = np.random.default_rng(0).standard_normal((count, DIMENSION)).astype(np.float32)
    unit: Vector = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit
