"""What workers tell one another through a shared file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.serving.load.peers import SLOTS, STALE_SECONDS, Peers, Worker, cores_share, peers_of
from app.settings import Settings

ROOT = Path(__file__).parents[4]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_each_sees_the_others_and_not_itself(tmp_path: Path, clock: Clock) -> None:
    one, two = (Peers(tmp_path / "p", clock, pid) for pid in (1, 2))
    assert one.others() == two.others() == []
    one.publish(5.0, 3, 0.4)
    two.publish(7.0, 1, 0.9)
    [seen] = two.others()
    assert seen == Worker(1, seen.nonce, 100.0, 5.0, 3.0, 0.4)
    assert one.rate() == 7.0
    one.publish(6.0, 4, 0.5)
    assert two.rate() == 6.0


def test_who_is_silent_is_not_counted_and_loses_the_slot(tmp_path: Path, clock: Clock) -> None:
    one, two = (Peers(tmp_path / "p", clock, pid) for pid in (1, 2))
    one.publish(5.0, 3, 0.4)
    clock.now += STALE_SECONDS + 0.1
    assert two.others() == []
    two.publish(7.0, 1, 0.9)  # into the slot that the silent one had
    one.publish(5.0, 3, 0.4)  # who finds another
    assert two.rate() == 5.0
    assert one.rate() == 7.0


def test_two_with_the_same_process_id_are_two(tmp_path: Path, clock: Clock) -> None:
    """As the first process of each of two containers that share the folder."""
    one, two = (Peers(tmp_path / "p", clock, 1) for _ in range(2))
    for _ in range(2):
        one.publish(5.0, 3, 0.4)
        two.publish(7.0, 1, 0.9)
    assert (one.rate(), two.rate()) == (7.0, 5.0)
    two.close()
    assert one.others() == []
    one.publish(5.0, 3, 0.4)
    assert [worker.rate for worker in one._living()] == [5.0]


def test_a_slot_that_two_have_taken_is_sorted_out(tmp_path: Path, clock: Clock) -> None:
    one, two = (Peers(tmp_path / "p", clock, pid) for pid in (1, 2))
    two._slot = 0  # as if both had looked while it was free
    one.publish(5.0, 0, 0.1)
    two.publish(7.0, 0, 0.1)
    one.publish(5.0, 0, 0.1)
    two.publish(7.0, 0, 0.1)
    assert (one.rate(), two.rate()) == (7.0, 5.0)


def test_a_torn_slot_is_skipped(tmp_path: Path, clock: Clock) -> None:
    one, two = (Peers(tmp_path / "p", clock, pid) for pid in (1, 2))
    one.publish(5.0, 3, 0.4)
    raw = bytearray((tmp_path / "p").read_bytes())
    raw[16] ^= 0xFF
    (tmp_path / "p").write_bytes(bytes(raw))
    assert two.others() == []
    (tmp_path / "p").write_bytes(os.urandom(len(raw)))
    assert two.others() == []
    one.publish(5.0, 3, 0.4)
    assert two.rate() == 5.0


def test_a_full_file_leaves_the_last_without_a_slot(tmp_path: Path, clock: Clock) -> None:
    workers = [Peers(tmp_path / "p", clock, pid) for pid in range(1, SLOTS + 2)]
    for worker in workers:
        worker.publish(1.0, 0, 0.0)
    assert workers[0].rate() == SLOTS - 1
    assert workers[-1].rate() == SLOTS
    workers[0].close()
    workers[0].close()
    workers[-1].publish(2.0, 0, 0.0)
    assert workers[1].rate() == SLOTS - 2 + 2.0


def test_only_a_service_of_several_workers_has_peers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    assert peers_of(Settings(var_dir=tmp_path)) is None
    peers = peers_of(Settings(var_dir=tmp_path / "new", workers=2))
    assert peers is not None
    peers.close()
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert peers_of(Settings(var_dir=blocked, workers=2)) is None  # served all the same


def test_the_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    assert cores_share(Settings()) == 1.0
    assert cores_share(Settings(workers=4)) == 0.25
    assert cores_share(Settings(workers=4, threads=8)) == 1.0
    assert cores_share(Settings(workers=4, threads=99)) == 1.0
    assert cores_share(Settings(workers=16)) == 0.125


_OTHER = """
import sys, time
from pathlib import Path
from app.serving.load.peers import Peers
peers = Peers(Path(sys.argv[1]))
end = time.monotonic() + 30
while time.monotonic() < end:
    peers.publish(11.0, 2, 0.5)
    if peers.rate() == 4.0:
        print("seen", flush=True)
        sys.stdin.readline()
        break
    time.sleep(0.01)
"""


def test_two_real_processes_see_each_other_and_the_death_of_one(tmp_path: Path) -> None:
    path = tmp_path / "workers"
    peers = Peers(path)
    with subprocess.Popen(
        [sys.executable, "-c", _OTHER, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        end = time.monotonic() + 30
        while not peers.others() and time.monotonic() < end:
            time.sleep(0.01)
        assert [worker.pid for worker in peers.others()] == [other.pid]
        assert peers.rate() == 11.0
        peers.publish(4.0, 1, 0.2)
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "seen"
        other.kill()
        other.wait()
        time.sleep(STALE_SECONDS + 0.2)
        assert peers.others() == []
    peers.close()
