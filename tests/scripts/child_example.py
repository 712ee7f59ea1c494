"""A child process for the tests of `scripts.benches.children`."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

from scripts.benches import children


def echo(value: object) -> object:
    """Answers, after some noise that must not reach the parent."""
    print("noise on stdout")
    return value


def refuse() -> None:
    """Raises."""
    raise ValueError("not today")


def nap(seconds: float) -> None:
    """Takes its time."""
    time.sleep(seconds)


def child() -> int:
    """Starts a process of its own; its id."""
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid


def linger() -> int:
    """Leaves a thread that never ends; its own id."""
    threading.Thread(target=time.sleep, args=(600.0,)).start()
    return os.getpid()


if __name__ == "__main__":
    children.serve({"echo": echo, "refuse": refuse, "nap": nap, "child": child, "linger": linger})
