"""A clock that tests turn, and a person who chats with the store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis

from app.domain import (
    Candidate,
    FactChange,
    Impression,
    Reply,
    Slate,
    Source,
    UserContext,
)
from app.settings import Settings
from app.store import ids
from app.store.contexts import BeginRequest, Begun, FinishRequest
from app.store.people import Person
from app.store.server.private_redis import PrivateRedis
from app.store.store import Store
from app.telemetry import Metrics


@dataclass
class Clock:
    """Unix seconds that pass only when told to."""

    now: float = field(default_factory=lambda: round(time.time(), 3))

    def __call__(self) -> float:
        return self.now

    def tick(self, seconds: float = 1.0) -> float:
        self.now = round(self.now + seconds, 3)
        return self.now


class Chat:
    """One person's client: builds the requests, so that a test says only what matters to it."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.person: Person = store.people.create()

    @property
    def user_id(self) -> str:
        return self.person.user_id

    @staticmethod
    def texts(context: UserContext) -> list[str]:
        return [turn.text for turn in context.turns]

    def begin(
        self,
        text: str = "hi there",
        conversation: str | None = None,
        keys: tuple[str, ...] = (),
        fingerprint: str = "body",
        crisis: bool = False,
    ) -> Begun:
        request = BeginRequest(
            self.user_id, self.person.generation, conversation, text, keys, fingerprint, crisis
        )
        return self.store.contexts.begin(request)

    def impression(self, context: UserContext, text: str = "hello", **slate: Any) -> Impression:
        now = self.clock()
        variants = slate.setdefault("variants", {})
        candidates = (
            Candidate("a", text, Source.GENERATOR, {"sample": 1}, ("small-talk",), score=0.5),
            Candidate("b", f"not {text}", Source.RETRIEVAL, {"entry": "e1"}, propensity=0.05),
        )
        return Impression(
            reply=Reply(
                ids.near(ids.REPLY, self.user_id, now),
                context.conversation_id,
                text,
                Source.GENERATOR,
                False,
                variants,
                now,
            ),
            user_id=self.user_id,
            turn_id=context.message.turn_id,
            context=tuple(self.texts(context)),
            slate=Slate(candidates, "a", 7, **slate),
        )

    def finish(
        self,
        context: UserContext,
        text: str = "hello",
        keys: tuple[str, ...] = (),
        facts: FactChange | None = None,
        crisis: bool = False,
        fingerprint: str = "body",
        **slate: Any,
    ) -> Reply:
        impression = self.impression(context, text, **slate)
        request = FinishRequest(
            context, impression, facts or FactChange(), keys, fingerprint, crisis
        )
        return self.store.contexts.finish(request)

    def say(
        self,
        text: str = "hi there",
        conversation: str | None = None,
        answer: str = "hello",
        **more: Any,
    ) -> Reply:
        keys = more.pop("keys", ())
        context = self.begin(text, conversation, keys).context
        return self.finish(context, answer, keys, **more)

    def turns(self, conversation: str) -> list[Any]:
        _, page = self.store.contexts.conversation(self.user_id, conversation, None, 10_000)
        return list(page.items)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(
    settings: Settings, metrics: Metrics, empty_redis: redis.Redis, clock: Clock
) -> Iterator[Store]:
    """As the shared one, with the test's clock."""
    opened = Store.open(settings, metrics, clock)
    yield opened
    opened.close()


@pytest.fixture
def chat(store: Store, clock: Clock) -> Chat:
    return Chat(store, clock)


@pytest.fixture
def new_chat(store: Store, clock: Clock) -> Any:
    """Makes further people."""
    return lambda: Chat(store, clock)


@pytest.fixture
def store_with(
    settings: Settings, metrics: Metrics, empty_redis: redis.Redis, clock: Clock
) -> Iterator[Any]:
    """Opens stores with some settings changed."""
    opened: list[Store] = []

    def open_store(**changes: Any) -> Store:
        opened.append(Store.open(settings.model_copy(update=changes), metrics, clock))
        return opened[-1]

    yield open_store
    for each in opened:
        each.close()


@pytest.fixture
def chat_with(store_with: Any, clock: Clock) -> Any:
    """A person on a store with some settings changed."""
    return lambda **changes: Chat(store_with(**changes), clock)


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[PrivateRedis]:
    """A running Redis of the test's own, to kill, freeze or configure."""
    server = PrivateRedis(tmp_path / "own")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def store_on(settings: Settings, metrics: Metrics, clock: Clock) -> Iterator[Any]:
    """Opens stores on another Redis."""
    opened: list[Store] = []

    def open_store(server: PrivateRedis, **changes: Any) -> Store:
        update = {"redis_url": server.url, **changes}
        opened.append(Store.open(settings.model_copy(update=update), metrics, clock))
        return opened[-1]

    yield open_store
    for each in opened:
        each.close()
