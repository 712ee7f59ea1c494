"""The real engine over a small part of the bank, shared by the dialog's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.dialog.companion import Companion
from app.dialog.pipeline import ChatRequest
from app.domain import Reply
from app.experiments.defaults import DEFAULT_FLAGS
from app.serving.engine import Engine
from app.settings import Settings
from app.store.people import Person
from app.store.store import Store
from app.telemetry import Metrics
from tests.app.dialog.talk import Say
from tests.own_data import write_part

ROOT = Path(__file__).parents[3]
LINES = 12  # of each file of the bank


@pytest.fixture(scope="session")
def engine_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("dialog")
    write_part(folder / "data", bank=LINES)
    return Settings(
        var_dir=folder / "var",
        data_dir=folder / "data",
        artifacts_dir=ROOT / "artifacts",
        chat_deadline_ms=30_000,
        gather_deadline_ms=15_000,
        rank_deadline_ms=10_000,
        candidates_pinned=4,
        new_tokens=12,
        exploration=0.0,
    )


@pytest.fixture(scope="session")
def engine(engine_settings: Settings) -> Iterator[Engine]:
    engine = Engine.open(engine_settings, Metrics())
    yield engine
    engine.close()


@pytest.fixture
def companion(store: Store, engine: Engine, engine_settings: Settings) -> Companion:
    return Companion(store, engine, engine_settings, Metrics())


@pytest.fixture
def person(store: Store) -> Person:
    for key, definition in DEFAULT_FLAGS.items():
        store.flags.put(key, definition)
    return store.people.create()


@pytest.fixture
def say(companion: Companion, person: Person) -> Say:
    def send(text: str, conversation: str | None = None, keys: tuple[str, ...] = ()) -> Reply:
        request = ChatRequest(
            person.user_id, person.generation, text, conversation, keys, fingerprint=f"fp:{text}"
        )
        return companion.reply(request)

    return send
