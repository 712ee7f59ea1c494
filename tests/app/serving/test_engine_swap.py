"""Versions swapped under load: tiny real models, people who ask without a pause, nobody dropped."""

from __future__ import annotations

import gc
import json
import shutil
import time
import weakref
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import gevent
import pytest

from app.serving.engine import Engine
from app.serving.versions.canary import CanaryFailed, try_reranker
from app.serving.versions.swap import POLL_SECONDS
from app.settings import Settings
from app.telemetry import Metrics
from models.checkpoint import load_manifest, write_manifest
from models.contracts import RerankItem, RerankResult
from models.registry import Registry
from models.reranker import CONFIG, Reranker

TURNS = ["hello there", "hi! how are you?", "i went hiking"]
REPLIES = ["Lovely! How far did you go?", "Goodbye!", "That is hard."]
MakeSettings = Callable[..., Settings]


def reranker_like(folder: Path, tiny: Path, penalty: float) -> str:
    """The tiny reranker with another serving score, as a version of its own."""
    shutil.copytree(tiny / "reranker", folder)
    (folder / "manifest.json").unlink()
    config = json.loads((folder / CONFIG).read_text())
    config["serving"]["penalty"] = penalty
    (folder / CONFIG).write_text(json.dumps(config))
    base = load_manifest(tiny / "reranker").base
    return write_manifest(folder, name="t", kind="reranker", command="a test", base=base).version


def generator_like(folder: Path, tiny: Path) -> str:
    """The tiny generator under another version: one file differs."""
    shutil.copytree(tiny / "generator", folder)
    (folder / "manifest.json").unlink()
    (folder / "notes.txt").write_text("another")
    return write_manifest(folder, name="t", kind="generator", command="a test").version


def registered(settings: Settings, kind: str, folder: Path) -> None:
    registry = Registry(settings.var_dir)
    with registry.changing(kind):
        registry.register(kind, folder, who="a test")


def await_loaded(engine: Engine, kind: str, *versions: str) -> None:
    end = time.monotonic() + 60
    while engine._fleet.kinds[kind].loaded != versions:
        assert time.monotonic() < end, engine._fleet.kinds[kind].loaded
        gevent.sleep(0.05)


def soon() -> float:
    return time.monotonic() + 60


