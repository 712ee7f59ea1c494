"""Keys are wrapped, kept once, renewed by use, and gone when removed; both backends alike."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.errors import StartupError, StoreUnavailable
from app.store.link.client import RedisClient
from app.store.privacy.ledger import LEDGER_SECONDS, Ledger
from app.store.sealing.keystore import KeyRing, KeyRow
from app.store.sealing.master_key import load_master_key
from app.store.sealing.redis_keys import RedisKeyStore
from app.store.sealing.rotation import rewrap
from app.store.sealing.sqlite_keys import SqliteKeyStore

MASTER = bytes(32)
DAY = 86_400.0


@pytest.fixture(params=["sqlite", "redis"])
def backend(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    redis_server: Any,
    empty_redis: Any,
    metrics: Any,
) -> Iterator[Any]:
    store: Any
    if request.param == "sqlite":
        store = SqliteKeyStore(tmp_path / "keys" / "keys.sqlite", 10 * DAY, 2.0)
    else:
        store = RedisKeyStore(RedisClient(redis_server.url, 2.0, metrics), 10 * DAY)
    yield store
    store.close()


def test_a_key_is_kept_once(backend: Any) -> None:
    assert backend.get("u1", 0.0) is None
    assert backend.add("u1", b"first", 0.0) == b"first"
    assert backend.add("u1", b"second", 0.0) == b"first"
    assert backend.get("u1", 0.0) == b"first"
    backend.remove("u1")
    backend.remove("u1")
    assert backend.get("u1", 0.0) is None


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger" / "erasures", MASTER)


def test_erasures_are_noted_and_forgotten_in_time(backend: Any) -> None:
    backend.record_erasures({})
    backend.record_erasures({"a": 1.0, "b": 5.0})
    backend.record_erasures({"c": LEDGER_SECONDS})
    assert backend.erasures() == {"a": 1.0, "b": 5.0, "c": LEDGER_SECONDS}
    backend.drop_erasures(["b", "nobody"])
    backend.drop_erasures([])
    backend.prune(LEDGER_SECONDS + 2.0)
    assert backend.erasures() == {"c": LEDGER_SECONDS}


def test_every_key_is_listed_and_put_back(backend: Any) -> None:
    now = time.time()
    for i in range(12):
        backend.add(f"u{i:02}", b"%d" % i, now)
    backend.add("#ours", b"k", now)
    backend.record_erasures({"f" * 32: 1.0})
    rows = sorted(backend.rows(), key=lambda row: row.owner)
    assert [row.owner for row in rows] == ["#ours", *(f"u{i:02}" for i in range(12))]
    assert all(abs(row.used_at - now) < 60 for row in rows)
    backend.remove("u03")
    backend.put(KeyRow("u03", b"again", now), now)
    backend.put(KeyRow("u04", b"other", now - DAY), now)
    assert (backend.get("u03", 0.0), backend.get("u04", 0.0)) == (b"again", b"other")


def test_an_older_copy_of_the_keys_brings_nobody_back(backend: Any, ledger: Ledger) -> None:
    ring = KeyRing(backend, ledger, MASTER)
    for owner in ("u1", "u2"):
        ring.create(owner)
    rows, notes = list(backend.rows()), backend.erasures()
    name = ring.erase("u1")
    assert ring.erased().keys() == backend.erasures().keys() == {name}
    assert "u1" not in ledger.path.read_text()

    for row in rows:  # the copy that was made before is put in place
        backend.put(row, time.time())
    backend.drop_erasures(set(backend.erasures()) - set(notes))
    assert backend.get("u1", 0.0) is not None
    again = KeyRing(backend, ledger, MASTER)
    assert again.cipher("u1") is None
    assert again.cipher("u2") is not None
    assert backend.erasures().keys() == {name}
    assert again.replay() == 0


def test_an_erasure_cut_short_is_completed(backend: Any, ledger: Ledger) -> None:
    ring = KeyRing(backend, ledger, MASTER)
    ring.create("u1")
    ledger.record("u1", 1.0)  # and then the crash
    assert KeyRing(backend, ledger, MASTER).cipher("u1") is None


def test_another_machine_learns_of_erasures_from_the_key_store(
    backend: Any, ledger: Ledger, tmp_path: Path
) -> None:
    ring = KeyRing(backend, ledger, MASTER)
    ring.create("u1")
    ring.erase("u1")
    elsewhere = KeyRing(backend, Ledger(tmp_path / "elsewhere" / "erasures", MASTER), MASTER)
    assert elsewhere.erased() == ring.erased()


def test_ids_that_an_earlier_release_noted_become_hashes(backend: Any, ledger: Ledger) -> None:
    backend.record_erasures({"u1": 7.0})
    ring = KeyRing(backend, ledger, MASTER)
    assert ring.erased() == backend.erasures() == {ledger.name("u1"): 7.0}


def test_keys_of_a_backup_are_taken_but_for_those_of_the_erased(
    backend: Any, ledger: Ledger
) -> None:
    ring = KeyRing(backend, ledger, MASTER)
    sealed = {owner: ring.create(owner).seal(b"x", "here") for owner in ("u1", "u2")}
    rows = list(backend.rows())
    ring.erase("u1")
    ring.discard("u2")
    assert ring.restore(rows) == 1
    assert ring.cipher("u1") is None
    assert ring.cipher("u2").open(sealed["u2"], "here") == b"x"
    strange = KeyRow("u3", os.urandom(60), 1.0)
    with pytest.raises(StartupError, match="KINDRED_MASTER_KEY"):
        ring.restore([strange])


def test_the_ring_gives_each_owner_one_cipher(backend: Any, ledger: Ledger) -> None:
    ring = KeyRing(backend, ledger, MASTER)
    sealed = ring.create("u1").seal(b"x", "here")
    assert ring.create("u1").open(sealed, "here") == b"x"
    again = KeyRing(backend, ledger, MASTER)
    assert again.cipher("u1").open(sealed, "here") == b"x"
    assert again.cipher("u2") is None
    again.erase("u1")
    assert again.cipher("u1") is None
    assert ring.cipher("u1") is not None  # for at most half a minute
    assert again.create_once("#x") is again.create_once("#x")


def test_another_master_key_is_refused(backend: Any, ledger: Ledger) -> None:
    KeyRing(backend, ledger, MASTER)
    with pytest.raises(StartupError, match="KINDRED_MASTER_KEY"):
        KeyRing(backend, ledger, os.urandom(32))
    KeyRing(backend, ledger, MASTER)


def test_the_cache_is_bounded_and_old_entries_are_read_again(
    backend: Any, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.store.sealing.keystore._CACHE_SIZE", 3)
    ring = KeyRing(backend, ledger, MASTER)
    for i in range(5):
        ring.create(f"u{i}")
    assert list(ring._cache) == ["u2", "u3", "u4"]
    monkeypatch.setattr("app.store.sealing.keystore._CACHE_SECONDS", -1.0)
    assert ring.cipher("u0") is not ring.cipher("u0")


def test_sqlite_prunes_what_was_not_used(tmp_path: Path) -> None:
    store = SqliteKeyStore(tmp_path / "keys.sqlite", 10 * DAY, 2.0)
    for owner in ("idle", "used", "#ours"):
        store.add(owner, b"key", 0.0)
    store.get("used", 5 * DAY)
    store.prune(11 * DAY)
    assert [store.get(owner, 11 * DAY) for owner in ("idle", "used", "#ours")] == [
        None,
        b"key",
        b"key",
    ]
    store.close()


def test_redis_keys_expire_unless_used(backend: Any, empty_redis: Any) -> None:
    if isinstance(backend, SqliteKeyStore):
        assert backend.add("u1", b"k", 0.0) == b"k"
        return
    backend.add("u1", b"k", 0.0)
    backend.add("#ours", b"k", 0.0)
    empty_redis.expire("kindred-keys:u1", 5)
    backend.get("u1", 0.0)  # a look that leaves its life as it is
    assert empty_redis.ttl("kindred-keys:u1") <= 5
    backend.get("u1", 1.0)
    assert empty_redis.ttl("kindred-keys:u1") > 5
    assert empty_redis.ttl("kindred-keys:#ours") == -1


def test_a_removed_key_is_nowhere_in_the_file(tmp_path: Path) -> None:
    store = SqliteKeyStore(tmp_path / "keys.sqlite", 10 * DAY, 2.0)
    store.add("u1", b"wrapped-key-to-forget", 0.0)
    store.remove("u1")
    found = [path for path in tmp_path.iterdir() if b"wrapped-key" in path.read_bytes()]
    store.close()
    assert found == []


def test_the_file_is_the_owners_alone(tmp_path: Path) -> None:
    store = SqliteKeyStore(tmp_path / "keys" / "keys.sqlite", 10 * DAY, 2.0)
    store.close()
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "keys" / "keys.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_locked_or_broken_file_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "keys.sqlite"
    store = SqliteKeyStore(path, 10 * DAY, 0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailable):
        store.add("u1", b"k", 0.0)
    other.execute("ROLLBACK")
    other.close()
    store.close()
    path.write_bytes(b"this is no database, but it is long enough to look like one" * 100)
    with pytest.raises(StartupError, match=r"keys\.sqlite cannot be used"):
        SqliteKeyStore(path, 10 * DAY, 0.05)


def test_a_whole_store_on_a_key_store_in_redis(
    store_with: Any, chat_with: Any, own_redis: Any
) -> None:
    chat = chat_with(keystore_url=own_redis.url)
    reply = chat.say("hi", keys=("m:1",))
    assert chat.begin("hi", keys=("m:1",)).stored == reply
    chat.store.people.erase(chat.user_id)
    store_with(keystore_url=own_redis.url)


def test_the_master_key_is_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "var" / "master_key"
    made = load_master_key("", path)
    assert load_master_key("", path) == made
    assert len(made) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_the_master_key_of_the_setting(tmp_path: Path) -> None:
    for text in ("ff" * 32, "/" * 42 + "8=", "_" * 42 + "8="):
        assert load_master_key(text, tmp_path / "unused") == b"\xff" * 32
    assert not (tmp_path / "unused").exists()
    for text in ("ff" * 31, "not a key", "ü" * 64):
        with pytest.raises(StartupError, match="KINDRED_MASTER_KEY must be 32 bytes"):
            load_master_key(text, tmp_path / "unused")


def test_a_master_key_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("oops")
    with pytest.raises(StartupError, match="broken must be 32 bytes"):
        load_master_key("", tmp_path / "broken")
    with pytest.raises(StartupError, match="cannot be used as the master key"):
        load_master_key("", tmp_path / "broken" / "below")


def test_keys_are_wrapped_anew_and_kept_as_long(backend: Any, tmp_path: Path) -> None:
    following = b"\1" * 32
    path = tmp_path / "ledger" / "erasures"
    before = KeyRing(backend, Ledger(path, MASTER), MASTER)
    digest = before.create("u1").digest("x")
    before.create("u2")
    name = before.erase("u2")
    used = {row.owner: row.used_at for row in backend.rows()}
    assert rewrap(backend, MASTER, following, time.time()) == 2  # and the store's own
    assert rewrap(backend, MASTER, following, time.time()) == 0
    after = KeyRing(backend, Ledger(path, following), following)
    cipher = after.cipher("u1")
    assert cipher is not None
    assert cipher.digest("x") == digest
    assert after.ledger.name("u2") == name
    kept = {row.owner: row.used_at for row in backend.rows()}
    assert kept["u1"] == pytest.approx(used["u1"], abs=2)
    assert after.signers() == {ring.signer.fingerprint: ring.signer for ring in (before, after)}
    with pytest.raises(StartupError, match="not this key store's"):
        rewrap(backend, MASTER, b"\2" * 32, time.time())
