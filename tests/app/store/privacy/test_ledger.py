"""The erasure ledger: on the disk before it counts, whole lines only, one line an erasure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import StartupError, StoreUnavailable
from app.store.privacy.ledger import Ledger

ROOT = Path(__file__).parents[4]
MASTER = bytes(range(32))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "keys" / "erasures", MASTER)


def test_an_erasure_is_a_keyed_hash_and_a_time(ledger: Ledger) -> None:
    name = ledger.record("u00someone", 12.5)
    assert ledger.path.read_text() == f"{name} 12.500\n"
    assert ledger.path.stat().st_mode & 0o777 == 0o600
    assert ledger.lines() == {name: 12.5}
    assert ledger.name("u00someone") == name
    assert Ledger(ledger.path, bytes(32)).name("u00someone") != name


def test_the_same_person_has_one_line(ledger: Ledger) -> None:
    ledger.record("u1", 1.0)
    ledger.record("u1", 2.0)
    assert list(ledger.lines().values()) == [1.0]


def test_one_more_erasure_does_not_take_every_line_apart(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = ledger.record("u1", 1.0)
    other = ledger.name("u2")
    with ledger.path.open("ab") as file:  # no lines: the name is not where one begins, or torn
        file.write(f"{known}{other} 2.000\n{other} when?\n".encode())
    monkeypatch.setattr(ledger, "_read", None)
    assert ledger.merge({known: 3.0}) == 0
    assert ledger.merge({other: 2.0}) == 1
    assert ledger.merge({other: 4.0}) == 0
    monkeypatch.undo()
    assert ledger.lines() == {known: 1.0, other: 2.0}


def test_a_torn_line_is_passed_over_and_ended(ledger: Ledger) -> None:
    first = ledger.record("u1", 1.0)
    with ledger.path.open("ab") as file:
        file.write(ledger.name("u2").encode() + b" 17")  # the power went here
    assert ledger.lines().keys() == {first}
    third = ledger.record("u3", 3.0)
    assert {first, third} <= ledger.lines().keys()
    assert ledger.lines()[third] == 3.0


def test_what_is_no_line_is_passed_over(ledger: Ledger) -> None:
    with ledger.path.open("ab") as file:
        file.write(b"\nnonsense\n" + b"f" * 32 + b" soon\n" + b"a" * 32 + b" 5.000\n")
    assert ledger.lines() == {"a" * 32: 5.0}


def test_copies_are_joined(ledger: Ledger, tmp_path: Path) -> None:
    other = Ledger(tmp_path / "other", MASTER)
    ledger.record("u1", 1.0)
    other.record("u1", 9.0)
    other.record("u2", 2.0)
    assert ledger.merge(other.lines()) == 1
    assert ledger.merge(other.lines()) == 0
    assert ledger.lines() == {ledger.name("u1"): 1.0, ledger.name("u2"): 2.0}


def test_old_lines_are_forgotten(ledger: Ledger) -> None:
    ledger.record("u1", 1.0)
    young = ledger.record("u2", 100.0)
    assert ledger.prune(50.0) == 1
    assert ledger.prune(50.0) == 0
    assert ledger.lines() == {young: 100.0}
    assert ledger.path.stat().st_mode & 0o777 == 0o600


def test_many_processes_add_to_it_at_once_while_it_is_pruned(ledger: Ledger) -> None:
    code = (
        "import sys; from pathlib import Path; from app.store.privacy.ledger import Ledger\n"
        "ledger = Ledger(Path(sys.argv[1]), bytes(range(32)))\n"
        "for i in range(30): ledger.record(f'{sys.argv[2]}-{i}', 1000.0)\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(ledger.path), str(i)], cwd=ROOT)
        for i in range(4)
    ]
    for i in range(40):
        ledger.record(f"old-{i}", 1.0)
        ledger.prune(500.0)
    assert [writer.wait(120) for writer in writers] == [0] * 4
    assert ledger.lines().keys() == {ledger.name(f"{w}-{i}") for w in range(4) for i in range(30)}


def test_what_cannot_be_written_is_unavailable(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.store.privacy.ledger.os.fsync", _no_room)
    with pytest.raises(StoreUnavailable):
        ledger.record("u1", 1.0)


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartupError, match="erasure ledger"):
        Ledger(tmp_path / "file" / "erasures", MASTER)


def _no_room(_descriptor: int) -> None:
    raise OSError(28, os.strerror(28))
