"""The spool of one process: durable, in order, bounded, adopted when its owner is dead."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from app.errors import StoreUnavailable
from app.store.spool import file as spool_file
from app.store.spool.frames import frames_of, pack
from app.store.spool.spool import Spool
from app.telemetry import Metrics
from tests.app.store.spool.conftest import MakeSpool, entry, files, outcome, waiting

ROOT = Path(__file__).parents[4]


def test_what_is_put_comes_out_in_order_and_only_once(spool: Spool, tmp_path: Path) -> None:
    assert files(tmp_path) == []  # nothing to write, no file
    kept = [entry() for _ in range(5)]
    for each in kept:
        spool.put(each)
    assert spool.entries == 5
    assert waiting(spool) == kept
    assert spool.entries == 0
    assert spool.first() is None
    assert files(tmp_path) == []  # its room is given back
    spool.put(entry())
    assert spool.entries == 1


def test_files_are_their_owners_alone(spool: Spool, tmp_path: Path) -> None:
    spool.put(entry())
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    assert stat.S_IMODE(files(tmp_path)[0].stat().st_mode) == 0o600


def test_file_and_folder_are_synced_before_it_returns(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def spy(name: str) -> Any:
        real = getattr(os, name)

        def called(descriptor: int, *rest: Any) -> Any:
            kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
            calls.append(f"{name} {kind}")
            return real(descriptor, *rest)

        return called

    for name in ("pwrite", "fdatasync", "fsync"):
        monkeypatch.setattr(os, name, spy(name))
    spool.put(entry())
    assert calls == [
        "pwrite file",
        "fdatasync file",
        "fsync folder",
        "pwrite file",
        "fdatasync file",
    ]
    calls.clear()
    spool.put(entry())
    assert calls == ["pwrite file", "fdatasync file"]


def test_targets_are_known_while_something_about_them_waits(spool: Spool) -> None:
    spool.put(entry("r1"))
    spool.put(entry("r1"))
    spool.put(entry("r2"))
    assert spool.holds("r1")
    head = spool.first()
    assert head is not None
    spool.settle(*head)
    assert spool.holds("r1")
    waiting(spool)
    assert not spool.holds("r1")
    assert not spool.holds("r2")


@pytest.mark.parametrize(
    "bounds", [{"entries": 3}, {"bytes": int(3.5 * len(pack(entry())))}, {"person_entries": 3}]
)
def test_it_is_bounded_and_has_room_again(
    make_spool: MakeSpool, metrics: Metrics, bounds: dict[str, int]
) -> None:
    spool = make_spool(**bounds)
    for _ in range(3):
        spool.put(entry())
    with pytest.raises(StoreUnavailable) as refused:
        spool.put(entry())
    assert refused.value.retry_after
    assert outcome(metrics, "refused-full") == 1
    assert outcome(metrics, "kept") == 3
    if "person_entries" in bounds:
        spool.put(entry(user_id="u2"))  # of another person
    assert len(waiting(spool)) == 3 + ("person_entries" in bounds)
    spool.put(entry())


def test_long_comments_of_a_few_do_not_fill_it(make_spool: MakeSpool, metrics: Metrics) -> None:
    spool = make_spool()
    long = b"c" * 8_000  # as long as a comment can be
    kept = 16 * 1024 * 1024 // 128 // len(pack(entry(sealed=long)))
    for _ in range(kept):
        spool.put(entry(sealed=long))
    with pytest.raises(StoreUnavailable):
        spool.put(entry(sealed=long))
    assert outcome(metrics, "refused-full") == 1
    spool.put(entry(user_id="another", sealed=long))
    spool.settle(*(spool.first() or pytest.fail("nothing waits")))
    spool.put(entry(sealed=long))
    assert len(waiting(spool)) == kept + 1


def test_a_file_that_never_runs_empty_does_not_grow_for_ever(
    make_spool: MakeSpool, tmp_path: Path
) -> None:
    size = len(pack(entry()))
    spool = make_spool(bytes=8 * size)
    spool.put(first := entry())
    told = [first]
    for _ in range(100):
        spool.put(another := entry())
        told.append(another)
        head = spool.first()
        assert head is not None
        assert head[1].entry == told.pop(0)
        spool.settle(*head)
        assert sum(file.stat().st_size for file in files(tmp_path)) < 25 * size
    assert waiting(spool) == told
    assert files(tmp_path) == []


def test_concurrent_promises_share_syncs_and_all_are_kept(
    make_spool: MakeSpool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs = 0
    began, go_on = threading.Event(), threading.Event()
    real = os.fdatasync

    def slow(descriptor: int) -> None:
        nonlocal syncs
        syncs += 1
        began.set()
        go_on.wait(10)
        real(descriptor)

    spool = make_spool()
    spool.put(entry())
    monkeypatch.setattr(os, "fdatasync", slow)
    threads = [threading.Thread(target=spool.put, args=(entry(),)) for _ in range(20)]
    threads[0].start()
    assert began.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(spool._queue) < 19:
        pass
    go_on.set()
    for thread in threads:
        thread.join()
    assert syncs == 2  # the first, and one for all that waited behind it
    assert spool.entries == 21
    assert len(frames_of(_reader(files(tmp_path)[0]))[0]) == 21


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_a_disk_that_fails_promises_nothing_and_loses_nothing(
    make_spool: MakeSpool, metrics: Metrics, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    spool = make_spool()
    before, after = entry(), entry()
    spool.put(before)

    def full(*args: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(spool_file.os, call, full)
        for _ in range(2):
            with pytest.raises(StoreUnavailable) as refused:
                spool.put(entry("r9"))
            assert isinstance(refused.value.__cause__, OSError)
    assert outcome(metrics, "refused-disk") == 2
    assert not spool.holds("r9")
    spool.put(after)  # in a new file
    assert waiting(spool) == [before, after]


def test_half_a_write_is_taken_back(
    make_spool: MakeSpool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spool = make_spool()
    spool.put(entry())
    size = files(tmp_path)[0].stat().st_size
    real, wrote = os.pwrite, []

    def half(descriptor: int, data: Any, offset: int) -> int:
        if wrote:
            raise OSError(errno.ENOSPC, "No space left on device")
        wrote.append(real(descriptor, data[: len(data) // 2], offset))
        return int(wrote[0])

    with monkeypatch.context() as patch:
        patch.setattr(spool_file.os, "pwrite", half)
        with pytest.raises(StoreUnavailable):
            spool.put(entry())
    assert wrote
    assert files(tmp_path)[0].stat().st_size == size


def test_what_can_never_be_told_is_kept_aside(spool: Spool, tmp_path: Path) -> None:
    kept = [entry() for _ in range(2)]
    for each in kept:
        spool.put(each)
        head = spool.first()
        assert head is not None
        spool.reject(*head)
    assert spool.entries == 0
    (path,) = (tmp_path / "spool" / "rejects").iterdir()
    assert path.name == "2033-05-18"  # of the spool's clock: each day ends by itself
    assert [frame.entry for frame in frames_of(_reader(path))[0]] == kept
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_spool_of_a_newer_release_is_left_for_it(
    make_spool: MakeSpool, tmp_path: Path, metrics: Metrics
) -> None:
    make_spool().close()
    path = tmp_path / "spool" / "1-newer.spool"
    newer = b"kindred spool 2\n" + pack(entry())
    path.write_bytes(newer)
    before = metrics.failures.labels("spool")._value.get()
    spool = make_spool()
    assert spool.entries == 0
    spool.close()
    assert path.read_bytes() == newer
    assert metrics.failures.labels("spool")._value.get() > before


def test_the_gauges_tell_how_much_and_how_old(spool: Spool, metrics: Metrics) -> None:
    spool.put(entry(at=2e9 - 30))
    assert metrics.spool_entries._value.get() == 1
    assert metrics.spool_bytes._value.get() > len(pack(entry()))
    assert metrics.spool_oldest_seconds._value.get() == pytest.approx(30)
    waiting(spool)
    assert metrics.spool_entries._value.get() == 0
    assert metrics.spool_oldest_seconds._value.get() == 0


def _reader(path: Path) -> Any:
    data = path.read_bytes()
    return lambda size, offset: data[offset : offset + size]
