"""Whose a spool's files are: a live process's own, or to be adopted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from app.store.spool.frames import pack
from app.telemetry import Metrics
from tests.app.store.spool.conftest import MakeSpool, entry, files, outcome, waiting

ROOT = Path(__file__).parents[4]


def test_a_live_owner_keeps_its_file_and_a_dead_one_is_adopted(
    make_spool: MakeSpool, tmp_path: Path
) -> None:
    first = make_spool()
    kept = [entry() for _ in range(3)]
    for each in kept:
        first.put(each)
    head = first.first()
    assert head is not None
    first.settle(*head)
    second = make_spool()
    assert second.entries == 0  # the first one lives
    later = entry()
    second.put(later)
    first.close()
    second.adopt()
    assert second.holds("r1")
    assert len(files(tmp_path)) == 2
    assert waiting(second) == [*kept[1:], later]  # by the time of the promise
    assert files(tmp_path) == []


def test_a_process_that_is_killed_is_dead(make_spool: MakeSpool, tmp_path: Path) -> None:
    child = """
import sys, time
from pathlib import Path
from app.store.privacy.ledger import inline
from app.store.spool.spool import Spool
from app.store.spool.frames import Entry
from app.telemetry import Metrics
spool = Spool(Path(sys.argv[1]), Metrics(), time.time, inline)
spool.put(Entry("op", "u1", "r1", 1.0, b"kept"))
print("kept", flush=True)
time.sleep(600)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", child, str(tmp_path / "spool")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"kept\n"
        spool = make_spool()
        assert spool.entries == 0
        process.kill()
        process.wait()
        spool.adopt()
        assert [each.sealed for each in waiting(spool)] == [b"kept"]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_two_adopt_at_once_and_each_promise_has_one_owner(make_spool: MakeSpool) -> None:
    dead = make_spool()
    kept = [entry() for _ in range(4)]
    for each in kept:
        dead.put(each)
    dead.close()
    heirs = [make_spool() for _ in range(3)]
    assert sorted(heir.entries for heir in heirs) == [0, 0, 4]


def test_a_torn_tail_is_cut_off_at_adoption(
    make_spool: MakeSpool, metrics: Metrics, tmp_path: Path
) -> None:
    dead = make_spool()
    kept = [entry() for _ in range(2)]
    for each in kept:
        dead.put(each)
    dead.close()
    path = files(tmp_path)[0]
    whole = path.stat().st_size
    with path.open("ab") as file:
        file.write(pack(entry())[:-1])
    spool = make_spool()
    assert outcome(metrics, "torn") == 1
    assert path.stat().st_size == whole
    assert waiting(spool) == kept
