"""What is copied can be put back whole; what is torn, strange or in the way is refused."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from app.errors import StartupError, Unauthenticated
from app.settings import Settings
from app.store import keys
from app.store.dump import Dumped
from app.store.in_service import InService
from app.store.rotation import rotate_master
from app.store.store import Store
from scripts.backups import files
from tests.scripts.backups.conftest import Run, command
from tests.scripts.dataset.talk import Talker


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


def lose_keys(settings: Settings) -> None:
    for path in (settings.var_dir / "keys").glob("keys.sqlite*"):
        path.unlink()


def texts(store: Store, person: Talker) -> list[str]:
    turns = store.personal.turns(person.user_id, str(person.conversation))
    return [view.turn.text for view in turns]


def test_data_and_keys_that_were_lost_come_back_whole(
    two: Any,
    shop: Store,
    copy: Any,
    run: Run,
    settings: Settings,
    empty_redis: redis.Redis,
    open_store: Callable[[], Store],
    capsys: pytest.CaptureFixture[str],
) -> None:
    empty_redis.set("somebody-elses", "x")
    shop.flags.put("tone", {"variants": {"warm": 1}, "defaultVariant": "warm"})
    data, wrapped = copy()
    before = everything(empty_redis)
    lives = {name: empty_redis.pttl(name) for name in before}
    shop.close()
    empty_redis.flushall()
    lose_keys(settings)
    capsys.readouterr()
    assert run("restore", data, "--keys", wrapped) == 0
    told = capsys.readouterr().out
    assert "0 people erased again" in told
    assert "people: 2; of 0 of them there is no key" in told
    after = everything(empty_redis)
    before.pop(b"somebody-elses")
    assert after == before
    for name in after:
        assert abs(empty_redis.pttl(name) - lives[name]) < 60_000
    store = open_store()
    for person in two:
        store.people.check(person.user_id, 1)
        assert texts(store, person) == ["a secret of mine", "I hear you"]


def test_a_backup_reads_as_nothing_and_belongs_to_its_owner(two: Any, copy: Any) -> None:
    data, wrapped = copy()
    for folder in (data, wrapped):
        assert folder.stat().st_mode & 0o777 == 0o700
        for path in folder.iterdir():
            assert path.stat().st_mode & 0o777 == 0o600
            assert b"secret" not in path.read_bytes()
            assert b"nice words" not in path.read_bytes()
    assert two[0].user_id.encode() in (wrapped / "keys.jsonl").read_bytes()
    manifest = json.loads((data / "manifest.json").read_text())
    assert manifest["counts"]["person"] == 2
    assert manifest["counts"]["turns"] == manifest["counts"]["conversation"] == 2


def test_the_lists_are_read_after_what_they_name(two: Any, shop: Store) -> None:
    kinds = [entry.kind for entry in shop.dump.entries()]
    bodies = max(kinds.index(kind) for kind in ("conversation", "turns", "impression"))
    assert bodies < min(kinds.index(kind) for kind in ("person", "conversations", "events"))
    assert max(i for i, kind in enumerate(kinds) if kind == "owned") > bodies
    turns = [i for i, kind in enumerate(kinds) if kind == "turns"]
    assert [kinds[i - 1] for i in turns] == ["conversation"] * len(turns)


def test_who_is_erased_while_the_copy_is_made_leaves_nothing_in_it(
    two: Any, shop: Store, empty_redis: redis.Redis
) -> None:
    gone, stays = two
    copied: list[Dumped] = []
    for entry in shop.dump.entries():
        if entry.kind == "impression" and not shop.ring.erased():
            shop.people.erase(gone.user_id)  # what they said is in the copy by now
        copied.append(entry)
    empty_redis.flushall()
    assert shop.dump.put(copied) == len(copied)
    assert empty_redis.exists(keys.PersonKeys(gone.user_id).turns(str(gone.conversation)))
    assert shop.people.replay_erasures() == 1
    left = [
        name
        for name in empty_redis.scan_iter("kindred:{p*}:*")
        if name.split(b":")[2] not in (b"events", b"reactions", b"withdrawn")
        and stays.user_id.encode() not in name
        and empty_redis.type(name) == b"hash"
        and empty_redis.hget(name, "user") != stays.user_id.encode()
    ]
    assert left == [keys.PersonKeys(gone.user_id).person.encode()]
    assert not empty_redis.exists(keys.PersonKeys(gone.user_id).turns(str(gone.conversation)))
    assert texts(shop, stays) == ["a secret of mine", "I hear you"]


@pytest.mark.parametrize("harm", ["short", "altered", "missing", "strange", "no-manifest"])
def test_a_torn_backup_is_refused_and_nothing_is_touched(
    harm: str, two: Any, copy: Any, run: Run, empty_redis: redis.Redis, capsys: Any
) -> None:
    data, wrapped = copy()
    path = data / "data.bin"
    if harm == "short":
        path.write_bytes(path.read_bytes()[:-7])
    elif harm == "altered":
        whole = bytearray(path.read_bytes())
        whole[len(whole) // 2] ^= 1
        path.write_bytes(whole)
    elif harm == "missing":
        path.unlink()
    elif harm == "strange":
        (data / "more").write_text("x")
    else:
        (data / "manifest.json").unlink()
    before = everything(empty_redis)
    assert run("restore", data, "--keys", wrapped, "--replace") == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert everything(empty_redis) == before


def test_a_redis_that_holds_people_is_refused_without_replace(
    two: Any, copy: Any, run: Run, empty_redis: redis.Redis, shop: Store, capsys: Any
) -> None:
    data, _ = copy()
    late = Talker(shop)
    late.say("after the copy", "yes")
    before = everything(empty_redis)
    assert run("restore", data) == 1
    assert "not empty; --replace" in capsys.readouterr().err
    assert everything(empty_redis) == before
    assert run("restore", data, "--dry-run", "--replace") == 0
    assert everything(empty_redis) == before
    assert run("restore", data, "--replace") == 0
    assert texts(shop, two[0]) == ["a secret of mine", "I hear you"]
    with pytest.raises(Unauthenticated):
        shop.people.check(late.user_id, 1)


def test_the_erased_stay_so_when_old_data_and_old_keys_come_back(
    two: Any,
    shop: Store,
    copy: Any,
    run: Run,
    settings: Settings,
    empty_redis: redis.Redis,
    open_store: Callable[[], Store],
    capsys: Any,
) -> None:
    gone, stays = two
    data, wrapped = copy()
    shop.people.erase(gone.user_id)
    shop.close()
    empty_redis.flushall()
    lose_keys(settings)
    capsys.readouterr()
    assert run("restore", data, "--keys", wrapped) == 0
    told = capsys.readouterr().out
    assert "1 of people erased since left out" in told
    assert "1 people erased again" in told
    store = open_store()
    assert store.ring.peek(gone.user_id) is None
    with pytest.raises(Unauthenticated):
        store.people.check(gone.user_id, 1)
    left = [name for name in empty_redis.scan_iter() if gone.user_id.encode() in name]
    assert left == [keys.PersonKeys(gone.user_id).person.encode()]
    streams = keys.events(int(gone.user_id[1:3], 16)), keys.reactions(int(gone.user_id[1:3], 16))
    for stream in streams:
        users = {fields[b"user"] for _, fields in empty_redis.xrange(stream)}
        assert gone.user_id.encode() not in users
    assert texts(store, stays) == ["a secret of mine", "I hear you"]


def test_a_machine_that_lost_its_ledger_learns_it_from_the_backup(
    two: Any, shop: Store, copy: Any, run: Run, settings: Settings, empty_redis: redis.Redis
) -> None:
    shop.people.erase(two[0].user_id)
    lines = shop.ring.erased()
    data, wrapped = copy()
    shop.close()
    empty_redis.flushall()
    for path in (settings.var_dir / "keys").iterdir():
        path.unlink()
    assert run("restore", data, "--keys", wrapped) == 0
    assert set((settings.var_dir / "keys" / "erasures").read_text().split()) >= set(lines)


def test_another_master_key_is_named(
    two: Any, shop: Store, copy: Any, run: Run, settings: Settings, empty_redis: Any, capsys: Any
) -> None:
    data, wrapped = copy()
    shop.close()
    empty_redis.flushall()
    lose_keys(settings)
    (settings.var_dir / "master_key").unlink()
    assert run("restore", data, "--keys", wrapped) == 1
    assert "another master key" in capsys.readouterr().err
    assert not list(empty_redis.scan_iter("kindred:{p*"))


def test_data_of_before_the_master_key_was_replaced_comes_back(
    two: Any,
    shop: Store,
    copy: Any,
    run: Run,
    settings: Settings,
    empty_redis: redis.Redis,
    open_store: Callable[[], Store],
    capsys: Any,
) -> None:
    gone, stays = two
    data, wrapped = copy()
    shop.people.erase(gone.user_id)
    shop.close()
    rotate_master(settings)
    assert run("restore", data, "--keys", wrapped, "--replace") == 1
    assert "the keys of" in (told := capsys.readouterr().err)
    assert "another master key" in told
    _, wrapped = copy()
    empty_redis.flushall()
    for path in (settings.var_dir / "keys").iterdir():
        path.unlink()  # the ledger too: the copies know it
    assert run("restore", data, "--keys", wrapped) == 0
    store = open_store()
    assert texts(store, stays) == ["a secret of mine", "I hear you"]
    assert not store.people.lives(gone.user_id)
    assert store.ring.peek(gone.user_id) is None


def test_nothing_is_put_back_under_a_running_service(
    two: Any, copy: Any, run: Run, settings: Settings, empty_redis: redis.Redis, capsys: Any
) -> None:
    data, _ = copy()
    before = everything(empty_redis)
    serving = InService(settings.var_dir)
    assert run("restore", data, "--replace") == 1
    assert "a service runs" in capsys.readouterr().err
    assert everything(empty_redis) == before
    assert run("restore", data, "--replace", "--dry-run") == 0
    serving.end()
    assert run("restore", data, "--replace") == 0


def test_what_has_expired_since_is_not_put_back(
    two: Any, shop: Store, copy: Any, run: Run, empty_redis: redis.Redis, capsys: Any
) -> None:
    name = keys.PersonKeys(two[0].user_id).recent
    empty_redis.pexpire(name, 300)
    data, _ = copy()
    empty_redis.flushall()
    time.sleep(0.4)
    assert run("restore", data) == 0
    assert "1 had expired" in capsys.readouterr().out
    assert not empty_redis.exists(name)


def test_no_service_starts_on_half_a_backup(
    two: Any,
    shop: Store,
    copy: Any,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    open_store: Callable[[], Store],
) -> None:
    data, _ = copy()

    def broken(*_: Any) -> int:
        raise OSError(5, "the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr("app.store.dump.Dump._put", broken)
        assert run("restore", data, "--replace") == 1
    with pytest.raises(StartupError, match="run scripts/restore with --replace again"):
        open_store()
    assert run("restore", data, "--replace") == 0
    assert texts(open_store(), two[0]) == ["a secret of mine", "I hear you"]


def test_values_that_this_redis_does_not_take_are_named_before_anything_goes(
    two: Any, copy: Any, run: Run, empty_redis: redis.Redis, monkeypatch: Any, capsys: Any
) -> None:
    data, _ = copy()

    def strange(path: Path) -> Any:
        yield Dumped(b"kindred:{p00}:person:x", b"\x00nonsense\xff\x0012345678", 0)

    monkeypatch.setattr("scripts.backups.records.read_data", strange)
    before = everything(empty_redis)
    assert run("restore", data, "--replace") == 1
    assert "does not take values" in capsys.readouterr().err
    assert everything(empty_redis) == before


def test_sessions_of_administrators_are_in_no_copy(shop: Store, empty_redis: redis.Redis) -> None:
    empty_redis.set(keys.session("a" * 64), "x")
    empty_redis.set(f"{keys.PREFIX}{{access}}:sessions:k", "x")
    empty_redis.set(keys.api_key("kindred_x"), "x")
    names = {entry.name for entry in shop.dump.entries()}
    assert keys.api_key("kindred_x").encode() in names
    assert not [name for name in names if b"session" in name]


def test_half_a_backup_has_no_name(shop: Store, run: Run, tmp_path: Path, monkeypatch: Any) -> None:
    def broken(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("scripts.backups.records.write_ledger", broken)
    assert run("backup", "--out", tmp_path / "out", "--no-keys") == 1
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [["--out", "a"], ["--out", "a", "--keys", "a"], ["--keys", "b"]]
)
def test_the_folders_of_data_and_keys_are_asked_for(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        command("backup").parse(arguments)


def test_a_backup_of_the_other_kind_is_refused(two: Any, copy: Any) -> None:
    data, wrapped = copy()
    with pytest.raises(files.BackupError, match="holds a backup of keys, not of data"):
        files.verify(wrapped, files.DATA)
    assert files.verify(data, files.DATA).counts["person"] == 2
