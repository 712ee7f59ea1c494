"""How three models share few cores, and how their work is batched: the engine alone, closed loop.

Every side is an engine of this process with the shipped models and settings; what differs is
`KINDRED_CONCURRENCY` (each model's native thread free, or turns: the reranker before the encoder
before the generator, which gives way between two steps) and `KINDRED_BATCHING` (batches that
coalesce, or one item at a time). No HTTP, no Redis, no caches. A client asks again as soon as it is
answered: it has N candidates generated while its message is embedded and ten replies are retrieved,
and then all of them ranked. Deadlines are far away, so that all the work is done. The sides take
turns within each round.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import gevent

from app.serving.engine import Engine
from app.serving.health import HubMonitor
from app.settings import Settings
from app.telemetry import Metrics
from scripts.benches import report, service, timing
from scripts.benches.charts import Chart, Panel, Series
from scripts.benches.texts import PROMPTS

TITLE = "Cores: three models on few"
SIDES = ("free coalesce", "turns coalesce", "free single", "turns single")
_FAR = 600.0  # seconds: no deadline is met
_TURNS = 3  # of a conversation


@dataclass
class Round:
    """What the clients of one side saw in one round, in seconds."""

    answers: list[float] = field(default_factory=list)
    gather: list[float] = field(default_factory=list)
    rank: list[float] = field(default_factory=list)


class Talks:
    """Conversations of three turns from the fixed prompts; none comes twice in a run."""

    def __init__(self, prompts: Sequence[str]) -> None:
        self._prompts = prompts
        self._numbers = count()

    def next(self) -> tuple[int, list[str]]:
        """A number, and the turns of a conversation that has not been before."""
        number = next(self._numbers)
        size = len(self._prompts)
        step = 1 + number // size
        turns = [self._prompts[(number + i * step) % size] for i in range(_TURNS)]
        return number, [*turns[:-1], f"{turns[-1]} {number}"]


@contextmanager
def engine_of(side: str, folder: Path, options: argparse.Namespace) -> Iterator[Engine]:
    """An engine of one side; the index is built by whichever is first."""
    concurrency, batching = side.split()
    settings = Settings(
        var_dir=folder,
        artifacts_dir=service.ROOT / "artifacts",
        data_dir=service.ROOT / "data",
        generator=options.generator,
        concurrency=concurrency,  # type: ignore[arg-type]
        batching=batching,  # type: ignore[arg-type]
        cache_mb=0,
        new_tokens=options.new_tokens,
        candidates_max=max(1, options.candidates),
        threads=options.threads,
    )
    engine = Engine.open(settings, Metrics())
    try:
        yield engine
    finally:
        engine.close()


def ask(engine: Engine, talks: Talks, options: argparse.Namespace, seen: Round) -> None:
    """One message, answered."""
    number, turns = talks.next()
    begin = time.perf_counter()
    deadline = time.monotonic() + _FAR
    generating = engine.generate(turns, [], n=options.candidates, seed=number, deadline=deadline)
    vector = engine.embed(turns[-1:], deadline).wait()[0]
    texts = [hit.text for hit in engine.retrieve(vector, options.retrieved)]
    texts += [one.text for one in generating.wait()]
    gathered = time.perf_counter()
    scores = engine.score(turns, texts, [], deadline).wait()
    end = time.perf_counter()
    if not all(scores):
        raise RuntimeError("a candidate got no score: the round does not count")
    seen.answers.append(end - begin)
    seen.gather.append(gathered - begin)
    seen.rank.append(end - gathered)


def play(
    engine: Engine, talks: Talks, clients: int, seconds: float, options: argparse.Namespace
) -> dict[str, float]:
    """A round of one side: so many clients for so long, each to the end of its last answer."""
    seen = Round()
    monitor = HubMonitor(Metrics())
    begin = time.perf_counter()

    def client() -> None:
        while time.perf_counter() < begin + seconds:
            ask(engine, talks, options, seen)

    gevent.joinall([gevent.spawn(client) for _ in range(clients)], raise_error=True)
    took = time.perf_counter() - begin
    gap = monitor.p99()
    monitor.close()
    return {
        "rps": len(seen.answers) / took,
        "p50_ms": 1e3 * timing.quantile(seen.answers, 0.5),
        "p95_ms": 1e3 * timing.quantile(seen.answers, 0.95),
        "gather_p50_ms": 1e3 * timing.quantile(seen.gather, 0.5),
        "rank_p50_ms": 1e3 * timing.quantile(seen.rank, 0.5),
        "rank_p95_ms": 1e3 * timing.quantile(seen.rank, 0.95),
        "hub_gap_p99_ms": 1e3 * gap,
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All sides at every number of clients; medians over the rounds."""
    talks = Talks(PROMPTS.read_text(encoding="utf-8").splitlines())
    levels: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="kindred-bench-") as folder, ExitStack() as stack:
        engines = {
            side: stack.enter_context(engine_of(side, Path(folder), options))
            for side in options.sides
        }
        for clients in options.clients:
            rows: dict[str, list[dict[str, float]]] = {side: [] for side in engines}

            def work(side: str, clients: int = clients, rows: Any = rows) -> None:
                rows[side].append(play(engines[side], talks, clients, options.seconds, options))

            timing.alternate(
                {side: (lambda side=side: work(side)) for side in engines},  # type: ignore[misc]
                options.rounds,
                say=lambda text, clients=clients: report.progress(f"{clients} clients: {text}"),  # type: ignore[misc]
            )
            # The first row of each side is the round that warms.
            levels[str(clients)] = {
                side: timing.median_of(measured[1:]) for side, measured in rows.items()
            }
    return {
        "machine": report.machine(),
        "candidates": options.candidates,
        "new_tokens": options.new_tokens,
        "retrieved": options.retrieved,
        "threads": options.threads,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "levels": levels,
    }


