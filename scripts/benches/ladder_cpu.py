"""The ladder of Roblox's talk on serving BERT on CPUs, and then ours.

"How we scaled BERT to serve 1+ billion daily requests on CPUs" (Le and Kaehler, 2020) served one
message at a time on one thread a worker and a worker a core: BERT-base padded to 128 tokens, then
DistilBERT, dynamic shapes and int8, 30 times in all. The same rungs here with today's libraries,
then the service's batching. Every worker holds every rung; in a round each rung runs in all workers
at once for some seconds, rungs in turns. Lengths of messages are those of 455,912 turns of public
chats (`data/bench/lengths.json`). The cache stands apart: what it gains is the traffic's doing.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from scripts.benches import (
    children,
    exports,
    peers,
    report,
    rungs,
    service,
    standins,
    texts,
    timing,
    versions,
)
from scripts.benches.charts import Chart, Panel, Series
from scripts.benches.classifiers import agreement

TITLE = "The CPU ladder"
AIM = 60  # times the first rung, with batching, on two cores with AMX
LEAST_AGREEMENT = 0.95
_AHEAD = 0.2  # seconds from the call to the common start
_CALL_SECONDS = 900.0
_SAME = 64  # messages whose scores are compared

Workers = list[children.Child]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All rungs in turns, then the cache."""
    absent = prepare_networks()
    names = [name for name in rungs.RUNGS if name not in absent]
    cores = sorted(os.sched_getaffinity(0))[: options.workers]
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(worker(core)) for core in cores]
        for name in names:
            report.progress(f"loading {name}")
            children.call_all(workers, "load", _CALL_SECONDS, rung=name)
        scores = {
            name: np.array(workers[0].call("scores", rung=name, count=_SAME)) for name in names
        }
        reference = scores["dynamic shapes"].astype(np.float32)
        near = {name: agreement(scores[name].astype(np.float32), reference) for name in names}
        best = fastest_batched(workers, names, near, options)
        rows = climb(workers, names, best, options)
        cache = through_cache(workers, best, options) if options.entries else None
    for name, row in rows.items():
        row["agreement"] = near.get(name) if name != "BERT-base, 128" else None
    return {
        "machine": versions.machine("torch", "transformers", "openvino"),
        "workers": len(cores),
        "models": [standins.describe(rungs.BASE), standins.describe(rungs.DISTIL)],
        "lengths": lengths(),
        "seconds": options.seconds,
        "batching": {"on": best, "tokens": options.batch_tokens, "waiting": rungs.WAITING},
        "rungs": rows,
        "cache": cache,
        "absent": absent,
    }


def prepare_networks() -> dict[str, str]:
    """Make what the workers will load; the rungs that cannot be, and why."""
    absent = {}
    for format_ in ("bf16", "int8"):
        try:
            exports.network_of(rungs.DISTIL, format_, rungs.calibration())
        except (peers.PeerAbsent, children.ChildError) as error:
            absent[f"OpenVINO {format_}"] = str(error)
    return absent


