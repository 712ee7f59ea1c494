"""Cross-encoders at 80 tokens a pair: what each way of serving them scores in a second.

Sixteen slates of ten candidates are asked for at once, texts in, scores out, tokenisation
included; every side has the same weights and the same two threads (`--threads`). The first side is
sentence-transformers' `CrossEncoder.predict`, fp32, batches of 32, as its documentation shows it.
Infinity and service-streamer run in processes and environments of their own and time themselves
there. Ours are a plain cross-encoder under OpenVINO and on the service's own torch BERT, so that
all sides compute the same function: a side whose ranks correlate with fp32's by less than 0.9 is
not counted as ours. What the service runs, which is another function (a slate's context is computed
once), stands below them. The share of the limit is the model's arithmetic against the fastest
matrix product of the same number format, measured before and after in the same run.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from scripts.benches import limits, report, service, standins, texts, timing, versions
from scripts.benches.charts import Chart, Panel, Series
from scripts.benches.classifiers import agreement
from scripts.benches.rerank_sides import FIRST, SHIPPED, SLATE, TOKENS, makers, tokenizer_of
from scripts.benches.sides import prepare

TITLE = "Reranking"
LEAST_AGREEMENT = 0.9
TARGETS = {"minilm": 4.5, "bert-base": 5.0}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Every model in turn; within a model its sides alternate."""
    peaks = limits.measure(options.peak, threads=options.threads)
    found = {name: measure_model(name, options) for name in options.models}
    peaks = limits.higher(peaks, limits.measure(options.peak, threads=options.threads))
    about = versions.machine("torch", "transformers", "sentence-transformers", "openvino")
    return {"machine": about, "threads": options.threads, "limits": peaks, "models": found}


def measure_model(model: str, options: argparse.Namespace) -> dict[str, Any]:
    """All sides of one model."""
    folder = standins.folder_of(model)
    slates = texts.slates(options.slates, SLATE, TOKENS, tokenizer_of(model), seed=7)
    pairs = [pair for slate in slates for pair in slate]
    with contextlib.ExitStack() as stack:
        sides, absent = prepare(makers(model, slates, options.threads, stack), report.progress)
        scores = {name: np.array(side.result(), dtype=np.float32) for name, side in sides.items()}
        seconds = timing.alternate(
            {name: side.run for name, side in sides.items()},
            options.rounds,
            say=lambda text: report.progress(f"{model}: {text}"),
        )
    flop = limits.bert_flop(standins.config_of(folder), TOKENS)
    reference = timing.Spread.of(seconds[FIRST]).median
    rows = []
    for name, took in seconds.items():
        spread = timing.Spread.of(took)
        rate = len(pairs) / spread.median
        rows.append(
            {
                "side": name,
                "pairs_per_s": rate,
                "slowest": len(pairs) / spread.high,
                "fastest": len(pairs) / spread.low,
                "times_first": reference / spread.median,
                "agreement": agreement(scores[name], scores[FIRST]),
                "gflop_per_s": rate * flop * 1e-9,
                "versions": sides[name].versions,
            }
        )
    what = {"what": standins.describe(model), "gflop_per_pair": flop * 1e-9}
    return {**what, "pairs": len(pairs), "sides": rows, "absent": absent}


def share(row: dict[str, Any], peaks: dict[str, float]) -> float:
    """Of the fastest product of the side's own number format, by any library."""
    format_ = next((name for name in ("bf16", "int8") if name in row["side"]), "fp32")
    peak = max(value for name, value in peaks.items() if name.endswith(f" {format_}"))
    return float(row["gflop_per_s"] / peak)


def best(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Our fastest side that ranks as fp32 does."""
    ours = [
        row
        for row in rows
        if row["side"].startswith("ours") and row["agreement"] >= LEAST_AGREEMENT
    ]
    return max(ours, key=lambda row: row["pairs_per_s"], default=None)


def show(result: dict[str, Any]) -> str:
    """A table for each model, and its verdict."""
    parts = [report.describe(result["machine"]), limits.describe(result["limits"])]
    for name, model in result["models"].items():
        rows = [_row(row, result["limits"]) for row in model["sides"]]
        rows += [[side, "absent", "-", "-", "-", "-"] for side in model["absent"]]
        header = ["side", "pairs/s", "range", "× the first", "ranks as fp32", "of the limit"]
        parts.append(
            f"**{model['what']}**, {model['gflop_per_pair']:.2f} GFLOP a pair, "
            f"{model['pairs']} pairs a round, {result['threads']} threads\n\n"
            f"{report.table(header, rows)}\n\n{_verdict(name, model, result['limits'])}"
        )
        parts += [f"Absent: {side}: {reason}" for side, reason in model["absent"].items()]
    return "\n\n".join(parts) + "\n"


def _row(row: dict[str, Any], peaks: dict[str, float]) -> list[str]:
    return [
        row["side"],
        f"{row['pairs_per_s']:.0f}",
        f"{row['slowest']:.0f}–{row['fastest']:.0f}",
        f"{row['times_first']:.2f}",
        f"{row['agreement']:.3f}" if row["side"] != SHIPPED else "-",
        f"{share(row, peaks):.0%}" if row["side"] != SHIPPED else "-",
    ]


def _verdict(name: str, model: dict[str, Any], peaks: dict[str, float]) -> str:
    chosen = best(model["sides"])
    if chosen is None:
        return "None of ours ranks as fp32 does."
    ours = ("ours", SHIPPED)
    others = [row for row in model["sides"] if not row["side"].startswith(ours)]
    next_best = max(others, key=lambda row: row["pairs_per_s"])
    ahead = chosen["pairs_per_s"] / next_best["pairs_per_s"]
    aim = f" (aim {TARGETS[name]} × on two cores with AMX)" if name in TARGETS else ""
    return (
        f"Best of ours: {chosen['side']}, {chosen['times_first']:.2f} × the first{aim}, "
        f"{ahead:.2f} × the best of the others ({next_best['side']}), "
        f"{share(chosen, peaks):.0%} of the machine's limit in that format."
    )


def charts(result: dict[str, Any]) -> list[Chart]:
    """Pairs a second by side, a panel a model."""
    panels = [
        Panel(
            "side",
            "pairs/s",
            [
                Series(
                    model["what"],
                    [row["side"] for row in model["sides"]],
                    [row["pairs_per_s"] for row in model["sides"]],
                )
            ],
            kind="bars",
        )
        for model in result["models"].values()
    ]
    return [Chart("pairs", "Pairs of 80 tokens scored in a second", panels)]


def main() -> int:
    """Run, print the tables, save the JSON."""
    parser = argparse.ArgumentParser(prog="scripts/bench rerank", description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(TARGETS), help="stand-ins or hub ids")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--slates", type=int, default=16, help=f"of {SLATE} pairs, in a round")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--peak", type=int, default=4096, help="width of the limit's product")
    parser.add_argument("--quick", action="store_true", help="a smoke run: MiniLM, two rounds")
    parser.add_argument("--out", type=Path, default=service.ROOT / "var" / "bench" / "rerank.json")
    options = parser.parse_args()
    if options.quick:
        options.models, options.rounds, options.slates, options.peak = ["minilm"], 2, 2, 1024
    return run_and_save(options)


def run_and_save(options: argparse.Namespace) -> int:
    """Measure with the threads that the options name."""
    import torch

    torch.set_num_threads(options.threads)
    standins.quiet()
    result = measure(options)
    report.save(options.out, result)
    print(show(result))
    report.progress(f"(figures in {options.out})")
    return 0
