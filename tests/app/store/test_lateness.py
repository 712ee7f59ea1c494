"""Time that this process lost by itself is not held against Redis."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import StoreUnavailable
from app.store.link.client import RedisClient
from app.store.link.connections import NoneFree
from app.store.link.lateness import Lateness
from app.store.server.private_redis import PrivateRedis
from app.telemetry import Metrics

ROOT = Path(__file__).parents[3]
SLOW = 0.05
MANY = 10  # calls; a few slow ones open the breaker


@pytest.fixture
def client(redis_server: PrivateRedis, metrics: Metrics) -> Iterator[RedisClient]:
    opened = RedisClient(redis_server.url, 0.3, metrics)
    yield opened
    opened.close()


def late_blocks(client: RedisClient, seconds: float) -> None:
    for _ in range(MANY):
        with client.guard(slow_seconds=SLOW) as connection:
            connection.ping()
            time.sleep(seconds)


def test_an_answer_that_waited_for_us_does_not_open_the_breaker(
    client: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client._lateness, "lost", time.monotonic)  # all of it is ours
    late_blocks(client, 2 * SLOW)
    assert client.state == "closed"


def test_a_late_answer_opens_it(client: RedisClient) -> None:
    with pytest.raises(StoreUnavailable):
        late_blocks(client, 3 * SLOW)
    assert client.state != "closed"


@pytest.mark.parametrize("ours", [True, False])
def test_a_timeout_speaks_against_redis_only_where_we_were_there(
    client: RedisClient, monkeypatch: pytest.MonkeyPatch, ours: bool
) -> None:
    if ours:
        monkeypatch.setattr(client._lateness, "lost", time.monotonic)
    for _ in range(MANY):
        with pytest.raises(StoreUnavailable), client.guard() as connection:
            connection.execute_command("BLPOP", "nothing comes here", 2)
    assert (client.state == "closed") is ours


def test_that_all_connections_are_lent_out_says_nothing_of_redis(client: RedisClient) -> None:
    for _ in range(MANY):
        with pytest.raises(StoreUnavailable), client.guard():
            raise NoneFree("No connection available.")
    assert client.state == "closed"


def test_it_measures_how_long_nobody_could_do_anything() -> None:
    """Under gevent, as in the service: a greenlet that computes holds all others up."""
    code = (
        "from gevent import monkey; monkey.patch_all()\n"
        "import time\n"
        "from app.store.link.lateness import Lateness\n"
        "it = Lateness(); it.start(); time.sleep(0.1); before = it.lost()\n"
        "end = time.monotonic() + 0.5\n"
        "while time.monotonic() < end: pass\n"
        "now = it.lost() - before; time.sleep(0.1); later = it.lost() - before; it.close()\n"
        "print(now > 0.4, later >= now)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert told.stdout.split() == ["True", "True"], told.stderr


def test_who_sleeps_in_time_loses_nothing() -> None:
    now = [100.0]
    it = Lateness(clock=lambda: now[0])
    assert it.lost() == 0.0
    it._due = 100.02
    assert it.lost() == 0.0
    now[0] = 100.52
    assert it.lost() == pytest.approx(0.5)
