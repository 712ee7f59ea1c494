"""Whoever can write where backups lie, and has not the master key, gets nothing put back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import redis

from app.errors import StartupError
from app.settings import Settings
from app.store import keys
from app.store.access import api_keys
from app.store.dump import Dump, Dumped
from app.store.sealing.rotation import rotate_master
from app.store.sealing.wrapping import Wrapping
from app.store.store import Store
from models.checkpoint import file_sha256
from scripts.backups import files, records
from tests.scripts.backups.conftest import Run, everything, texts

PREFIX, SECRET = "kindred_000000000000", "s" * 43


def write(folder: Path, **changes: Any) -> None:
    """Make every hash right again, as anybody can, and change what the manifest says."""
    path = folder / files.NAME
    there = [file for file in folder.iterdir() if file != path]
    told = json.loads(path.read_text()) | {
        "files": {file.name: file_sha256(file) for file in there},
        "bytes": sum(file.stat().st_size for file in there),
    }
    path.write_text(json.dumps(told | changes))


def add(folder: Path, more: Iterable[Dumped]) -> None:
    """Add keys to the data."""
    path = folder / records.DATA_FILE
    entries = [*records.read_data(path, file_sha256(path)), *more]
    path.unlink()
    records.write_data(path, entries)


def sign(folder: Path, store: Store) -> None:
    """What only the master key can do."""
    files.seal(folder, files.load(folder), store.ring.signer.sign)


def unsign(folder: Path) -> None:
    """As an earlier release made it."""
    path = folder / files.NAME
    told = json.loads(path.read_text()) | {"format": 1}
    del told["signature"]
    path.write_text(json.dumps(told))


@pytest.fixture
def dumped(empty_redis: redis.Redis) -> Callable[..., Dumped]:
    """A key that was made elsewhere, with the hash that it holds."""

    def make(name: str | bytes, fields: dict[str, str] | None = None) -> Dumped:
        empty_redis.hset("made elsewhere", mapping=fields or {"a": "b"})
        value = empty_redis.dump("made elsewhere")
        empty_redis.delete("made elsewhere")
        assert isinstance(value, bytes)
        return Dumped(name if isinstance(name, bytes) else name.encode(), value, 0)

    return make


@pytest.fixture
def refused(
    two: Any, run: Run, empty_redis: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Restores, and sees to it that nothing came of it; the one line that says why."""

    def attempt(*arguments: Any) -> str:
        before = everything(empty_redis)
        capsys.readouterr()
        assert run("restore", *arguments, "--replace") == 1
        assert everything(empty_redis) == before
        told = capsys.readouterr().err.strip().splitlines()
        (line,) = [line for line in told if not line.startswith("UNSIGNED: ")]
        return str(line)

    return attempt


@pytest.mark.parametrize("flags", [(), ("--unsigned",)])
def test_a_key_of_administrators_that_was_added_is_refused(
    flags: tuple[str, ...], copy: Any, refused: Any, dumped: Any
) -> None:
    data, wrapped = copy()
    forged = {
        "name": "research",
        "scopes": "read_reactions",
        "created": "1.0",
        "digest": api_keys.digest(PREFIX, SECRET),
    }
    add(data, [dumped(keys.api_key(PREFIX), forged), dumped("another_application:users")])
    write(data)
    assert "do not have the signature" in refused(data, "--keys", wrapped, *flags)


FILES = [("data", "data.bin"), ("data", "erasures"), ("keys", "keys.jsonl"), ("keys", "erasures")]


