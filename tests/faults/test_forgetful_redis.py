"""Row 11: a Redis that may forget what it acknowledged: the start is refused, the setting named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from app.errors import StartupError
from app.settings import Settings
from app.store.server.private_redis import PrivateRedis
from app.store.store import Store
from app.telemetry import Metrics
from tests.faults.conftest import StartService

pytestmark = pytest.mark.faults(11)


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[tuple[PrivateRedis, redis.Redis]]:
    """A Redis of the test's own, and a client that sets it wrongly."""
    server = PrivateRedis(tmp_path)
    server.start()
    client = redis.Redis(unix_socket_path=str(server.socket), protocol=2)
    yield server, client
    client.close()
    client.connection_pool.disconnect()
    server.stop()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("appendfsync", "everysec"),
        ("appendfsync", "no"),
        ("appendonly", "no"),
        ("no-appendfsync-on-rewrite", "yes"),
        ("maxmemory-policy", "allkeys-lru"),
    ],
)
def test_row_11_the_store_names_the_setting(
    forgetful: tuple[PrivateRedis, redis.Redis], settings: Settings, name: str, value: str
) -> None:
    server, client = forgetful
    client.config_set(name, value)
    for trusted in (False, True):
        changed = {"redis_url": server.url, "redis_trusted": trusted}
        with pytest.raises(StartupError, match=f"{name} is {value}, it must be"):
            Store.open(settings.model_copy(update=changed), Metrics())


def test_row_11_with_replicas_a_primary_without_them_must_not_write(
    forgetful: tuple[PrivateRedis, redis.Redis], settings: Settings
) -> None:
    server, client = forgetful
    replicated = settings.model_copy(update={"redis_url": server.url, "redis_replicas": 1})
    with pytest.raises(StartupError, match="min-replicas-to-write is 0"):
        Store.open(replicated, Metrics())
    client.config_set("min-replicas-to-write", "1")
    with pytest.raises(StartupError, match="cannot be prepared"):  # it has no replica
        Store.open(replicated, Metrics())


@pytest.mark.slow
def test_row_11_the_service_does_not_start(
    forgetful: tuple[PrivateRedis, redis.Redis], start_service: StartService
) -> None:
    server, client = forgetful
    client.config_set("appendfsync", "everysec")
    service = start_service(ready=False, redis_url=server.url)
    service.wait_end(460.0)  # torch alone may take a minute to import
    lines = [line for line in service.log().splitlines() if line.startswith("kindred: ")]
    assert len(lines) == 1
    assert "appendfsync is everysec, it must be always" in lines[0]
    assert not service.ready()
