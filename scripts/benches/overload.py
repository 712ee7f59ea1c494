"""An open loop far beyond what the machine holds: the load control against fixed N.

C₁₀ is the highest rate at which N fixed at 10 holds the objective, searched first: at least 95 % of
all messages that were sent must be answered within it, by all ten candidates and with no stage
late (with its deadlines N = 10 answers in time at any rate, but from retrieval alone). Then the
load climbs 0.5, 0.8, 1, 1.5, 2, 5, 10 × C₁₀ and comes back. Each policy has its own service, as it
ships but for `KINDRED_CANDIDATES_PINNED`; all stay up and take turns, one climb at a time, in an
order that moves on from round to round (an idle one takes some 2 % of a core). Fixed N has the same
admission and the same deadlines as the control.

Messages are some 70 tokens, from guests whose every message opens a conversation. Latencies count
from the intended start of a Poisson arrival; goodput is replies within the objective a second,
lines of fallback left out. N of a reply counts as 0 where a stage was late, and Σ gain(N) is taken
over the answered (gain: what `./scripts/bench gain` measured). Recovery: after ten times C₁₀ for a
while, at once back to half of it; the end of the last second in which less than 95 % were answered
in time, also with people who come back when refused.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from scripts.benches import answers, capacity, overload_page, report, service, staircase
from scripts.benches.answers import Run
from scripts.benches.charts import Chart
from scripts.benches.staircase import Stairs

TITLE = "Overload"
CONTROL = "control"
POLICIES: Mapping[str, dict[str, str]] = {
    CONTROL: {},
    **{f"N = {n}": {"KINDRED_CANDIDATES_PINNED": str(n)} for n in (10, 5, 1, 0)},
}
REFERENCE = "N = 10"
GAIN = service.ROOT / "artifacts" / "gain.json"
_PROBE_MESSAGES = 100
_SHARE = 0.95  # of the messages that must be well for a rate to hold


@contextmanager
def policies(names: list[str], objective_ms: int) -> Iterator[dict[str, service.Service]]:
    """A service for each policy, all up."""
    # Messages come again in probes, climbs and storms: a cache would answer for the models.
    every = {"KINDRED_LATENCY_OBJECTIVE_MS": str(objective_ms), "KINDRED_CACHE_MB": "0"}
    with ExitStack() as stack:
        up = {}
        for name in names:
            report.progress(f"starting {name}")
            up[name] = stack.enter_context(service.kindred({**every, **POLICIES[name]}))
        yield up


def find_capacity(at: service.Service, options: argparse.Namespace) -> dict[str, Any]:
    """C₁₀, and every probe that was made on the way."""
    objective = options.objective_ms / 1e3
    probes: list[dict[str, float]] = []

    def holds(rate: float) -> bool:
        # Long enough for a share of 95 % to mean something at a low rate, too.
        seconds = min(max(options.probe, _PROBE_MESSAGES / rate), 3 * options.probe)
        steps = f"{rate:.4f}:{options.settle},{rate:.4f}:{seconds}"
        run = Run.of(service.load(at, steps=steps, auth=True, seed=len(probes) + 1))
        sent = run.step(1)
        share = sum(answers.whole(a, objective) for a in sent) / max(1, len(sent))
        p95 = 1e3 * answers.quantile(sent, 0.95)
        probes.append({"rate": rate, "whole": share, "p95_ms": p95})
        report.progress(f"N = 10 at {rate:.2f}/s: {share:.1%} whole and in time")
        return share >= _SHARE

    if options.capacity:
        return {"rate": options.capacity, "probes": [], "given": True}
    rate = capacity.highest(holds, guess=options.guess)
    return {"rate": capacity.confirmed(holds, rate), "probes": probes, "given": False}


def storm(
    at: service.Service, rate: float, tries: int, options: argparse.Namespace
) -> float | None:
    """Seconds from the end of ten times the capacity until half of it is answered well again."""
    before, peak, after = options.storm
    steps = f"{rate / 2:.4f}:{before},{rate * 10:.4f}:{peak},{rate / 2:.4f}:{after}"
    run = Run.of(service.load(at, steps=steps, auth=True, tries=tries, seed=tries))
    end = before + peak
    return answers.recovery(
        run.attempts, end, end + after, lambda a: answers.good(a, options.objective_ms / 1e3)
    )


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Capacity, climbs by turns, storms."""
    names = list(options.policies)
    if REFERENCE not in names and not options.capacity:
        names.append(REFERENCE)
    climbs: dict[str, list[list[dict[str, Any]]]] = {name: [] for name in options.policies}
    with policies(names, options.objective_ms) as up:
        found = find_capacity(up[REFERENCE] if not options.capacity else up[names[0]], options)
        stairs = Stairs(found["rate"], options.settle, options.seconds, tuple(options.multiples))
        total = stairs.duration * len(climbs) * options.rounds / 60
        report.progress(f"C10 = {found['rate']:.2f}/s; the climbs will take {total:.0f} minutes")
        for number in range(options.rounds):
            first = number % len(climbs)
            for name in (*options.policies[first:], *options.policies[:first]):
                report.progress(f"round {number + 1} of {options.rounds}: {name}")
                rows = staircase.climb(up[name], stairs, options.objective_ms / 1e3, number + 1)
                climbs[name].append(rows)
        recoveries = {
            who: [storm(up[CONTROL], found["rate"], tries, options) for _ in range(options.storms)]
            for who, tries in (("nobody comes back", 1), ("the refused come back, 5 tries", 5))
            if CONTROL in up
        }
    gain = json.loads(GAIN.read_text(encoding="utf-8")) if GAIN.is_file() else None
    table = gain["gain"] if gain else None
    return {
        "machine": report.machine(),
        "objective_ms": options.objective_ms,
        "capacity": found,
        "settle": options.settle,
        "seconds": options.seconds,
        "rounds": options.rounds,
        "gain": gain,
        "steps": {name: staircase.medians(rows, table) for name, rows in climbs.items()},
        "recovery_seconds": recoveries,
        "climbs": climbs,
    }


def show(result: dict[str, Any]) -> str:
    """The tables of a result."""
    return overload_page.show(result)


def charts(result: dict[str, Any]) -> list[Chart]:
    """Offered load against p95, goodput, N and gain."""
    return overload_page.charts(result)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench overload",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--policies", nargs="+", choices=list(POLICIES), default=list(POLICIES), metavar="POLICY")
    add("--objective-ms", type=int, default=800)
    add("--capacity", type=float, default=0.0, help="C10 if it is known; 0: search it")
    add("--guess", type=float, default=4.0, help="where the search begins, a second")
    add(
        "--probe",
        type=float,
        default=20.0,
        help="seconds of a probe of the search, up to three times as many at low rates",
    )
    add("--rounds", type=int, default=5)
    add("--settle", type=float, default=3.0, help="seconds of a step that do not count")
    add("--seconds", type=float, default=10.0, help="seconds of a step that do")
    add("--multiples", type=float, nargs="+", default=list(staircase.MULTIPLES))
    add("--storms", type=int, default=5, help="sudden overloads of each kind")
    add("--storm", type=float, nargs=3, default=[10.0, 15.0, 25.0], help="before, peak, after")
    add("--quick", action="store_true", help="a smoke test: short, two policies, one round")
    add("--out", type=Path, default=service.ROOT / "var" / "bench" / "overload.json")
    options = parser.parse_args()
    if options.quick:
        options.policies, options.capacity = [CONTROL, REFERENCE], options.capacity or 2.0
        options.rounds, options.settle, options.seconds = 1, 1.0, 3.0
        options.multiples, options.storms, options.storm = [0.5, 1.0, 5.0], 1, [2.0, 4.0, 6.0]
    return options


def main() -> int:
    """Run, print, save."""
    options = parse()
    result = measure(options)
    report.save(options.out, result)
    print(show(result))
    print(f"(figures in {options.out})", file=sys.stderr)
    return 0