def show(result: dict[str, Any]) -> str:
    """The table, each side beside the first one of its number of clients."""
    keys = ("p50_ms", "p95_ms", "gather_p50_ms", "rank_p50_ms", "rank_p95_ms", "hub_gap_p99_ms")
    rows = []
    for clients, sides in result["levels"].items():
        base = next(iter(sides.values()))["rps"]
        for side, figures in sides.items():
            ratio = figures["rps"] / base
            numbers = [f"{figures[key]:.0f}" for key in keys]
            rows.append([clients, side, f"{figures['rps']:.2f}", f"{ratio:.2f}", *numbers])
    header = ["clients", "side", "rps", "of the first"]
    header += ["p50 ms", "p95 ms", "gather p50", "rank p50", "rank p95", "hub gap p99"]
    about = (
        f"{report.describe(result['machine'])}\n\n{result['candidates']} candidates of at most "
        f"{result['new_tokens']} tokens and {result['retrieved']} retrieved; medians of "
        f"{result['rounds']} rounds of {result['seconds']:g} s a side."
    )
    return f"{about}\n\n{report.table(header, rows)}\n\n{_verdict(result)}"


def _verdict(result: dict[str, Any]) -> str:
    """Which side answers most, over all numbers of clients."""
    names = list(next(iter(result["levels"].values())))
    mean = {
        side: statistics.geometric_mean(level[side]["rps"] for level in result["levels"].values())
        for side in names
    }
    best = max(mean, key=lambda side: mean[side])
    return f"Most answers over all numbers of clients (geometric mean): {best}."


def charts(result: dict[str, Any]) -> list[Chart]:
    """Throughput, and the time that ranking takes, by the number of clients."""
    levels = result["levels"]

    def panel(label: str, key: str) -> Panel:
        series = [
            Series(side, list(levels), [level[side][key] for level in levels.values()])
            for side in next(iter(levels.values()))
        ]
        return Panel("clients", label, series, kind="bars")

    panels = [panel("answers a second", "rps"), panel("rank p95, ms", "rank_p95_ms")]
    return [Chart("sides", "Three models on few cores", panels)]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="scripts/bench cores", description=__doc__)
    made.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    made.add_argument("--seconds", type=float, default=10.0, help="of one round of one side")
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    made.add_argument("--candidates", type=int, default=10)
    made.add_argument("--new-tokens", type=int, default=20)
    made.add_argument("--retrieved", type=int, default=10)
    made.add_argument("--threads", type=int, default=0, help="of each model; 0: all cores")
    made.add_argument("--generator", default="", help="a folder or a hub id; the shipped one")
    made.add_argument("--out", type=Path, default=service.ROOT / "var" / "bench" / "cores.json")
    return made


def main() -> int:
    """Run, save, print."""
    options = parser().parse_args()
    result = measure(options)
    report.save(options.out, result)
    print(show(result))
    return 0
