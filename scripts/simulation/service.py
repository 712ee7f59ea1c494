"""The service that simulated people talk to: the real dialog, store and engine of one arm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from app.dialog import choosing
from app.dialog.companion import Companion
from app.dialog.pipeline import ChatRequest
from app.domain import Impression, ReactionEvent, ReactionKind
from app.experiments.defaults import DEFAULT_FLAGS
from app.serving.engine import Engine
from app.serving.versions.indexing import load_retriever
from app.serving.versions.loading import Models, load_encoder
from app.settings import Settings
from app.store.people import Person
from app.store.server.private_redis import PrivateRedis
from app.store.store import Store
from app.telemetry import Metrics
from models.contracts import RerankerModel

_PAGE = 200
_TASTE = "personal-taste"
_UNHURRIED: Mapping[str, int] = {
    "chat_deadline_ms": 60_000,
    "gather_deadline_ms": 50_000,
    "rank_deadline_ms": 50_000,
    "finish_deadline_ms": 10_000,
}


def settings_for(var: Path, data: Path, exploration: float, threads: int) -> Settings:
    """Settings of a simulation: no generator, nothing late, nothing from the environment."""
    return Settings(
        _env_prefix="KINDRED_SIMULATION_",
        REDIS_URL="",
        var_dir=var,
        data_dir=data,
        artifacts_dir=Path(__file__).resolve().parents[2] / "artifacts",
        candidates_max=0,
        exploration=exploration,
        threads=threads,
        cache_mb=32,
        in_flight_max=8,
        **_UNHURRIED,
    )


def shared_models(settings: Settings, reranker: RerankerModel) -> Models:
    """Encoder and index for all arms; the index is kept in `var_dir`."""
    encoder = load_encoder(settings)
    return Models(encoder, reranker, None, load_retriever(settings, encoder))


@dataclass(frozen=True)
class Shown:
    """A reply that a simulated person was given; not `ranked` where safety or a fallback spoke."""

    reply_id: str
    conversation_id: str
    text: str
    ranked: bool
    explored: bool


class Chance:
    """Stands for `secrets` in the pipeline, so that a simulation can be repeated."""

    def __init__(self) -> None:
        self.luck = Random(0)

    def randbits(self, bits: int) -> int:
        """As `secrets.randbits`, by the luck that is in force."""
        return self.luck.getrandbits(bits)


class SimulatedService:
    """One arm's service with its own Redis, from empty."""

    def __init__(self, settings: Settings, models: Models, chance: Chance, *, taste: bool) -> None:
        self.settings, self.models = settings, models
        self.store = Store.open(settings, Metrics())
        self._chance = chance
        self._engine: Engine | None = None
        if not taste:
            self.store.flags.put(_TASTE, {**DEFAULT_FLAGS[_TASTE], "defaultVariant": "off"})
        self.serve(models.reranker)

    @classmethod
    @contextmanager
    def open(cls, settings: Settings, models: Models, *, taste: bool) -> Iterator[SimulatedService]:
        """Start Redis and engine; everything ends with the block."""
        redis = PrivateRedis(settings.var_dir)
        with _seeded() as chance:
            try:
                settings = settings.model_copy(update={"redis_url": redis.start()})
                service = cls(settings, models, chance, taste=taste)
                try:
                    yield service
                finally:
                    service.close()
            finally:
                redis.stop()

    def serve(self, reranker: RerankerModel) -> None:
        """Answer with another reranker from now on."""
        if self._engine is not None:
            self._engine.close()
        metrics = Metrics()
        self.models = replace(self.models, reranker=reranker)
        self._engine = Engine(self.settings, metrics, self.models)
        self._engine.warm()
        self.companion = Companion(self.store, self._engine, self.settings, metrics)

    def newcomer(self) -> Person:
        """Somebody who was never here."""
        return self.store.people.create()

    def reply(self, person: Person, message: str, conversation: str | None, luck: Random) -> Shown:
        """Answer a message; `luck` is what the policy explores by."""
        self._chance.luck = luck
        request = ChatRequest(person.user_id, person.generation, message, conversation)
        reply = self.companion.reply(request)
        slate = self.store.impressions.find(reply.reply_id).slate
        if slate.late:
            raise RuntimeError(f"{', '.join(slate.late)} came late: nothing may in a simulation")
        return Shown(
            reply.reply_id,
            reply.conversation_id,
            reply.text,
            slate.chosen is not None,
            slate.explored,
        )

    def react(self, person: Person, shown: Shown, reaction: ReactionKind) -> None:
        """Keep a reaction as the service keeps everybody's."""
        self.companion.react(person.user_id, shown.reply_id, reaction, None)

    def judged(self) -> Iterator[Impression]:
        """Every impression with the reaction that it has now, once each, newest first."""
        cursor: str | None = None
        seen: set[str] = set()
        while True:
            page: Any = self.store.reactions.list(cursor=cursor, limit=_PAGE)
            events: list[ReactionEvent] = page.items
            for event in events:
                if event.reply_id in seen or event.impression is None:
                    continue
                seen.add(event.reply_id)
                if event.impression.reaction is not None:
                    yield event.impression
            cursor = page.next_cursor
            if cursor is None:
                return

    def close(self) -> None:
        """End engine and store."""
        if self._engine is not None:
            self._engine.close()
        self.store.close()


@contextmanager
def _seeded() -> Iterator[Chance]:
    """Within, choosing draws its seeds from a `Chance`."""
    real, chance = choosing.secrets, Chance()
    choosing.secrets = chance
    try:
        yield chance
    finally:
        choosing.secrets = real
