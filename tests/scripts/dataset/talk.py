"""People who chat and react through the real store, for tests of what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from app.domain import Candidate, FactChange, Impression, ReactionKind, Reply, Slate, Source
from app.store import ids
from app.store.contexts import BeginRequest, FinishRequest
from app.store.store import Store
from scripts.dataset import manifest as manifests

LIKE, LOVE, DISLIKE = ReactionKind.UPVOTE, ReactionKind.LOVE, ReactionKind.DOWNVOTE


@dataclass
class Clock:
    """Unix seconds that pass only when told to."""

    now: float = field(default_factory=lambda: round(time.time(), 3))

    def __call__(self) -> float:
        return self.now

    def tick(self, seconds: float = 1.0) -> float:
        self.now = round(self.now + seconds, 3)
        return self.now


class Talker:
    """One person, who says things, is answered from a slate of two, and reacts."""

    def __init__(self, store: Store, clock: Any = time.time) -> None:
        self.store, self.clock = store, clock
        self.person = store.people.create()
        self.conversation: str | None = None

    @property
    def user_id(self) -> str:
        return self.person.user_id

    def say(self, text: str, answer: str, source: Source = Source.GENERATOR) -> Reply:
        request = BeginRequest(self.user_id, self.person.generation, self.conversation, text)
        context = self.store.contexts.begin(request).context
        self.conversation = context.conversation_id
        candidates = (
            Candidate("g0", answer, source, {"t": 1}, (), None, -0.5, {"upvote": 0.7}, 0.1, 0.8),
            Candidate("r0", f"not {answer}", Source.RETRIEVAL, propensity=0.05, filters=("dull",)),
        )
        candidates = (candidates[0].with_(propensity=0.95), candidates[1])
        slate = Slate(
            candidates,
            "g0" if source in (Source.GENERATOR, Source.RETRIEVAL, Source.REMOTE) else None,
            seed=7,
            exploration=0.05,
            variants={"tone": "warm"},
            versions={"reranker": "abc"},
            timings_ms={"rank": 1.5},
            n=4,
        )
        reply = Reply(
            ids.near(ids.REPLY, self.user_id, self.clock()),
            context.conversation_id,
            answer,
            source,
            False,
            {"tone": "warm"},
            self.clock(),
        )
        texts = tuple(turn.text for turn in context.turns)
        impression = Impression(
            reply, self.user_id, context.message.turn_id, texts, slate, ("I like tea.",)
        )
        self.store.contexts.finish(FinishRequest(context, impression, FactChange()))
        return reply

    def react(self, reply: Reply, kind: ReactionKind = LIKE, comment: str | None = None) -> None:
        self.store.reactions.react(self.user_id, reply.reply_id, kind, comment)

    def retract(self, reply: Reply) -> None:
        self.store.reactions.retract(self.user_id, reply.reply_id)


def rows(folder: Path, kind: str) -> list[dict[str, Any]]:
    """The rows of a kind in the files that the manifest names."""
    manifest = manifests.load(folder)
    assert manifest is not None
    found: list[dict[str, Any]] = []
    for part in manifest.parts:
        if part.kind == kind:
            found += pq.read_table(folder / part.path, partitioning=None).to_pylist()
    return found


def event_ids(folder: Path) -> list[str]:
    """All event ids of a dataset, with repetitions."""
    kinds = ("events", "impressions", "feelings", "superseded")
    return [row["event_id"] for kind in kinds for row in rows(folder, kind)]


def stream_ids(redis: Any, partitions: int = 256) -> Iterator[str]:
    """All event ids that the streams hold."""
    for partition in range(partitions):
        for entry_id, _ in redis.xrange(f"kindred:{{p{partition:02x}}}:events"):
            yield f"{entry_id.decode()}-{partition:02x}"
