"""sqlite waits where it holds up nobody: misses and writes go to the runner, hits need none."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app.errors import StoreUnavailable
from app.store.sealing.sqlite_keys import SqliteKeyStore
from app.store.store import Store

ROOT = Path(__file__).parents[4]


def test_only_misses_and_writes_of_keys_are_offloaded(
    settings: Any, metrics: Any, empty_redis: Any, clock: Any, chat: Any
) -> None:
    jobs: list[Any] = []

    def offload(work: Callable[[], Any]) -> Any:
        jobs.append(work)
        with ThreadPoolExecutor(1) as pool:  # another thread at each call
            return pool.submit(work).result()

    store = Store.open(settings, metrics, clock, offload)
    other = type(chat)(store, clock)
    jobs.clear()
    conversation = other.say("hi").conversation_id
    other.say("the key is known", conversation)
    assert jobs == []
    store._core.ring._cache.clear()
    other.say("the key is read", conversation)
    assert len(jobs) == 1
    store.people.erase(other.user_id)
    assert len(jobs) == 4  # the ledger, the key, the note
    store.close()


def test_no_statement_runs_outside_the_runner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[int] = set()
    connect = sqlite3.connect

    def traced(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        db = connect(*args, **kwargs)
        db.set_trace_callback(lambda _: threads.add(threading.get_native_id()))
        return db

    monkeypatch.setattr("app.store.sealing.sqlite_keys.sqlite3.connect", traced)
    with ThreadPoolExecutor(1) as pool:
        offload = lambda work: pool.submit(work).result()
        store = SqliteKeyStore(tmp_path / "keys.sqlite", 100.0, 2.0, offload)
        store.add("u1", b"key", 0.0)
        assert store.get("u1", 200_000.0) == b"key"
        store.remove("u1")
        store.record_erasures({"n": 0.0})
        assert store.erasures() == {"n": 0.0}
        assert [row.owner for row in store.rows()] == []
        store.prune(1.0)
        runner = pool.submit(threading.get_native_id).result()
    assert threads == {runner}
    store.close()


def test_many_threads_have_a_connection_each(tmp_path: Path) -> None:
    store = SqliteKeyStore(tmp_path / "keys.sqlite", 100.0, 5.0)
    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(lambda i: store.add(f"u{i % 10}", b"%d" % (i % 10), 0.0), range(80)))
    assert kept == [b"%d" % (i % 10) for i in range(80)]
    assert 1 <= len(store._idle) <= 8
    store.close()
    assert not store._idle
    with pytest.raises(StoreUnavailable):
        store.get("u1", 0.0)


GREENLETS = """
from gevent import monkey; monkey.patch_all()
import sqlite3, sys, gevent
from pathlib import Path
from app.errors import StoreUnavailable
from app.settings import Settings
from app.store.store import Store
from app.telemetry import Metrics

var = Path(sys.argv[2])
settings = Settings(REDIS_URL=sys.argv[1], var_dir=var)
store = Store.open(settings, Metrics(), offload=gevent.get_hub().threadpool.apply)
other = sqlite3.connect(var / "keys" / "keys.sqlite", isolation_level=None)
other.execute("BEGIN IMMEDIATE")
guests = [gevent.spawn(store.people.create) for _ in range(5)]
# Were sqlite waited for on the hub, this would never come to run in time.
unlock = gevent.spawn_later(0.1, other.execute, "COMMIT")
gevent.joinall([*guests, unlock], raise_error=True)
other.execute("BEGIN IMMEDIATE")
try:
    store.people.create()
except StoreUnavailable:
    print(len({guest.value.user_id for guest in guests}))
other.close()
store.close()
"""


def test_a_locked_file_does_not_hold_up_the_hub(
    redis_server: Any, empty_redis: Any, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", GREENLETS, redis_server.url, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("5", "", 0)
