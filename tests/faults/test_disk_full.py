"""Row 5: the disk is full under Redis, or under the spool: only what is kept is acknowledged.

The disks are small ones in memory (tmpfs), which only root may mount.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.faults.durable import KINDS, Durable
from tests.faults.service import eventually

ROOT = Path(__file__).parents[2]
REDIS_MB = 72  # its start wants 64 free
SPOOL_KB = 64
FILLER = "filler"


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of that size at a folder; skips where it may not be made."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount(8)")
    if done.returncode:
        pytest.skip(f"no disk may be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Take all the room that is left."""
    with (folder / FILLER).open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4_096)
        except OSError:
            return


@pytest.fixture
def disks(durable: Durable) -> Iterator[tuple[Path, Path]]:
    """Small disks under Redis and under the spool of the running service."""
    durable.redis.stop()
    with ExitStack() as mounted:
        redis_disk = mounted.enter_context(small_disk(durable.redis_folder, f"{REDIS_MB}m"))
        folder = durable.service.var / "spool"
        spool_disk = mounted.enter_context(small_disk(folder, f"{SPOOL_KB}k"))
        mounted.callback(durable.redis.stop)  # first: it must let go of its disk
        durable.start()
        durable.well()
        yield redis_disk, spool_disk
        for filler in (redis_disk / FILLER, spool_disk / FILLER):
            filler.unlink(missing_ok=True)
        durable.start()
        durable.well()


@pytest.mark.slow
@pytest.mark.faults(5)
def test_row_5_the_disk_under_redis_and_then_under_the_spool_is_full(
    durable: Durable, disks: tuple[Path, Path]
) -> None:
    redis_disk, spool_disk = disks
    service = durable.service
    talker, other, third = durable.talkers(3)
    reply, others = talker.replies[0]["reply_id"], other.replies[0]["reply_id"]
    assert talker.react(0, "love").status == 200
    fill(redis_disk)
    # Redis cannot write what it would acknowledge: it ends instead, and the spool takes it. Its
    # file's last page may have room for one or two more.
    answers = []
    for kind in KINDS[1:]:
        answers.append(talker.react(0, kind))
        if answers[-1].status == 202:
            break
    assert [answer.status for answer in answers] == [200] * (len(answers) - 1) + [202]
    assert answers[-1].json["spooled"]
    eventually(lambda: durable.redis.pid is None, 30, "Redis goes on without room")
    assert service.metric("kindred_store_unavailable_total", kind="connection") > 0
    said = talker.say("are you there")
    assert (said.status, said.json["saved"]) == (200, False)
    fill(spool_disk)
    tried = [third.react(0, "downvote", comment=secrets.token_hex(900)) for _ in range(8)]
    assert {answer.status for answer in tried} <= {202, 503}
    for refused in tried[-3:]:
        assert refused.status == 503
        assert refused.json["type"].endswith("store-unavailable")
        assert int(refused.headers["retry-after"]) >= 1
    assert service.metric("kindred_spool_total", outcome="refused-disk") >= 3
    (spool_disk / FILLER).unlink()
    assert other.react(0, "upvote").status == 202
    (redis_disk / FILLER).unlink()
    durable.start()
    durable.well()
    found = durable.events(reply, others)
    kinds = ["love", *KINDS[1 : 1 + len(answers)]]
    assert [kind for it, _, kind in found if it == reply] == kinds
    assert [kind for it, _, kind in found if it == others] == ["upvote"]
    assert durable.standing(talker, 0)[0] == kinds[-1]


@pytest.mark.faults(5)
def test_row_5_a_full_disk_under_the_spool_promises_nothing(tmp_path: Path) -> None:
    child = """
import os, sys, time
from pathlib import Path
from app.errors import StoreUnavailable
from app.store.privacy.ledger import inline
from app.store.spool.frames import Entry
from app.store.spool.spool import Spool
from app.telemetry import Metrics, configure_logging

configure_logging("error")
folder = Path(sys.argv[1])
spool = Spool(folder / "spool", Metrics(), time.time, inline)
kept = 0
try:
    while True:
        spool.put(Entry(f"op{kept}", f"u{kept}", "r1", float(kept), b"x" * 500))
        kept += 1
except StoreUnavailable as error:
    assert isinstance(error.__cause__, OSError), error
(folder / "filler").unlink()
spool.put(Entry("again", "u", "r1", 1e9, b"room again"))
print(kept, spool.entries, flush=True)
os._exit(0)
"""
    with small_disk(tmp_path / "disk", f"{SPOOL_KB}k") as disk:
        (disk / "filler").write_bytes(b"\0" * 20_000)
        done = _child(child, disk)
        kept, entries = map(int, done.split())
        assert 20 < kept < 200
        assert entries == kept + 1
        assert _adopted(disk) == [f"op{i}" for i in range(kept)] + ["again"]


@pytest.mark.faults(5)
def test_row_5_a_file_that_may_not_grow_promises_nothing(tmp_path: Path) -> None:
    """As a full disk, for those who may mount none: the system refuses to write beyond a size."""
    child = """
import os, resource, sys, time
from pathlib import Path
from app.errors import StoreUnavailable
from app.store.privacy.ledger import inline
from app.store.spool.frames import Entry
from app.store.spool.spool import Spool
from app.telemetry import Metrics, configure_logging

configure_logging("error")
spool = Spool(Path(sys.argv[1]) / "spool", Metrics(), time.time, inline)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
kept = 0
try:
    while True:
        spool.put(Entry(f"op{kept}", f"u{kept}", "r1", float(kept), b"x" * 500))
        kept += 1
except StoreUnavailable as error:
    assert isinstance(error.__cause__, OSError), error
print(kept, flush=True)
os._exit(0)
"""
    kept = int(_child(child, tmp_path))
    assert 5 < kept < 20
    assert _adopted(tmp_path) == [f"op{i}" for i in range(kept)]


def _child(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _adopted(folder: Path) -> list[str]:
    """The operations that whoever comes next finds."""
    code = """
import sys, time
from pathlib import Path
from app.store.privacy.ledger import inline
from app.store.spool.spool import Spool
from app.telemetry import Metrics, configure_logging
configure_logging("error")
spool = Spool(Path(sys.argv[1]) / "spool", Metrics(), time.time, inline)
while (head := spool.first()) is not None:
    print(head[1].entry.op)
    spool.settle(*head)
"""
    return _child(code, folder).split()
