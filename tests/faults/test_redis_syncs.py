"""Row 2: the system calls of Redis show that the fsync comes before every acknowledgement."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.durable import KINDS, Durable
from tests.faults.service import eventually

pytestmark = [pytest.mark.slow, pytest.mark.faults(2)]

# `name(descriptor<what>, …) = result`, with what the descriptor is of (strace -y).
_CALL = re.compile(r"^(?:\d+ +)?(\w+)\(\d+<([^>]*)>?[^)]*.* = (-?\d+)")


@dataclass
class Seen:
    """What a trace shows: writes to the log, syncs of it, answers sent before a sync."""

    written: int = 0
    synced: int = 0
    answered: int = 0
    too_early: int = 0


def read_trace(lines: list[str]) -> Seen:
    """Go through the calls of the main thread in order."""
    seen, unsynced = Seen(), False
    for line in lines:
        match = _CALL.match(line)
        if match is None or int(match[3]) < 0:
            continue
        name, what = match[1], match[2]
        if "appendonly" in what:
            if name in ("write", "writev", "pwrite64"):
                seen.written, unsynced = seen.written + 1, True
            elif name in ("fdatasync", "fsync"):
                seen.synced, unsynced = seen.synced + 1, False
        elif name in ("write", "writev", "sendto", "sendmsg") and what.startswith(
            ("UNIX", "socket", "TCP")
        ):
            seen.answered += 1
            seen.too_early += unsynced
    return seen


def test_the_reader_of_traces_sees_an_early_answer() -> None:
    write = 'write(8</v/appendonlydir/appendonly.aof.1.incr.aof>, "*1"..., 4) = 4'
    sync = "fdatasync(8</v/appendonlydir/appendonly.aof.1.incr.aof>) = 0"
    answer = 'write(9<UNIX-STREAM:[77->76]>, "+OK\\r\\n", 5) = 5'
    assert read_trace([write, sync, answer]) == Seen(1, 1, 1, 0)
    assert read_trace([write, answer, sync]) == Seen(1, 1, 1, 1)
    failed = "fdatasync(8</v/appendonly.aof>) = -1 EIO (Input/output error)"
    assert read_trace([write, failed, answer]).too_early == 1


def test_row_2_the_sync_precedes_every_acknowledgement(durable: Durable, tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    (talker,) = durable.talkers(1, replies=3)
    trace = tmp_path / "trace"
    names = "write,writev,pwrite64,sendto,sendmsg,fdatasync,fsync"
    command = [strace, "-y", "-s", "16", "-e", f"trace={names}", "-o", str(trace)]
    process = subprocess.Popen(
        [*command, "-p", str(durable.redis.pid)], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        if "attached" not in said:
            process.wait(10)
            pytest.skip(f"a process may not be traced here: {said.strip()}")
        reactions = 0
        for kind in KINDS:
            for number in range(3):
                assert talker.react(number, kind).status == 200
                reactions += 1
        assert talker.say("and a message").json["saved"]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        process.stderr.close()
    eventually(trace.exists)
    seen = read_trace(trace.read_text(errors="replace").splitlines())
    assert seen.written >= reactions, seen
    assert seen.synced >= reactions, seen
    assert seen.answered > reactions, seen
    assert seen.too_early == 0, seen
