"""The real HTTP edge over the real store and models; a scripted companion for failures alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.dialog.companion import Companion
from app.experiments.defaults import DEFAULT_FLAGS
from app.serving.engine import Engine
from app.settings import Settings
from app.store.store import Store
from app.telemetry import Metrics
from app.web.register import register
from app.web.services import Services
from tests.app.web.helpers import ADMIN_KEY, JWT_SECRET, Admin, Edge, FixedHealth, Person, Script
from tests.own_data import write_part

ROOT = Path(__file__).parents[3]
LINES = 4  # of each file of the bank


@pytest.fixture(scope="session")
def engine_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings with room for a slow machine, over a small part of the bank."""
    folder = tmp_path_factory.mktemp("web")
    write_part(folder / "data", bank=LINES)
    return Settings(
        var_dir=folder / "var",
        data_dir=folder / "data",
        artifacts_dir=ROOT / "artifacts",
        chat_deadline_ms=30_000,
        gather_deadline_ms=15_000,
        rank_deadline_ms=10_000,
        candidates_pinned=2,
        new_tokens=8,
        exploration=0.0,
    )


@pytest.fixture(scope="session")
def engine(engine_settings: Settings) -> Iterator[Engine]:
    """The real models."""
    opened = Engine.open(engine_settings, Metrics())
    yield opened
    opened.close()


Make = Callable[..., Edge]


@pytest.fixture
def make(store: Store, settings: Settings, metrics: Metrics) -> Make:
    """Makes an app over the store; `companion` and any setting may be given."""

    def build(companion: Any, **changes: Any) -> Edge:
        changed = settings.model_copy(update=changes)
        services = Services(
            settings=changed,
            metrics=metrics,
            store=store,
            companion=companion,
            engine_health=changes.pop("health", FixedHealth),
            body_timeout=changes.pop("body_timeout", lambda *_: nullcontext()),
            jwt_secret=JWT_SECRET,
            admin_key=ADMIN_KEY,
        )
        app = Flask("kindred-under-test", static_folder=None)
        register(app, services)
        return Edge(app, services)

    return build


@pytest.fixture
def script() -> Script:
    """The scripted companion."""
    return Script()


@pytest.fixture
def edge(make: Make, script: Script) -> Edge:
    """The app over the scripted companion."""
    return make(script)


@pytest.fixture
def kindred(
    make: Make, store: Store, engine: Engine, engine_settings: Settings, metrics: Metrics
) -> Edge:
    """The app over the real companion."""
    for key, definition in DEFAULT_FLAGS.items():
        store.flags.put(key, definition)
    return make(Companion(store, engine, engine_settings, metrics), health=engine.health)


@pytest.fixture
def person(kindred: Edge) -> Person:
    """A guest of the real companion."""
    return Person(kindred)


@pytest.fixture
def admin(kindred: Edge) -> Admin:
    """An administrator of the real app."""
    return Admin(kindred)
