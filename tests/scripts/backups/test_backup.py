"""What a copy holds: all of it, nothing that anybody can read, and nobody who has left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import redis

from app.store import keys
from app.store.dump import Dumped
from app.store.store import Store
from scripts.backups import files
from tests.scripts.backups.conftest import Run, command, texts


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


def test_it_says_which_secrets_are_in_no_copy(
    two: Any, copy: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    copy()
    told = capsys.readouterr().out
    for secret in ("master key", "token secret"):
        assert secret in told
    assert "guests cannot come back" in told


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
        files.Backup.of(wrapped, files.DATA)
    assert files.Backup.of(data, files.DATA).manifest.counts["person"] == 2
