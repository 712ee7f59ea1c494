"""The whole service against a naive app: closed loop, N pinned at 10, 10 retrieved, 20 new tokens.

Both sides have the same generator, encoder, bank and prompts and take turns within one run. The
naive side: Flask under a sync worker, transformers `generate(num_return_sequences=10)` and one
call of a plain MiniLM cross-encoder a request (the shipped reranker's depth and width; its
attention cannot be written as a transformers model), fp32, no batching, no Redis. Messages are
some 70 tokens and never repeat within a client, so that nothing can be cached. Deadlines are set
far away, so that all the work is done.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from scripts.benches import report, service

TITLE = "The whole service"
PROMPTS = service.ROOT / "data" / "bench" / "prompts.txt"
MESSAGE_CHARS = 300
PINNED = {
    "KINDRED_CANDIDATES_PINNED": "10",
    "KINDRED_NEW_TOKENS": "20",
    "KINDRED_CHAT_DEADLINE_MS": "60000",
    "KINDRED_GATHER_DEADLINE_MS": "50000",
    "KINDRED_RANK_DEADLINE_MS": "50000",
    "KINDRED_EXPLORATION": "0",
}


def messages(path: Path) -> None:
    """Long messages made of prompts in rotation: each is some 70 tokens and its own."""
    prompts = PROMPTS.read_text(encoding="utf-8").splitlines()
    lines = []
    for offset in range(1, 8):
        for i in range(len(prompts)):
            text, step = prompts[i], 0
            while len(text) < MESSAGE_CHARS:
                step += 1
                text = f"{text}. {prompts[(i + step * (2 * offset + 1)) % len(prompts)]}"
            lines.append(text)
    path.write_text("\n".join(dict.fromkeys(lines)), encoding="utf-8")


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the rounds of one side at one number of clients."""

    def middle(value: Any) -> float:
        return statistics.median(value(run) for run in runs)

    return {
        "rps": middle(lambda run: len(run["latencies"]) / run["seconds"]),
        **{
            f"p{int(q * 100)}_ms": middle(
                lambda run, q=q: 1e3 * report.percentile(run["latencies"], q)
            )
            for q in (0.5, 0.95, 0.99)
        },
        "answers": sum(len(run["latencies"]) for run in runs),
        "statuses": {
            k: sum(r["statuses"].get(k, 0) for r in runs) for r0 in runs for k in r0["statuses"]
        },
        "load_cpu_share": middle(lambda run: run["cpu_share"]),
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


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Both services up, the rounds alternating between them; returns all figures."""
    levels: dict[int, dict[str, Any]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        service.kindred(PINNED) as ours,
        service.naive() as theirs,
    ):
        path = Path(folder) / "messages.txt"
        messages(path)
        for side, auth in ((ours, True), (theirs, False)):  # warm both before anything counts
            service.load(side, 2, 4.0, path, auth=auth)
        for clients in options.clients:
            print(
                f"{clients} clients, {options.rounds} rounds of 2 x {options.seconds:.0f} s …",
                file=sys.stderr,
            )
            runs: dict[str, list[dict[str, Any]]] = {"kindred": [], "naive": []}
            before = service.metrics(ours)
            for _ in range(options.rounds):
                runs["kindred"].append(
                    service.load(ours, clients, options.seconds, path, auth=True)
                )
                runs["naive"].append(
                    service.load(theirs, clients, options.seconds, path, auth=False)
                )
            after = service.metrics(ours)
            levels[clients] = {
                **{side: summary(rows) for side, rows in runs.items()},
                "stages_ms": stage_times(before, after),
                "hub_gap_p99_ms": 1e3
                * service.quantile(before, after, "kindred_hub_gap_seconds", 0.99),
                "late": sum(
                    v - before.get(k, 0.0)
                    for k, v in after.items()
                    if k.startswith("kindred_late_total")
                ),
            }
    return {"machine": report.machine(), "settings": PINNED, "levels": levels}


def show(result: dict[str, Any]) -> str:
    """The table of a result, with the ratio to the naive side."""
    rows = []
    for clients, level in result["levels"].items():
        ratio = (
            level["kindred"]["rps"] / level["naive"]["rps"]
            if level["naive"]["rps"]
            else float("nan")
        )
        for side in ("kindred", "naive"):
            s = level[side]
            rows.append(
                [
                    str(clients),
                    side,
                    f"{s['rps']:.2f}",
                    *(f"{s[f'p{q}_ms']:.0f}" for q in (50, 95, 99)),
                    f"{ratio:.2f} x" if side == "kindred" else "1",
                    f"{level['hub_gap_p99_ms']:.0f}" if side == "kindred" else "-",
                    str(s["answers"]),
                ]
            )
    header = [
        "clients",
        "side",
        "rps",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "throughput",
        "hub gap p99 ≤ ms",
        "answers",
    ]
    return (
        f"{report.describe(result['machine'])}\n\n{report.table(header, rows)}\n\n"
        f"Mean stage times (ms):\n{_stages(result['levels'])}\n"
    )


def _stages(levels: dict[int, dict[str, Any]]) -> str:
    lines = []
    for clients, level in levels.items():
        times = ", ".join(f"{stage} {ms:.0f}" for stage, ms in sorted(level["stages_ms"].items()))
        share = level["kindred"]["load_cpu_share"]
        lines.append(
            f"- {clients} clients: {times}; late stages {level['late']:.0f}; "
            f"load generator's CPU {share:.0%} of a core"
        )
    return "\n".join(lines)


def main() -> int:
    """Run, print the table, save the JSON."""
    parser = argparse.ArgumentParser(prog="scripts/bench chat", description=__doc__)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=20.0, help="of one round of one side")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=service.ROOT / "var" / "bench" / "chat.json")
    options = parser.parse_args()
    result = measure(options)
    report.save(options.out, result)
    print(show(result))
    print(f"(figures in {options.out})", file=sys.stderr)
    return 0
