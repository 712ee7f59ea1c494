"""How fast a reranker is and how much memory it takes, measured in a process of its own.

`python -m models.training.reranker.comparison.speed FOLDER EXAMPLES --threads 1` prints one JSON
object. A fresh process, because the memory of a model cannot be told from that of another in the
same one, and torch's threads are better set once. The libraries are imported before memory is first
read: every model needs them, and their size is no model's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SLATE, BATCH = 10, 64
_ROUNDS_MIN = 3
_WARM_ROUNDS = 2
_START_SECONDS = 600.0
ROOT = Path(__file__).resolve().parents[4]


class SpeedError(RuntimeError):
    """The measuring process failed; the message is the last thing that it said."""


def measure_apart(
    folder: Path, examples: Path, *, threads: int, seconds: float = 3.0
) -> dict[str, Any]:
    """`measure` in a new process. Raises SpeedError."""
    command = [sys.executable, "-m", __name__, str(folder.resolve()), str(examples.resolve())]
    command += ["--threads", str(threads), "--seconds", str(seconds)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_START_SECONDS + 20 * seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SpeedError(f"{folder}: no answer in {error.timeout:.0f} s") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise SpeedError(f"{folder}: {said[-1] if said else f'status {done.returncode}'}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure(folder: Path, path: Path, seconds: float) -> dict[str, Any]:
    """Pairs a second for a slate of 10 and a batch of 64, and bytes that the process grew by.

    `path` holds examples, ten of a context beside each other: slates are lists as they stand,
    a batch is made of rows of as many contexts as there are. Texts are tokenised each time, as a
    service would; the median of rounds counts.
    """
    from models.training.examples import read_examples
    from models.training.reranker.family.folder import open_scorer

    rows = list(read_examples(path))
    slates = [rows[i : i + SLATE] for i in range(0, len(rows) - SLATE + 1, SLATE)]
    mixed = [slate[0] for slate in slates]
    batches = [[mixed[i % len(mixed)] for i in range(BATCH)]]
    before = resident_bytes()
    scorer = open_scorer(folder)
    pairs = {
        str(len(sets[0])): _pairs_a_second(scorer.score, sets, seconds)
        for sets in (slates, batches)
    }
    return {"pairs_per_second": pairs, "memory_bytes": resident_bytes() - before}


def _pairs_a_second(score: Any, sets: Sequence[Sequence[Any]], seconds: float) -> float:
    for number in range(_WARM_ROUNDS):
        score(sets[number % len(sets)])
    took: list[float] = []
    end = time.perf_counter() + seconds
    while len(took) < _ROUNDS_MIN or time.perf_counter() < end:
        rows = sets[len(took) % len(sets)]
        began = time.perf_counter()
        score(rows)
        took.append((time.perf_counter() - began) / len(rows))
    return round(1.0 / max(statistics.median(took), 1e-9), 1)


def resident_bytes() -> int:
    """Resident memory of this process; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def main(argv: Sequence[str] | None = None) -> int:
    """The measuring process."""
    parser = argparse.ArgumentParser(prog="speed", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("examples", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args(argv)
    import torch

    torch.set_num_threads(options.threads)
    print(json.dumps(measure(options.folder, options.examples, options.seconds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
