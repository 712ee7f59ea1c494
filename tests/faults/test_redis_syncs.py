"""Row 2: the system calls of Redis show that the fsync comes before every acknowledgement."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.store.link.client import load_script
from tests.faults.durable import KINDS, Durable, Talker
from tests.faults.service import Answer, eventually

pytestmark = [pytest.mark.slow, pytest.mark.faults(2)]

# `name(descriptor<what>, …) = result`, with what the descriptor is of (strace -y).
_CALL = re.compile(r"^(?:\d+ +)?(\w+)\((\d+)<([^>]*)>?([^)]*.*) = (-?\d+)")
_WRITES = ("write", "writev", "pwrite64", "sendto", "sendmsg")
_SHOWN = 120  # bytes of each call: enough for the hash of the script that is asked for
# Scripts that always write, and whose answer is an acknowledgement.
_PROMISING = tuple(load_script(name).sha for name in ("react", "begin", "finish", "feel"))


@dataclass
class Seen:
    """What a trace shows: writes to the log, syncs of it, answers, and those that came too soon."""

    written: int = 0
    synced: int = 0
    acknowledged: int = 0  # answers to a promising script, each behind the sync of its own write
    too_early: int = 0


def read_trace(lines: list[str]) -> Seen:
    """Go through the calls of the main thread in order.

    What one client asked for is followed by its descriptor: asked, written, synced, answered.
    """
    seen = Seen()
    owed: dict[str, str] = {}
    for line in lines:
        match = _CALL.match(line)
        if match is None or int(match[5]) < 0:
            continue
        name, descriptor, what, shown = match[1], match[2], match[3], match[4]
        if "appendonly" in what:
            if name in _WRITES:
                seen.written += 1
                owed = dict.fromkeys(owed, "written")
            elif name in ("fdatasync", "fsync"):
                seen.synced += 1
                owed = {each: "synced" if at == "written" else at for each, at in owed.items()}
        elif not what.startswith(("UNIX", "socket", "TCP")):
            continue
        elif name in ("read", "recvfrom") and any(sha in shown for sha in _PROMISING):
            owed[descriptor] = "asked"
        elif name in _WRITES:
            at = owed.pop(descriptor, None)
            seen.acknowledged += at == "synced"
            # Nobody is told anything between a write to the log and its sync, not even others.
            seen.too_early += at in ("asked", "written") or "written" in owed.values()
    return seen


def test_the_reader_of_traces_sees_an_early_answer() -> None:
    client = "9<UNIX-STREAM:[77->76]>"
    command = f"*9\\r\\n$7\\r\\nEVALSHA\\r\\n$40\\r\\n{_PROMISING[0]}"
    asked = f'read({client}, "{command}"..., 16384) = 900'
    write = 'write(8</v/appendonlydir/appendonly.aof.1.incr.aof>, "*1"..., 4) = 4'
    sync = "fdatasync(8</v/appendonlydir/appendonly.aof.1.incr.aof>) = 0"
    answer = f'write({client}, "+OK\\r\\n", 5) = 5'
    other = answer.replace("9<", "10<")
    assert read_trace([asked, write, sync, answer]) == Seen(1, 1, 1, 0)
    assert read_trace([asked, write, answer, sync]) == Seen(1, 1, 0, 1)
    assert read_trace([asked, answer, write, sync]) == Seen(1, 1, 0, 1)  # before it was written
    assert read_trace([asked, write, other, sync, answer]) == Seen(1, 1, 1, 1)
    assert read_trace([other, asked, write, sync, other, answer]) == Seen(1, 1, 1, 0)
    failed = "fdatasync(8</v/appendonly.aof>) = -1 EIO (Input/output error)"
    assert read_trace([asked, write, failed, answer]).too_early == 1


def felt(durable: Durable, talker: Talker, said: dict[str, Any], feeling: str) -> Answer:
    """Tell how a conversation left its person."""
    path = f"/v1/conversations/{said['conversation_id']}/feedback"
    return durable.service.call("PUT", path, talker.token, {"feeling": feeling})


def test_row_2_the_sync_precedes_every_acknowledgement(durable: Durable, tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    (talker,) = durable.talkers(1, replies=3)
    # A Redis that was started anew knows no script: the first call of each sends its text, which a
    # trace does not show as asked.
    assert talker.react(0, KINDS[-1]).status == 200
    assert felt(durable, talker, talker.say("before").json, "worse").status == 200
    trace = tmp_path / "trace"
    names = "read,recvfrom,write,writev,pwrite64,sendto,sendmsg,fdatasync,fsync"
    command = [strace, "-y", "-s", str(_SHOWN), "-e", f"trace={names}", "-o", str(trace)]
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
        said = talker.say("and a message").json
        assert said["saved"]
        assert felt(durable, talker, said, "better").status == 200
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        process.stderr.close()
    eventually(trace.exists)
    seen = read_trace(trace.read_text(errors="replace").splitlines())
    assert seen.written >= reactions, seen
    assert seen.synced >= reactions, seen
    assert seen.acknowledged >= reactions + 3, seen  # a message (its beginning, its end), a feeling
    assert seen.too_early == 0, seen
