"""Engines over tiny real models (`tests/small_models.py`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.serving.engine import Engine
from app.settings import Settings
from app.telemetry import Metrics
from tests.small_models import write_all


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with encoder/, reranker/, generator/ and data/; not to be changed."""
    return write_all(tmp_path_factory.mktemp("tiny"))


MakeSettings = Callable[..., Settings]


@pytest.fixture
def tiny_settings(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeSettings:
    """Settings of the tiny models, with a `var` of the test's own."""
    monkeypatch.delenv("REDIS_URL", raising=False)

    def make(**changes: Any) -> Settings:
        options: dict[str, Any] = {
            "encoder": str(tiny / "encoder"),
            "reranker": str(tiny / "reranker"),
            "generator": str(tiny / "generator"),
            "data_dir": tiny / "data",
            "var_dir": tmp_path / "var",
            "device": "cpu",
            "dtype": "fp32",
            "threads": 1,
            "cache_mb": 0,
            "new_tokens": 8,
            "candidates_max": 4,
        }
        return Settings(**{**options, **changes})

    return make


@pytest.fixture
def open_engine(tiny_settings: MakeSettings) -> Iterator[Callable[..., Engine]]:
    """Opens engines over the tiny models, and closes them."""
    opened: list[Engine] = []

    def make(metrics: Metrics | None = None, **changes: Any) -> Engine:
        opened.append(Engine.open(tiny_settings(**changes), metrics or Metrics()))
        return opened[-1]

    yield make
    for engine in opened:
        engine.close()