def worker(core: int) -> children.Child:
    """A worker on a core."""
    return children.Child(
        "scripts.benches.ladder_worker",
        str(core),
        environment={"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
        said=service.ROOT / "var" / "bench" / "logs" / f"ladder-{core}.log",
    )


def lengths() -> dict[str, float]:
    """The histogram in three figures."""
    found = texts.Lengths.read()
    return {"mean": found.mean, "p50": found.quantile(0.5), "p99": found.quantile(0.99)}


def together(workers: Workers, verb: str, seconds: float, **arguments: Any) -> dict[str, Any]:
    """One slice of a rung in all workers at once: messages a second and core, and latencies."""
    start = time.monotonic() + _AHEAD
    told = children.call_all(
        workers, verb, _CALL_SECONDS, start=start, seconds=seconds, **arguments
    )
    rates = [len(one["took"]) / one["elapsed"] for one in told]
    took = [second for one in told for second in one["took"]]
    hits = sum(one.get("hits", 0) for one in told)
    return {"per_core": statistics.mean(rates), "took": took, "hits": hits}


def fastest_batched(
    workers: Workers, names: list[str], near: dict[str, float], options: argparse.Namespace
) -> str:
    """The number format that batches best among those that rank as fp32 does."""
    able = [n for n in names if n in rungs.PRECISIONS and near[n] >= LEAST_AGREEMENT]
    tokens = options.batch_tokens
    rates = {
        name: together(workers, "run_batched", options.seconds, rung=name, tokens=tokens)[
            "per_core"
        ]
        for name in able
    }
    return max(rates, key=lambda name: rates[name], default="dynamic shapes")


def climb(
    workers: Workers, names: list[str], best: str, options: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """Every rung: messages a second and core (median of the rounds), latencies (all of them)."""
    slices: dict[str, list[dict[str, Any]]] = {name: [] for name in [*names, rungs.BATCHING]}

    def one(name: str) -> None:
        slices[name].append(together(workers, "run", options.seconds, rung=name))

    def full() -> None:
        tokens = options.batch_tokens
        found = together(workers, "run_batched", options.seconds, rung=best, tokens=tokens)
        slices[rungs.BATCHING].append(found)

    sides: dict[str, timing.Side] = {name: partial(one, name) for name in names}
    sides[rungs.BATCHING] = full
    timing.alternate(sides, options.rounds, warm=0, say=report.progress)
    return {name: figures(found) for name, found in slices.items()}


def figures(slices: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of one rung from its slices."""
    took = [1e3 * second for found in slices for second in found["took"]]
    rates = [found["per_core"] for found in slices]
    return {
        "per_core": statistics.median(rates),
        "per_core_low": min(rates),
        "per_core_high": max(rates),
        "p50_ms": timing.quantile(took, 0.5),
        "p99_ms": timing.quantile(took, 0.99),
        "messages": len(took),
    }


def through_cache(workers: Workers, best: str, options: argparse.Namespace) -> dict[str, Any]:
    """The batching rung behind a warm cache."""
    report.progress(f"warming a cache of {options.entries} entries")
    traffic = {"universe": options.universe, "exponent": options.exponent}
    filled = children.call_all(
        workers,
        "warm_cache",
        _CALL_SECONDS,
        **traffic,
        entries=options.entries,
        messages=4 * options.entries,
    )
    slices = []
    for _ in range(options.rounds):
        children.call_all(workers, "make_traffic", _CALL_SECONDS, seconds=options.seconds)
        tokens = options.batch_tokens
        slices.append(together(workers, "run_cached", options.seconds, rung=best, tokens=tokens))
    found = figures(slices)
    hits = sum(one["hits"] for one in slices) / max(1, found["messages"])
    return {**found, **traffic, "hit_rate": hits, **filled[0]}


def show(result: dict[str, Any]) -> str:
    """The ladder, its verdict, and the cache below it."""
    about = result["lengths"]
    first = result["rungs"][next(iter(rungs.RUNGS))]["per_core"]
    rows, before = [], first
    for name, row in result["rungs"].items():
        if name == rungs.BATCHING:
            before = result["rungs"][result["batching"]["on"]]["per_core"]
        rows.append(_row(name, row, first, before))
        if name not in rungs.PRECISIONS:
            before = row["per_core"]
    header = ["rung", "what changes", "p50 ms", "p99 ms", "messages/s and core", "× the first"]
    header += ["× the rung before", "ranks as fp32"]
    parts = [
        report.describe(result["machine"]),
        f"{result['workers']} workers of one thread; {' and '.join(result['models'])}; messages of "
        f"{about['mean']:.1f} tokens on average (median {about['p50']}, p99 {about['p99']}). The "
        "number formats are each compared with dynamic shapes in fp32.",
        report.table(header, rows),
        verdict(result),
    ]
    if result["cache"]:
        parts.append(_cache(result["cache"], first))
    parts += [f"Absent: {name}: {reason}" for name, reason in result["absent"].items()]
    return "\n\n".join(parts) + "\n"


def _row(name: str, row: dict[str, Any], first: float, before: float) -> list[str]:
    changed = "a full queue" if name == rungs.BATCHING else rungs.RUNGS[name].changed
    near = row["agreement"]
    return [
        name,
        changed,
        f"{row['p50_ms']:.2f}",
        f"{row['p99_ms']:.2f}",
        f"{row['per_core']:.1f}",
        f"{row['per_core'] / first:.1f}",
        f"{row['per_core'] / before:.2f}",
        "-" if near is None else f"{near:.3f}",
    ]


def verdict(result: dict[str, Any]) -> str:
    """The two ratios that were aimed at."""
    rows = result["rungs"]
    first = rows[next(iter(rungs.RUNGS))]
    able = [n for n in rungs.PRECISIONS if n in rows and rows[n]["agreement"] >= LEAST_AGREEMENT]
    one = max([*able, "dynamic shapes"], key=lambda name: rows[name]["per_core"])
    batching = result["batching"]
    return (
        f"One message at a time: {one}, {rows[one]['per_core'] / first['per_core']:.1f} × the "
        f"first in throughput, {first['p50_ms'] / rows[one]['p50_ms']:.1f} × in median latency "
        f"(published: 30 ×). With batching ({batching['on']}, {batching['tokens']} tokens a batch, "
        f"{batching['waiting']} messages waiting, which is what its latency shows): "
        f"{rows[rungs.BATCHING]['per_core'] / first['per_core']:.1f} × (aim {AIM} × on two cores "
        "with AMX)."
    )


def _cache(cache: dict[str, Any], first: float) -> str:
    return (
        f"Apart from the ladder, a cache of {cache['entries']:,} scores "
        f"({cache['bytes'] / 2**20:.0f} MiB a worker) before the same batching, Zipf traffic with "
        f"exponent {cache['exponent']} over {cache['universe']:,} messages: hit rate "
        f"{cache['hit_rate']:.1%}, {cache['per_core']:.0f} messages/s and core "
        f"({cache['per_core'] / first:.0f} × the first rung), p50 {cache['p50_ms']:.2f} ms, p99 "
        f"{cache['p99_ms']:.1f} ms."
    )


def charts(result: dict[str, Any]) -> list[Chart]:
    """Throughput a core and latency by rung."""
    rows = result["rungs"]
    names = list(rows)
    panels = [
        Panel("rung", label, [Series("", names, [row[key] for row in rows.values()])], kind="bars")
        for key, label in (("per_core", "messages/s and core"), ("p50_ms", "p50 ms"))
    ]
    return [Chart("rungs", "BERT on CPUs, rung by rung", panels)]


def main() -> int:
    """Run, print the tables, save the JSON."""
    parser = argparse.ArgumentParser(prog="scripts/bench ladder-cpu", description=__doc__)
    parser.add_argument("--workers", type=int, default=None, help="default: one a core")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of a rung in a round")
    parser.add_argument("--batch-tokens", type=int, default=512)
    parser.add_argument("--entries", type=int, default=1_000_000, help="of the cache; 0: none")
    parser.add_argument("--universe", type=int, default=10_000_000, help="distinct messages")
    parser.add_argument("--exponent", type=float, default=1.0, help="Zipf's")
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    default = service.ROOT / "var" / "bench" / "ladder-cpu.json"
    parser.add_argument("--out", type=Path, default=default)
    options = parser.parse_args()
    if options.quick:
        options.workers, options.rounds, options.seconds = 1, 1, 1.0
        options.entries, options.universe = 2_000, 20_000
    standins.quiet()
    for name in (rungs.BASE, rungs.DISTIL):
        standins.folder_of(name)  # made once, before the workers look for it
    result = measure(options)
    report.save(options.out, result)
    print(show(result))
    report.progress(f"(figures in {options.out})")
    return 0