@pytest.mark.slow
def test_nobody_is_dropped_while_versions_come_and_go(
    tiny: Path, tiny_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tiny generator is untrained: it has nothing to say, and its canary would say so.
    monkeypatch.setattr("app.serving.versions.loading.try_generator", lambda model, settings: None)
    settings = tiny_settings(rank_deadline_ms=60_000, gather_deadline_ms=60_000, cache_mb=1)
    new = reranker_like(tmp_path / "new", tiny, penalty=0.9)
    writer = generator_like(tmp_path / "writer", tiny)
    registered(settings, "reranker", tmp_path / "new")
    registered(settings, "generator", tmp_path / "writer")
    metrics = Metrics()
    engine = Engine.open(settings, metrics)
    base = engine.versions["reranker"]
    named: dict[str, tuple[str, ...]] = {}
    expected: dict[str, list[float]] = {}
    answered: Counter[tuple[str, str]] = Counter()

    def ask(number: int) -> None:
        turn = 0
        while named is not done:
            turn += 1
            wanted = {"reranker": new, "generator": writer} if number % 2 else {}
            with engine.holding(wanted) as held:
                version = held.versions["reranker"]
                said = engine.generate(
                    TURNS, [], n=2, seed=turn, deadline=soon(), version=held.versions["generator"]
                )
                turns = [*TURNS[:-1], f"{TURNS[-1]} {turn % 7}"]
                scores = engine.score(turns, REPLIES, [], soon(), version=version).wait()
                same = engine.score(TURNS, REPLIES, [], soon(), version=version).wait()
                assert all(score is not None for score in scores)
                said.wait()  # raises what went wrong
            found = [round(score.serving, 4) for score in same if score]
            assert found == expected.setdefault(version, found), "another version's scores"
            answered[version, held.versions["generator"]] += 1
            gevent.sleep(0.001)

    done: dict[str, tuple[str, ...]] = {}
    try:
        engine.follow(lambda: named)
        people = [gevent.spawn(ask, number) for number in range(6)]
        gevent.sleep(0.2)
        named.update(reranker=("installed", new))  # a trial
        await_loaded(engine, "reranker", base, new)
        gevent.sleep(0.2)
        named.update(generator=(writer, "installed"))  # everybody's
        await_loaded(engine, "generator", writer, engine._generators.installed)
        named.update(reranker=(new,))  # everybody's, and the base leaves
        await_loaded(engine, "reranker", new)
        gevent.sleep(0.2)
        named.update(reranker=(base,), generator=("installed",))  # all of it back
        await_loaded(engine, "reranker", base)
        await_loaded(engine, "generator", engine._generators.installed)
        gevent.sleep(0.2)
        named = done
        gevent.joinall(people, timeout=60, raise_error=True)
    finally:
        named = done
        engine.close()
    assert all(person.successful() for person in people)
    assert {version for version, _ in answered} == {base, new}
    assert {version for _, version in answered} >= {writer}
    assert expected[base] != expected[new]
    for where in ("swap_reranker", "swap_generator", "model_reranker", "model_generator"):
        labels = {"where": where}
        assert not metrics.registry.get_sample_value("kindred_failures_total", labels), where


def test_an_engine_begins_with_what_is_named_and_lets_the_installed_one_go(
    tiny: Path, tiny_settings: MakeSettings, tmp_path: Path
) -> None:
    settings = tiny_settings(candidates_max=0, rank_deadline_ms=60_000)
    new = reranker_like(tmp_path / "new", tiny, penalty=0.9)
    registered(settings, "reranker", tmp_path / "new")
    engine = Engine.open(settings, Metrics())
    gone = weakref.ref(engine._rerankers.default.model)
    try:
        engine.follow(lambda: {"reranker": (new,)})
        assert engine.versions["reranker"] == new
        assert engine.health().detail["versions"] == {"reranker": [new]}
        gc.collect()
        assert gone() is None  # its memory is given back
    finally:
        engine.close()


def test_an_altered_model_is_not_served_and_the_engine_stays_well(
    tiny: Path, tiny_settings: MakeSettings, tmp_path: Path
) -> None:
    settings = tiny_settings(candidates_max=0, rank_deadline_ms=60_000)
    new = reranker_like(tmp_path / "new", tiny, penalty=0.9)
    registered(settings, "reranker", tmp_path / "new")
    place = Registry(settings.var_dir).folder("reranker", new)
    (place / CONFIG).write_text("{}")
    metrics = Metrics()
    engine = Engine.open(settings, metrics)
    base = engine.versions["reranker"]
    try:
        engine.follow(lambda: {"reranker": (new, "ffffffffffff")})
        assert engine.versions["reranker"] == base
        assert engine.health().ready
        with engine.holding({"reranker": new}) as held:
            assert held.versions["reranker"] == base
            assert not held.granted
        labels = {"where": "swap_reranker"}
        assert metrics.registry.get_sample_value("kindred_failures_total", labels) == 2
        gevent.sleep(POLL_SECONDS + 0.2)  # not tried again and again
        assert metrics.registry.get_sample_value("kindred_failures_total", labels) == 2
        assert engine.score(TURNS, REPLIES, [], soon(), version=new).wait() == [None] * 3
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda r: RerankResult(r.heads, float("nan")), "no number"),
        (lambda r: RerankResult({"upvote": 1.5}, 1.5), "no probability"),
        (lambda r: RerankResult({"selection": 0.5}, 0.5), "no head upvote"),
        (lambda r: RerankResult({"upvote": 0.5}, 0.5), "same score"),
        (None, "scores for"),
    ],
)
def test_the_canary_sees_what_is_wrong(
    tiny: Path,
    tiny_settings: MakeSettings,
    spoil: Callable[[RerankResult], RerankResult] | None,
    says: str,
) -> None:
    settings = tiny_settings(rank_deadline_ms=60_000)
    real = Reranker.load(tiny / "reranker", base=str(tiny / "encoder"), dtype="fp32", threads=1)
    try_reranker(real, settings)

    class Spoilt(Reranker):
        def __init__(self) -> None:
            self.__dict__.update(real.__dict__)

        def run(self, items: list[RerankItem]) -> list[RerankResult]:
            results = real.run(items)
            return results[1:] if spoil is None else [spoil(result) for result in results]

    with pytest.raises(CanaryFailed, match=says):
        try_reranker(Spoilt(), settings)


def test_the_canary_wants_the_safety_that_the_installed_model_has(
    tiny: Path, tiny_settings: MakeSettings
) -> None:
    settings = tiny_settings(rank_deadline_ms=60_000)
    real = Reranker.load(tiny / "reranker", base=str(tiny / "encoder"), dtype="fp32", threads=1)

    class Unsafe(Reranker):
        def __init__(self, heads: tuple[str, ...], offensive: float) -> None:
            self.__dict__.update(real.__dict__)
            self.heads, self.offensive = heads, offensive

        def run(self, items: list[RerankItem]) -> list[RerankResult]:
            return [
                RerankResult({**r.heads, "offensive": self.offensive}, r.serving)
                for r in real.run(items)
            ]

    without = Unsafe(("selection",), 0.5)
    with pytest.raises(CanaryFailed, match="no head offensive"):
        try_reranker(without, settings, heads=real.heads)
    try_reranker(without, settings, heads=("selection",))
    with pytest.raises(CanaryFailed, match="plain offence"):
        try_reranker(Unsafe(real.heads, 0.5), settings)


@pytest.mark.slow
def test_the_shipped_reranker_passes_its_own_canary(tiny_settings: MakeSettings) -> None:
    shipped = Path(__file__).parents[3] / "artifacts" / "reranker"
    reranker = Reranker.load(shipped, threads=1)
    assert "offensive" in reranker.heads  # so that the canary asks it
    try_reranker(reranker, tiny_settings(rank_deadline_ms=60_000), heads=reranker.heads)


def test_the_canary_sees_what_is_too_slow(tiny: Path, tiny_settings: MakeSettings) -> None:
    real = Reranker.load(tiny / "reranker", base=str(tiny / "encoder"), dtype="fp32", threads=1)

    class Slow(Reranker):
        def __init__(self) -> None:
            self.__dict__.update(real.__dict__)

        def run(self, items: list[RerankItem]) -> list[RerankResult]:
            time.sleep(0.02)
            return real.run(items)

    with pytest.raises(CanaryFailed, match="takes it"):
        try_reranker(Slow(), tiny_settings(rank_deadline_ms=1))
