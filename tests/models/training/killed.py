"""Kills a training command at a chosen moment, as the kernel does where memory runs out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[3]
_PATIENCE = 400.0  # seconds, on a busy machine

# SIGKILL leaves no time for anything: no handler, no `finally`, no buffer that is flushed.
_CHILD = """
import importlib, os, runpy, signal, sys

script, module, owner, method, call, *words = sys.argv[1:]
holder = getattr(importlib.import_module(module), owner)
real, seen = getattr(holder, method), 0

def killing(*arguments, **options):
    global seen
    seen += 1
    if seen == int(call):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **options)

setattr(holder, method, killing)
sys.argv = [script, *words]
sys.exit(runpy.run_path(script)["main"](words))
"""


def kill_at(moment: str, call: int, script: str, words: Sequence[object]) -> str:
    """Run `scripts/script` with `words`; kill it where `moment` is called for the `call`th time.

    Args:
        moment: `module:Class.method`; the call that kills is not carried out.

    Returns what it printed.
    """
    module, _, name = moment.partition(":")
    owner, method = name.split(".")
    path = str(ROOT / "scripts" / script)
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, path, module, owner, method, str(call), *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stdout
    return done.stdout
