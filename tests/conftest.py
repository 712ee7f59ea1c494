"""Fixtures that every room's tests share: a real Redis, settings, an open store."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from app.settings import Settings
from app.store.server.private_redis import PrivateRedis
from app.store.store import Store
from app.telemetry import Metrics

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--slow` runs the slow tests here as they run where CI=true."""
    parser.addoption("--slow", action="store_true", help="run the tests marked slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the slow tests unless they are asked for."""
    if config.getoption("--slow") or os.environ.get("CI") == "true":
        return
    skip = pytest.mark.skip(reason="slow: runs with CI=true or --slow")
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[PrivateRedis]:
    """A private, durable, real Redis on a unix socket; flushed by whoever uses it."""
    folder = Path(tempfile.mkdtemp(prefix="kindred-"))
    server = PrivateRedis(folder)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless Chromium of the system, or a skip where there is none.

    One for all: playwright's driver cannot be started twice in a thread.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None:
        pytest.skip("no Chromium on PATH")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def settings(
    redis_server: PrivateRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings of the test Redis and a `var` of the test's own; nothing from the environment."""
    for name in [name for name in os.environ if name.startswith("KINDRED_")]:
        monkeypatch.delenv(name)
    return Settings(REDIS_URL=redis_server.url, var_dir=tmp_path / "var")


@pytest.fixture
def metrics() -> Metrics:
    """Metrics of their own registry."""
    return Metrics()


@pytest.fixture
def empty_redis(redis_server: PrivateRedis) -> Iterator[redis.Redis]:
    """The test Redis with nothing in it, as a plain client for looking inside."""
    client = redis.Redis(unix_socket_path=str(redis_server.socket), protocol=2)
    client.flushall()
    yield client
    client.close()
    client.connection_pool.disconnect()


@pytest.fixture
def store(settings: Settings, metrics: Metrics, empty_redis: redis.Redis) -> Iterator[Store]:
    """An open store over an empty Redis and an empty key store."""
    opened = Store.open(settings, metrics)
    yield opened
    opened.close()