@pytest.mark.parametrize(("kind", "name"), FILES)
@pytest.mark.parametrize("harm", ["altered", "emptied", "missing", "added"])
def test_no_file_of_either_copy_can_be_changed_though_its_hash_is_right(
    kind: str, name: str, harm: str, two: Any, shop: Store, copy: Any, refused: Any
) -> None:
    shop.people.erase(two[0].user_id)  # the ledger has a line
    data, wrapped = copy()
    folder = data if kind == "data" else wrapped
    if harm == "altered":
        whole = bytearray((folder / name).read_bytes())
        whole[len(whole) // 2] ^= 1
        (folder / name).write_bytes(whole)
    elif harm == "emptied":
        (folder / name).write_bytes(b"")
    elif harm == "missing":
        (folder / name).unlink()
    else:
        (folder / f"more-{name}").write_bytes((folder / name).read_bytes())
    write(folder)
    assert "do not have the signature" in refused(data, "--keys", wrapped)


@pytest.mark.parametrize(
    "change",
    [
        {"made": "2020-01-01T00:00:00+00:00"},
        {"server": "1.2.3"},
        {"counts": {}},
        {"bytes": 0},
        {"master": "0" * 32},
        {"kind": "keys"},
        {"format": 1},
        {"more": "x"},
        {"signature": ""},
        {"signature": "0" * 64},
        {"signature": "é\ud800"},
        {"signature": 5},
        {"signature": None},
        {"made": "\u001b[2Jnever"},
    ],
)
def test_no_word_of_the_manifest_can_be_changed(
    change: dict[str, Any], copy: Any, refused: Any
) -> None:
    data, _ = copy()
    write(data, **change)
    assert "\x1b" not in refused(data)


def test_a_signature_under_another_master_key_counts_for_nothing(copy: Any, refused: Any) -> None:
    data, _ = copy()
    theirs = Wrapping(b"\7" * 32).signer
    files.seal(data, files.load(data), theirs.sign)
    assert "do not have the signature" in refused(data)
    said = replace(files.load(data), master=theirs.fingerprint)
    files.seal(data, said, theirs.sign)
    assert "another master key" in refused(data)


def test_what_a_former_master_key_signed_nobody_else_can_sign(
    shop: Store, copy: Any, refused: Any, settings: Settings, open_store: Any
) -> None:
    data, _ = copy()
    old = files.load(data)
    shop.close()
    rotate_master(settings)
    ring = open_store().ring
    files.seal(data, old, ring.signer.sign)
    assert "do not have the signature" in refused(data)
    former = ring.signers()[old.master]
    files.seal(data, replace(old, master=ring.signer.fingerprint), former.sign)
    assert "do not have the signature" in refused(data)


def test_a_backup_of_an_earlier_release_is_taken_only_on_ones_word(
    two: Any, shop: Store, copy: Any, run: Run, refused: Any, capsys: Any
) -> None:
    data, wrapped = copy()
    unsign(data)
    assert "the data of" in (told := refused(data, "--keys", wrapped))
    assert "have no signature" in told
    unsign(wrapped)
    assert "the keys of" in refused(data, "--keys", wrapped)
    shop.close()
    assert run("restore", data, "--keys", wrapped, "--replace", "--unsigned") == 0
    told = capsys.readouterr().err
    assert told.count("UNSIGNED: nothing tells whether") == 2
    assert "on your word" in told


def test_without_a_signature_all_else_is_looked_at_all_the_same(copy: Any, refused: Any) -> None:
    data, _ = copy()
    unsign(data)
    master = files.load(data).master
    write(data, master="0" * 32)
    assert "another master key" in refused(data, "--unsigned")
    write(data, master=master)
    (data / "more").write_bytes(b"x")
    assert "'more' is missing, or does not belong there" in refused(data, "--unsigned")
    (data / "more").unlink()
    (data / records.LEDGER_FILE).unlink()
    write(data)
    assert "erasures is missing" in refused(data, "--unsigned")


OTHERS = [
    "another_application:users",
    "kindred",
    "kindred-keys:u1",
    "LIMITS:guest",
    keys.session("a" * 64),
    keys.sessions(PREFIX),
    keys.RESTORING,
    f"{keys.PREFIX}{{meta}}:probe",
    b"\xff\x00\n",
]


@pytest.mark.parametrize("name", OTHERS)
def test_a_key_that_no_copy_holds_is_refused_in_a_signed_one_too(
    name: str | bytes, shop: Store, copy: Any, refused: Any, dumped: Any
) -> None:
    data, _ = copy()
    strange = dumped(name)
    add(data, [strange])
    sign(data, shop)
    assert "a key that no copy of the data has" in refused(data)
    unsign(data)
    assert "a key that no copy of the data has" in refused(data, "--unsigned")
    with pytest.raises(StartupError, match="no copy of the data has"):
        shop.dump.put([strange])


def test_a_file_that_is_exchanged_once_it_was_checked_is_noticed(
    two: Any,
    shop: Store,
    copy: Any,
    run: Run,
    dumped: Any,
    open_store: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data, _ = copy()
    path = data / records.DATA_FILE
    honest, begin = path.read_bytes(), Dump.begin

    def exchange(dump: Dump) -> None:
        begin(dump)
        add(data, [dumped(keys.api_key(PREFIX))])

    with monkeypatch.context() as patch:
        patch.setattr(Dump, "begin", exchange)
        assert run("restore", data, "--replace") == 1
    assert "exchanged while it was read" in capsys.readouterr().err
    with pytest.raises(StartupError, match="run scripts/restore with --replace again"):
        open_store()
    path.write_bytes(honest)
    assert run("restore", data, "--replace") == 0
    store = open_store()
    assert not store.dump._core.client._redis.exists(keys.api_key(PREFIX))
    assert texts(store, two[0]) == ["a secret of mine", "I hear you"]


def test_what_a_backup_says_is_all_signed(copy: Any) -> None:
    data, _ = copy()
    manifest = files.load(data)
    told = json.loads(files.statement(manifest))
    assert told | {"signature": manifest.signature} == asdict(manifest) | {"format": 2}
