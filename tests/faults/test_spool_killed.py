"""Row 8: the app is killed while it spools; the next one tells what it acknowledged."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.store.privacy.ledger import inline
from app.store.spool.frames import Entry, pack
from app.store.spool.spool import Spool
from app.telemetry import Metrics
from tests.faults.durable import KINDS, Durable, Talker, assert_each_once, at_once
from tests.faults.service import eventually

ROOT = Path(__file__).parents[2]
CHILD = """
import sys, time
from pathlib import Path
from app.store.privacy.ledger import inline
from app.store.spool.frames import Entry
from app.store.spool.spool import Spool
from app.telemetry import Metrics

spool = Spool(Path(sys.argv[1]), Metrics(), time.time, inline)
number = 0
while True:
    spool.put(Entry(f"op{number}", "u", "r1", float(number), b"x" * (number % 3000)))
    print(number, flush=True)
    number += 1
"""


def told_by_the_next(folder: Path) -> tuple[list[Entry], Metrics]:
    """What another process finds in a spool's folder; the spool is empty then."""
    metrics = Metrics()
    spool = Spool(folder, metrics, lambda: 2e9, inline)
    found = []
    while (head := spool.first()) is not None:
        found.append(head[1].entry)
        spool.settle(*head)
    spool.close()
    return found, metrics


@pytest.mark.faults(8)
@pytest.mark.parametrize("after", [1, 5, 25, 60])
def test_row_8_killed_while_it_writes(tmp_path: Path, after: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "spool")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(after)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in process.stdout.read().split()]
    process.wait()
    process.stdout.close()
    found, _ = told_by_the_next(tmp_path / "spool")
    numbers = [int(entry.op[2:]) for entry in found]
    assert numbers[: len(acknowledged)] == acknowledged
    assert len(numbers) - len(acknowledged) <= 1  # the last one, before it was said
    assert [len(entry.sealed) for entry in found] == [number % 3000 for number in numbers]


@pytest.mark.faults(8)
def test_row_8_torn_at_every_byte(tmp_path: Path) -> None:
    entries = [Entry(f"op{i}", "u", f"r{i}", float(i), os.urandom(30)) for i in range(3)]
    folder = tmp_path / "spool"
    kept = Spool(folder, Metrics(), lambda: 2e9, inline)
    for entry in entries[:2]:
        kept.put(entry)
    kept.close()
    (path,) = folder.glob("*.spool")
    whole, last = path.read_bytes(), pack(entries[2])
    for length in range(len(last) + 1):
        path.write_bytes(whole + last[:length])
        found, metrics = told_by_the_next(folder)
        assert found == entries[: 2 + (length == len(last))], length
        torn = metrics.spool_outcomes.labels("torn")._value.get()
        assert torn == (0 < length < len(last)), length


@pytest.mark.slow
@pytest.mark.faults(8, 1)
def test_row_8_the_worker_is_killed_while_it_spools(durable: Durable) -> None:
    service = durable.service
    people = durable.talkers(4, replies=3)
    acknowledged: list[tuple[str, str]] = []
    durable.kill()

    def react(talker: Talker) -> None:
        try:
            for kind in KINDS:
                for number, reply in enumerate(talker.replies):
                    answer = talker.react(number, kind)
                    if answer.status == 202:
                        acknowledged.append((reply["reply_id"], kind))
        except (OSError, http.client.HTTPException):
            return  # the worker is gone

    def kill() -> None:
        eventually(lambda: len(acknowledged) > 20, 60, "nothing is promised")
        os.kill(service.master_pid, signal.SIGSTOP)  # no next worker reads the spool before us
        try:
            pid = service.kill_worker()
            (path,) = (service.var / "spool").glob(f"{pid}-*.spool")
            with path.open("ab") as file:  # as if the kill had come in the middle of a write
                file.write(pack(Entry("torn", "u", "r", 9e9, b"x" * 100))[:-7])
            durable.start()  # without it the next worker would wait for it
        finally:
            os.kill(service.master_pid, signal.SIGCONT)

    at_once([*(lambda t=talker: react(t) for talker in people), kill])
    service.wait_ready()
    durable.well()
    replies = [reply["reply_id"] for talker in people for reply in talker.replies]
    assert_each_once(acknowledged, durable.events(*replies))
    assert service.metric("kindred_spool_total", outcome="torn") >= 1
    assert not list((service.var / "spool").glob("*.spool"))
