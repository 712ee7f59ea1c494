"""An engine without models: it answers at once, and the same to the same question and seed.

For what stands above the models (the HTTP edge, the dialog, the store) and is measured or tested
without them. Its lines differ from one another as real candidates do, so that none is a repeat or
a twin of another to the output screen.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache

import numpy as np

from app.errors import Overloaded
from app.serving.batching.pending import Pending
from app.serving.contract import Vector
from app.serving.health import Health
from app.serving.load.law import Plan
from app.serving.screens.replies import Replies
from app.serving.screens.sentences import Sentences
from app.serving.versions.fleet import Held
from models.generator import Generation
from models.registry import INSTALLED
from models.reranker import RerankResult
from retrieval.retriever import Hit

DIMENSION = 384  # as MiniLM's vectors have
# A line takes one of each; no two lines of a slate share more than a part or two.
_PARTS = (
    ("Oh,", "Well,", "Honestly,", "You know,", "Hm,", "Ah,", "Come to think of it,", "Right,"),
    (
        "a slow morning", "that old song", "your garden", "the last bus home", "a warm kitchen",
        "the first snow", "a stubborn cat", "some good advice", "a borrowed book", "the night sky",
        "a crowded room", "fresh bread",
    ),
    (
        "does more for the mood", "says a lot about patience", "keeps its own time",
        "can turn a whole week around", "never waits for anybody", "asks for very little",
        "is worth every mile", "stays with people", "makes the evening shorter",
        "brings back the summer", "teaches you to listen",
    ),
    (
        "than most would admit.", "if you let it.", "once the noise stops.", "even on a Monday.",
        "when nobody is looking.", "after all that happened.", "and yet we forget.",
        "more often than not.", "in its quiet way.", "at least for a while.",
    ),
    (
        "How did it end?", "Who told you first?", "Would you go back?", "What came next?",
        "Do you miss it?", "Where was that?", "Did they laugh?", "May I hear more?",
        "Which part was hardest?", "When is the next one?", "Are you glad now?", "Who else knows?",
        "Shall we try it?",
    ),
)  # fmt: skip
_BANK = 512
_GENERATED = 8_192


def line(number: int) -> str:
    """A line that this number always gives."""
    rest = zlib.crc32(number.to_bytes(8, "big"))
    chosen = []
    for part in _PARTS:
        rest, place = divmod(rest, len(part))
        chosen.append(part[place])
    return " ".join(chosen)


class FakeEngine:
    """The engine's questions without a model: nothing waits, nothing is late."""

    sentences: Sentences | None = None
    replies: Replies | None = None

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
        self._draining = False
        self._bank = tuple(line(number) for number in range(_BANK))
        self._generated = tuple(
            Generation(line(_BANK + number), 24, -1.2, True) for number in range(_GENERATED)
        )
        self._vectors = _unit_rows(_BANK)

    @contextmanager
    def holding(self, wanted: Mapping[str, str]) -> Iterator[Held]:
        """Everybody's: there is only one version of anything."""
        named = {kind for kind, name in wanted.items() if name in (self.versions[kind], INSTALLED)}
        yield Held(self.versions, frozenset(named))

    def follow(
        self,
        named: Callable[[], Mapping[str, Sequence[str]]],
        stand_ins: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """Nothing can be loaded here."""

    def embed(self, texts: Sequence[str], deadline: float) -> Pending[list[Vector]]:
        """The vector of the line that a text is counted as."""
        return Pending.of([self._vectors[_place(text)] for text in texts])

    def retrieve(self, vector: Vector, k: int) -> list[Hit]:
        """Lines of a small bank, from a place that the vector names."""
        start = int(np.abs(vector).argmax())
        return [self._hit(start + i, i) for i in range(k)]

    def generate(
        self,
        turns: Sequence[str],
        facts: Sequence[str],
        *,
        n: int,
        seed: int,
        deadline: float,
        max_new_tokens: int | None = None,
        version: str | None = None,
    ) -> Pending[list[Generation]]:
        """`n` lines that the seed chooses, seldom met before."""
        start = seed % (_GENERATED - n)
        return Pending.of(list(self._generated[start : start + n]))

    def score(
        self,
        turns: Sequence[str],
        responses: Sequence[str],
        facts: Sequence[str],
        deadline: float,
        *,
        version: str | None = None,
    ) -> Pending[list[RerankResult | None]]:
        """A score that every text has of its own, the same at every turn."""
        return Pending.of([_score(response) for response in responses])

    def plan(self) -> Plan:
        """Always the same."""
        return self._plan

    @contextmanager
    def admission(self, *, source: str = "") -> Iterator[None]:
        """Counts requests; refuses those above the bound."""
        if self._in_flight >= self._in_flight_max:
            raise Overloaded(retry_after=1.0)
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    def health(self) -> Health:
        """Ready until it drains."""
        state = "draining" if self._draining else "serving"
        return Health(not self._draining, {"state": state, "in_flight": self._in_flight})

    def drain(self) -> None:
        """Not ready from now on."""
        self._draining = True

    def when_hung(self, act: Callable[[str], None]) -> None:
        """Nothing can hang here."""

    def close(self) -> None:
        """Nothing to end."""

    def _hit(self, place: int, rank: int) -> Hit:
        place %= _BANK
        return Hit(
            text=self._bank[place],
            entry_id=f"line-{place:03d}",
            reply=place % 4,
            tags=("topic:everyday", "feeling:calm", "kind:question"),
            score=0.8 - rank / 50,
            vector=self._vectors[place],
        )


def _place(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass")) % _BANK


@lru_cache(_BANK + _GENERATED)
def _score(text: str) -> RerankResult:
    share = zlib.crc32(text.encode("utf-8", "surrogatepass")) % 1000 / 1000
    heads = {"selection": share, "liked": 0.7 * share, "offensive": 0.01, "upvote": 0.8 * share}
    return RerankResult(heads, 0.8 * share - 0.005)


def _unit_rows(count: int) -> Vector:
    """Fixed random unit vectors, (count, DIMENSION) float32."""
    rows = np.random.default_rng(0).standard_normal((count, DIMENSION)).astype(np.float32)
    unit: Vector = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit
