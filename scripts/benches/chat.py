"""Closed loops of 1, 8, 32 and 128 people; N pinned at 10, 10 retrieved, 20 new tokens.

Three sides with the same generator, encoder, bank and messages take turns within one run: Kindred
as it ships; the naive app (Flask under a sync worker, transformers `generate` and one call of a
plain MiniLM cross-encoder a request, fp32, no batching, no Redis: `scripts/benches/plain.py`); and
the same app with its models behind service-streamer. Messages are some 70 tokens and never repeat,
caches are off, and deadlines are far away, so that all the work is done. A round counts the replies
that come after its ramp; a message that is still unanswered when its time is up counts in the
percentiles with its age (≥).
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.benches import answers, peers, report, service
from scripts.benches.answers import Run
from scripts.benches.charts import Chart, Panel, Series

TITLE = "The whole service"
NAIVE_GOAL, STREAMER_GOAL, GOAL_CLIENTS = 6.0, 2.0, 8
PROMPTS = service.PROMPTS
PINNED = {
    "KINDRED_CANDIDATES_PINNED": "10",
    "KINDRED_NEW_TOKENS": "20",
    "KINDRED_CHAT_DEADLINE_MS": "60000",
    "KINDRED_GATHER_DEADLINE_MS": "50000",
    "KINDRED_RANK_DEADLINE_MS": "50000",
    "KINDRED_EXPLORATION": "0",
}
COLD = {**PINNED, "KINDRED_CACHE_MB": "0"}
KINDRED, NAIVE, STREAMER = "kindred", "naive", "service-streamer"


@dataclass(frozen=True)
class Sides:
    """The services that run, and why one does not."""

    running: Mapping[str, service.Service]
    absent: Mapping[str, str]


@contextmanager
def sides(generator: Path | None, clients: int) -> Iterator[Sides]:
    """All three up, with `generator` (a folder; None: the shipped one)."""
    ours = {"KINDRED_GENERATOR": str(generator)} if generator else {}
    theirs = {"BENCH_GENERATOR": str(generator)} if generator else {}
    running, absent = {}, {}
    with ExitStack() as stack:
        running[KINDRED] = stack.enter_context(service.kindred({**COLD, **ours}))
        running[NAIVE] = stack.enter_context(service.naive(theirs))
        try:
            peers.python_of(STREAMER)
            running[STREAMER] = stack.enter_context(service.streamer(theirs, clients + 8))
        except peers.PeerAbsent as reason:
            absent[STREAMER] = str(reason)
        yield Sides(running, absent)


def one_round(
    side: str, at: service.Service, clients: int, seed: int, options: argparse.Namespace
) -> dict[str, Any]:
    """One closed loop of one side."""
    auth = {"auth": True} if side == KINDRED else {}
    end = service.load(
        at,
        clients=clients,
        ramp=options.ramp,
        seconds=options.seconds,
        # The naive app drops who hung up; what the others still do would run into the next round.
        drain=options.drain * (1 if side == NAIVE else 4),
        patience=600,
        seed=seed,
        **auth,
    )
    run = Run.of(end)
    asked = run.step(1)
    return {
        "rps": answers.throughput(run, options.ramp, run.seconds),
        **{f"p{int(q * 100)}_ms": 1e3 * answers.quantile(asked, q) for q in (0.5, 0.95, 0.99)},
        "cut": sum(a.kind == "cut" for a in asked),
        "statuses": answers.statuses(asked),
        "load_cpu_share": run.cpu_share,
        "load_lag_p99_ms": 1e3 * run.lag_p99,
    }


def summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the rounds of one side at one number of clients, and the spread of its rps."""
    numbers = [key for key, value in rounds[0].items() if isinstance(value, float)]
    statuses: dict[str, int] = {}
    for row in rounds:
        for status, count in row["statuses"].items():
            statuses[status] = statuses.get(status, 0) + count
    rates = [row["rps"] for row in rounds]
    return {
        **{key: statistics.median(row[key] for row in rounds) for key in numbers},
        "rps_low": min(rates),
        "rps_high": max(rates),
        "cut": sum(row["cut"] for row in rounds),
        "statuses": statuses,
    }


def stage_times(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Mean milliseconds of each pipeline stage between two readings of /metrics."""
    times = {}
    for key, total in after.items():
        if key.startswith("kindred_stage_seconds_sum{"):
            count_key = key.replace("_sum{", "_count{")
            count = after[count_key] - before.get(count_key, 0.0)
            if count:
                stage = key.split('"')[1]
                times[stage] = 1e3 * (total - before.get(key, 0.0)) / count
    return times


def level(up: Sides, clients: int, options: argparse.Namespace) -> dict[str, Any]:
    """All rounds of all sides at one number of clients; the side that begins moves on by one."""
    names = list(up.running)
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    before = service.metrics(up.running[KINDRED])
    for number in range(options.rounds):
        report.progress(f"{clients} clients, round {number + 1} of {options.rounds}")
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            seed = 1_000 * clients + number  # the same messages for each side
            rounds[name].append(one_round(name, up.running[name], clients, seed, options))
    after = service.metrics(up.running[KINDRED])
    gap = service.quantile(before, after, "kindred_hub_gap_seconds", 0.99)
    return {
        "rounds": options.rounds,
        "seconds": options.seconds,
        "sides": {name: summary(rows) for name, rows in rounds.items()},
        "stages_ms": stage_times(before, after),
        "hub_gap_p99_ms": 1e3 * gap,
        "late": service.growth(before, after, "kindred_late_total"),
    }


def measure(options: argparse.Namespace, generator: Path | None = None) -> dict[str, Any]:
    """Every level, with all sides up throughout."""
    with sides(generator, max(options.clients)) as up:
        warm = argparse.Namespace(ramp=0.0, seconds=options.warm, drain=options.drain)
        for name, at in up.running.items():
            one_round(name, at, 2, 0, warm)
        levels = {str(clients): level(up, clients, options) for clients in options.clients}
        absent = dict(up.absent)
    return {
        "machine": report.machine(),
        "generator": generator.name if generator else "shipped",
        "settings": COLD,
        "absent_peers": absent,
        "levels": levels,
    }


def added(saved: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """The levels of both, by number of people; of one measured twice, the newer.

    Raises ValueError where the saved ones are of another machine, version or generator.
    """
    for name in ("generator", "settings"):
        if saved[name] != result[name]:
            raise ValueError(f"the saved levels are of another {name}")
    theirs, ours = ({**r["machine"], "date": ""} for r in (saved, result))
    if theirs != ours:
        raise ValueError("the saved levels are of another machine or other versions")
    levels = {**saved["levels"], **result["levels"]}
    return {clients: levels[clients] for clients in sorted(levels, key=int)}


def ratios(level: dict[str, Any]) -> dict[str, float]:
    """Kindred's throughput by each other side's."""
    ours = level["sides"][KINDRED]["rps"]
    return {
        name: ours / side["rps"] if side["rps"] else float("nan")
        for name, side in level["sides"].items()
        if name != KINDRED
    }


def show(result: dict[str, Any], naive_goal: float = NAIVE_GOAL) -> str:
    """The tables of a result."""
    rows = []
    for clients, at in result["levels"].items():
        ratio = ratios(at)
        for name, side in at["sides"].items():
            mark = "≥ " if side["cut"] else ""
            rows.append(
                [
                    clients,
                    name,
                    f"{side['rps']:.2f} ({side['rps_low']:.2f} to {side['rps_high']:.2f})",
                    *(f"{mark}{report.number(side[f'p{q}_ms'])}" for q in (50, 95, 99)),
                    f"{report.number(ratio[name], 1)} x" if name in ratio else "",
                    str(sum(v for k, v in side["statuses"].items() if k.startswith("200"))),
                    str(sum(v for k, v in side["statuses"].items() if not k.startswith("200"))),
                    f"{side['load_cpu_share']:.1%}, {side['load_lag_p99_ms']:.1f} ms",
                ]
            )
    header = ["people", "side", "replies/s (range)", "p50 ms", "p95 ms", "p99 ms"]
    header += ["Kindred is", "replies", "others", "generator's core, lag p99"]
    lines = [
        report.describe(result["machine"]),
        f"Generator: {result['generator']}. Medians of {_windows(result['levels'])}.",
        report.table(header, rows),
        _goals(result, naive_goal),
        *(f"{name}: absent ({why})." for name, why in result["absent_peers"].items()),
        f"Inside Kindred:\n\n{_inside(result['levels'])}",
    ]
    return "\n\n".join(line for line in lines if line) + "\n"


def _windows(levels: dict[str, Any]) -> str:
    """How many rounds of how long, for each number of people that had its own."""
    measured: dict[tuple[int, float], list[str]] = {}
    for clients, at in levels.items():
        measured.setdefault((at["rounds"], at["seconds"]), []).append(clients)
    alike = len(measured) == 1
    return ", ".join(
        f"{rounds} rounds of {seconds:g} s" + ("" if alike else f" ({', '.join(at)} people)")
        for (rounds, seconds), at in measured.items()
    )


def _goals(result: dict[str, Any], naive_goal: float) -> str:
    at = result["levels"].get(str(GOAL_CLIENTS))
    if at is None:
        return ""
    wanted = {NAIVE: naive_goal, STREAMER: STREAMER_GOAL}
    said = [
        f"{ratio:.1f} x {name} (to reach: {wanted[name]:g} x)"
        for name, ratio in ratios(at).items()
        if math.isfinite(ratio)  # one whose median round had no reply stands in the table alone
    ]
    return f"At {GOAL_CLIENTS} people Kindred has {' and '.join(said)}." if said else ""


def _inside(levels: dict[str, Any]) -> str:
    lines = []
    for clients, at in levels.items():
        times = ", ".join(f"{stage} {ms:.0f}" for stage, ms in sorted(at["stages_ms"].items()))
        lines.append(
            f"- {clients} people: mean ms of the stages {times}; late stages {at['late']:.0f}; "
            f"hub gap p99 ≤ {at['hub_gap_p99_ms']:.0f} ms"
        )
    return "\n".join(lines)


def charts(result: dict[str, Any]) -> list[Chart]:
    """Throughput by people, a bar a side."""
    levels = result["levels"]
    names = list(next(iter(levels.values()))["sides"])
    bars = [
        Series(name, list(levels), [at["sides"][name]["rps"] for at in levels.values()])
        for name in names
    ]
    panel = Panel("people (closed loop)", "replies a second", bars, kind="bars")
    return [Chart("throughput", "Replies a second of the whole service", [panel])]


def parse(name: str) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog=f"scripts/bench {name}", description=__doc__)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20.0, help="of one round of one side")
    parser.add_argument("--ramp", type=float, default=5.0, help="seconds before they count")
    parser.add_argument("--drain", type=float, default=30.0, help="seconds to wait for the last")
    parser.add_argument("--warm", type=float, default=4.0, help="seconds for each side, at first")
    parser.add_argument("--add", action="store_true", help="keep the saved levels of other numbers")
    parser.add_argument("--quick", action="store_true", help="a smoke test: one short round")
    parser.add_argument("--out", type=Path, default=service.ROOT / "var" / "bench" / f"{name}.json")
    options = parser.parse_args()
    if options.quick:
        vars(options).update(clients=[1, 8], rounds=1, seconds=6.0, ramp=2.0)
    return options


def main(name: str = "chat", generator: Path | None = None, naive_goal: float = NAIVE_GOAL) -> int:
    """Run, print the table, save the JSON."""
    options = parse(name)
    result = measure(options, generator)
    if options.add and options.out.exists():
        result["levels"] = added(json.loads(options.out.read_text()), result)
    report.save(options.out, result)
    print(show(result, naive_goal))
    print(f"(figures in {options.out})", file=sys.stderr)
    return 0
