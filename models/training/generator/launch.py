"""Start a command as several processes of this machine that train one model together.

The processes find each other through a file, and gloo speaks over the loopback interface only, so
nothing listens to the outside. SIGTERM and SIGINT are passed on: the processes save, end with
status 0, and so does the command. If one of them fails, the others are ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from models.training.generator.sharding import PARENT_VARIABLE, STORE_VARIABLE

# How long the others may take to end by themselves when one has failed.
GRACE_SECONDS = 10.0
# And when one has stopped as it was asked to; the first may still be writing a state.
LEAVE_SECONDS = 60.0


def is_launched() -> bool:
    """Whether this process is one of several already: of ours, torchrun or accelerate launch."""
    return "LOCAL_RANK" in os.environ


def launch(command: Sequence[str], processes: int, threads: int) -> int:
    """Run `command` (a Python script and its arguments) `processes` times, as one group.

    Returns the first exit status that is not 0, or 0.
    """
    children: list[subprocess.Popen[bytes]] = []
    asked: list[int] = []

    def pass_on(number: int, _frame: object) -> None:
        asked.append(number)
        for child in children:
            child.send_signal(number)

    previous = {s: signal.signal(s, pass_on) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        with tempfile.TemporaryDirectory(prefix="kindred-processes-") as folder:
            for rank in range(processes):
                env = _environment(rank, processes, threads, Path(folder) / "store")
                children.append(subprocess.Popen([sys.executable, *command], env=env))
            for number in asked[:1]:  # before all of them were there
                pass_on(number, None)
            return _wait(children, asked)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _environment(rank: int, processes: int, threads: int, store: Path) -> dict[str, str]:
    ours = {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "OMP_NUM_THREADS": str(threads),
        "GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", "lo"),
        STORE_VARIABLE: str(store),
        PARENT_VARIABLE: str(os.getpid()),
    }
    return {**os.environ, **ours}


def _wait(children: Sequence[subprocess.Popen[bytes]], asked: Sequence[int]) -> int:
    """The first exit status that is not 0, or 0; 0 too where a stop was asked for and obeyed."""
    alone_since: float | None = None
    while True:
        codes = [child.poll() for child in children]
        if all(code == 0 for code in codes):
            return 0
        failed = next((code for code in codes if code), 0)
        if failed:
            _end(children)
            # A process may be so young that it does not know of stopping yet.
            return 0 if -failed in asked else failed if failed > 0 else 128 - failed
        if asked and 0 in codes:
            # One left before it joined the group: the others wait for it, and hear nothing.
            alone_since = alone_since or time.monotonic()
            if time.monotonic() - alone_since > LEAVE_SECONDS:
                _end(children)
                return 0
        time.sleep(0.1)


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    for child in children:
        child.terminate()
    deadline = time.monotonic() + GRACE_SECONDS
    for child in children:
        try:
            child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
