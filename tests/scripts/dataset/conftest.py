"""A store whose clock the test turns, people on it, and exports of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from app.settings import Settings
from app.store.store import Store
from app.telemetry import Metrics
from scripts.dataset import manifest as manifests
from scripts.dataset.exporter import Exporter, Report, Wanted
from scripts.dataset.people import People
from tests.scripts.dataset.talk import Clock, Talker


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(
    settings: Settings, metrics: Metrics, empty_redis: redis.Redis, clock: Clock
) -> Iterator[Store]:
    opened = Store.open(settings.model_copy(update={"partitions": 3}), metrics, clock)
    yield opened
    opened.close()


@pytest.fixture
def talker(store: Store, clock: Clock) -> Talker:
    return Talker(store, clock)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "dataset"


@pytest.fixture
def export(store: Store, out: Path, clock: Clock) -> Any:
    """Runs an export; `trim=True` trims after it."""

    def run(trim: bool = False, **wanted: Any) -> Report:
        with manifests.locked(out):
            people = People(store.ring)
            exporter = Exporter(store.export, people, out, Wanted(**wanted), clock=clock)
            manifest = exporter.run()
            if trim:
                exporter.trim(manifest)
        return exporter.report

    return run
