"""One worker of the CPU ladder: a process, one thread, one core, every rung loaded.

`python -m scripts.benches.ladder_worker CORE`, called by `ladder_cpu` over its pipe. All workers
begin a rung at the same moment of the system's monotonic clock.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from app.serving.batching.queue import Budget
from scripts.benches import children, rungs, standins, texts, zipf
from scripts.benches.classifiers import Classifier, Tokens

MESSAGES = 4096  # different ones; a rung without a cache may see one again
_PER_SECOND = 20_000  # messages made ahead for the cache rung: more than a thread answers


class Worker:
    """What a worker holds between calls."""

    def __init__(self, core: int) -> None:
        import torch

        os.sched_setaffinity(0, {core})
        torch.set_num_threads(1)
        standins.quiet()
        lengths = texts.Lengths.read().draw(MESSAGES, np.random.default_rng(core))
        self._messages = texts.messages([int(n) for n in lengths], rungs.tokenizer(), seed=core)
        self._core = core
        self._models: dict[str, Classifier] = {}

    def load(self, rung: str) -> None:
        """Load a rung's model and run it over lengths that will come."""
        model = rungs.RUNGS[rung].load()
        for text in self._messages[:8]:
            model.scores([text])
        self._models[rung] = model

    def scores(self, rung: str, count: int) -> list[float]:
        """Of messages that are the same in every worker, one at a time."""
        same = texts.messages([8 + i % 24 for i in range(count)], rungs.tokenizer(), seed=5)
        return [float(self._models[rung].scores([text])[0]) for text in same]

    def run(self, rung: str, start: float, seconds: float) -> dict[str, Any]:
        """One message at a time."""
        self._wait(start)
        took = rungs.one_at_a_time(self._models[rung], self._endless(), start + seconds)
        return {"took": took, "elapsed": time.monotonic() - start}

    def run_batched(self, rung: str, start: float, seconds: float, tokens: int) -> dict[str, Any]:
        """From a full queue."""
        self._wait(start)
        model, budget = self._models[rung], Budget(tokens, rungs.WAITING)
        took = rungs.batched(model, self._endless(), start + seconds, budget)
        return {"took": took, "elapsed": time.monotonic() - start}

    def warm_cache(
        self, universe: int, exponent: float, entries: int, messages: int
    ) -> dict[str, int]:
        """Make the traffic, and bring the cache to a steady state."""
        self._tokens = Tokens(rungs.DISTIL)
        self._traffic = zipf.Traffic(universe, exponent, rungs.tokenizer(), seed=self._core)
        self._cache = zipf.cache_of(entries)
        first, *_, last = self._tokens.rows(["hello"])[0].ids
        zipf.warm(self._cache, self._traffic, messages, entries, (first, last))
        return {"entries": len(self._cache), "bytes": self._cache.bytes}

    def make_traffic(self, seconds: float) -> int:
        """Make the next messages ahead of time; how many."""
        self._ahead = self._traffic.messages(int(seconds * _PER_SECOND))
        return len(self._ahead)

    def run_cached(self, rung: str, start: float, seconds: float, tokens: int) -> dict[str, Any]:
        """Zipf traffic through the cache, misses batched."""
        self._wait(start)
        budget = Budget(tokens, rungs.WAITING)
        passed = zipf.through_cache(
            self._models[rung], self._tokens, self._ahead, self._cache, start + seconds, budget
        )
        return {"took": passed.took, "elapsed": passed.elapsed, "hits": passed.hits}

    def _endless(self) -> Iterator[str]:
        return itertools.cycle(self._messages)

    def _wait(self, start: float) -> None:
        time.sleep(max(0.0, start - time.monotonic()))


def main() -> None:
    """Serve until the parent closes the pipe."""
    worker = Worker(int(sys.argv[1]))
    verbs = ("load", "scores", "run", "run_batched", "warm_cache", "make_traffic", "run_cached")
    children.serve({verb: getattr(worker, verb) for verb in verbs})


if __name__ == "__main__":
    main()
