"""A whole engine whose three models are services: chosen by URL alone, woken, and told apart."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.errors import StartupError
from app.serving.engine import Engine
from app.settings import Settings
from app.telemetry import Metrics
from tests.models.remote.served import FakeModels
from tests.models.remote.servers import ModelServer


@pytest.fixture
def server() -> Iterator[ModelServer]:
    started = ModelServer(FakeModels())
    yield started
    started.close()


def settings_for(tiny: Path, var: Path, **changes: object) -> Settings:
    return Settings(data_dir=tiny / "data", var_dir=var, **changes)  # type: ignore[arg-type]


def test_an_engine_over_services_answers(
    server: ModelServer,
    tiny: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    places = dict.fromkeys(("encoder", "reranker", "generator"), server.url)
    settings = settings_for(
        tiny, tmp_path, **places, remote_version="v1", remote_timeout_ms=5_000, new_tokens=12
    )
    engine = Engine.open(settings, Metrics())
    try:
        assert capfd.readouterr().err.count(f"remote at {server.url.removeprefix('http://')}") == 3
        deadline = time.monotonic() + 20.0
        turns = ["hi there", "hello!", "i am tired"]
        generating = engine.generate(turns, [], n=3, seed=1, deadline=deadline)
        vector = engine.embed(turns[-1:], deadline).wait()[0]
        assert float(np.linalg.norm(vector)) == pytest.approx(1.0, abs=1e-3)
        replies = [one.text for one in generating.wait()]
        assert replies
        scores = engine.score(turns, replies, [], deadline).wait()
        assert all(score is not None and 0.0 <= score.serving <= 1.0 for score in scores)
        assert engine.health().ready
    finally:
        engine.close()


def test_a_service_that_is_not_there_is_one_line_at_start(tiny: Path, tmp_path: Path) -> None:
    settings = settings_for(tiny, tmp_path, encoder="http://127.0.0.1:9", encoder_key="s3cret")
    with pytest.raises(StartupError, match=r"KINDRED_ENCODER: .*127.0.0.1:9") as error:
        Engine.open(settings, Metrics())
    assert "s3cret" not in str(error.value.detail)
    assert "\n" not in str(error.value.detail)
