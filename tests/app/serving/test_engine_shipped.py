"""The engine with the weights that ship: several people at once, and the hub stays awake."""

from __future__ import annotations

import time
from pathlib import Path

import gevent
import numpy as np
import pytest

from app.serving.engine import Engine
from app.settings import Settings
from app.telemetry import Metrics

ROOT = Path(__file__).parents[3]
FAR = 120.0  # seconds: no deadline is tested here
TALKS = [
    ["hi", "hello! how are you?", "i am so tired, i slept badly"],
    ["do you like hiking?"],
    ["my boss shouted at me today"],
    ["what should i cook tonight?"],
]


@pytest.mark.slow
def test_the_shipped_models_answer_together(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    settings = Settings(
        artifacts_dir=ROOT / "artifacts",
        data_dir=tiny / "data",  # a small bank: this is not about the index
        var_dir=tmp_path,
        device="cpu",
        threads=1,
        new_tokens=12,
    )
    metrics = Metrics()
    engine = Engine.open(settings, metrics)
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            gevent.sleep(0.005)

    def answer(turns: list[str]) -> tuple[int, list[float]]:
        deadline = time.monotonic() + FAR
        generating = engine.generate(turns, ["I like tea."], n=5, seed=3, deadline=deadline)
        vector = engine.embed(turns[-1:], deadline).wait()[0]
        assert float(np.linalg.norm(vector)) == pytest.approx(1.0, abs=1e-3)
        texts = [hit.text for hit in engine.retrieve(vector, 5)]
        texts += [one.text for one in generating.wait()]
        scores = engine.score(turns, texts, [], deadline).wait()
        assert all(score is not None for score in scores)
        return len(texts), [score.serving for score in scores if score is not None]

    try:
        ticker = gevent.spawn(tick)
        people = [gevent.spawn(answer, turns) for turns in TALKS]
        gevent.joinall(people, raise_error=True)
        ticker.kill()
        assert ticks >= 20
        for person in people:
            count, scores = person.value
            assert count > 5  # both sources
            assert len(scores) == count
            assert len(set(scores)) > 1
        health = engine.health()
        assert health.ready, health.detail
        batches = metrics.registry.get_sample_value(
            "kindred_batch_items_count", {"model": "generator"}
        )
        assert batches is not None
    finally:
        engine.close()
