"""The commands as a person runs them, over a real Redis, and people whose data they copy."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import redis

from app.settings import Settings
from app.store.store import Store
from app.telemetry import Metrics
from tests.scripts.dataset.talk import Talker

ROOT = Path(__file__).resolve().parents[3]
Run = Callable[..., int]
Lose = Callable[..., None]


def command(name: str) -> ModuleType:
    """A script as a module."""
    loader = importlib.machinery.SourceFileLoader(f"{name}_script", str(ROOT / "scripts" / name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch, empty_redis: redis.Redis) -> Run:
    """Runs a script with the test's settings; its exit status."""
    monkeypatch.setenv("REDIS_URL", settings.redis_url)
    monkeypatch.setenv("KINDRED_VAR_DIR", str(settings.var_dir))

    def run_it(name: str, *arguments: Any) -> int:
        return int(command(name).main([str(argument) for argument in arguments]))

    return run_it


@pytest.fixture
def open_store(settings: Settings) -> Iterator[Callable[[], Store]]:
    """Opens stores, and closes them."""
    opened: list[Store] = []

    def make() -> Store:
        opened.append(Store.open(settings, Metrics()))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def shop(open_store: Callable[[], Store], empty_redis: redis.Redis) -> Store:
    """An open store."""
    return open_store()


@pytest.fixture
def two(shop: Store) -> tuple[Talker, Talker]:
    """Two people who have talked and reacted."""
    people = Talker(shop), Talker(shop)
    for person in people:
        person.react(person.say("a secret of mine", "I hear you"), comment="nice words")
    return people


@pytest.fixture
def copy(run: Run, tmp_path: Path) -> Callable[[], tuple[Path, Path]]:
    """Makes a backup; the folders of data and keys."""

    def make() -> tuple[Path, Path]:
        number = len(list(tmp_path.glob("copy-*")))
        out, kept = tmp_path / f"copy-{number}" / "data", tmp_path / f"copy-{number}" / "keys"
        assert run("backup", "--out", out, "--keys", kept) == 0
        (data,), (wrapped,) = out.iterdir(), kept.iterdir()
        return data, wrapped

    return make


@pytest.fixture
def lose(shop: Store, settings: Settings, empty_redis: redis.Redis) -> Callable[..., None]:
    """Burns a machine down: Redis is empty, people's keys are gone, and the ledger if asked."""

    def burn(*, ledger: bool = False) -> None:
        shop.close()
        empty_redis.flushall()
        for path in (settings.var_dir / "keys").glob("*" if ledger else "keys.sqlite*"):
            path.unlink()

    return burn


def everything(client: redis.Redis) -> dict[bytes, Any]:
    """What every key holds. Not by DUMP, which tells a hash in the order of its buckets."""
    read = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"list": lambda name: client.lrange(name, 0, -1),
        b"zset": lambda name: client.zrange(name, 0, -1, withscores=True),
        b"stream": lambda name: (client.xrange(name), client.xinfo_stream(name)),
    }
    return {name: read[client.type(name)](name) for name in client.scan_iter()}


def texts(store: Store, person: Talker) -> list[str]:
    """What was said in the person's conversation."""
    turns = store.personal.turns(person.user_id, str(person.conversation))
    return [view.turn.text for view in turns]
