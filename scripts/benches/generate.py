"""GPT-2 generating ten candidates of twenty tokens for each of several requests at once.

Contexts of 80 tokens, the same sampling rules and fixed lengths on every side, the sides in turns.
The first is transformers' `generate(num_return_sequences=10)` in fp32, one request after the other,
as a plain app would call it; ours is the service's own `Generator.run` on each of its runtimes, all
requests in one batch. Before anything is timed each side's distributions are held against
transformers' fp32 along its greedy tokens. The share of the limit is the arithmetic that the task
cannot do without (each context once) against the fastest matrix product of the same format.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scripts.benches import limits, report, service, standins, timing, versions
from scripts.benches.charts import Chart, Panel, Series
from scripts.benches.generate_sides import (
    FIRST,
    Contexts,
    Reference,
    Sampler,
    Task,
    makers,
    model_of,
)
from scripts.benches.sides import prepare

TITLE = "Generation"
LEAST_TOP1 = {"fp32": 0.99, "bf16": 0.9, "fp16": 0.9, "int8": 0.9}
AIM = "aim 14 ×, better 25 ×, at 8 requests on two cores with AMX"


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """One model on every side, at each number of requests."""
    task = task_of(options)
    config = task.model.config.to_dict()
    draw = np.random.default_rng(3)
    most = max(options.requests)
    drawn = draw.integers(1, len(task.tokenizer), (most, options.context))
    contexts: Contexts = [tuple(int(i) for i in row) for row in drawn]
    peak = {"threads": options.threads, "device": options.device}
    peaks = limits.measure(options.peak, **peak)
    weights: dict[str, float] = {}
    sides, absent = prepare(weighed(makers(task), weights), report.progress)
    reference = Reference.of(task, contexts[:4])
    agreements = {name: side.forced(contexts[:4], reference) for name, side in sides.items()}
    levels = {
        str(n): level(sides, contexts[:n], options.rounds, options.device) for n in options.requests
    }
    for sides_of_level in levels.values():
        for name, found in sides_of_level.items():
            found["gib"] += weights[name]
    about = versions.machine("torch", "transformers", "openvino", "openvino-genai", "onnxruntime")
    if options.device == "cuda":
        about["processor"] = f"{torch.cuda.get_device_name()} beside {about['processor']}"
    peaks = limits.higher(peaks, limits.measure(options.peak, **peak))
    return {
        "machine": about,
        "model": standins.describe(options.model),
        "task": [options.context, options.candidates, options.tokens, options.threads],
        "gflop_per_request": 1e-9
        * limits.gpt2_flop(config, options.context, options.candidates, options.tokens),
        "limits": peaks,
        "agreement": {name: [found.top1, found.divergence] for name, found in agreements.items()},
        "levels": levels,
        "absent": absent,
    }


def allocated() -> float:
    """GiB that torch holds on the GPU; 0 without one."""
    return torch.cuda.memory_allocated() / 2**30 if torch.cuda.is_available() else 0.0


def weighed(
    every: Iterable[tuple[str, Callable[[], Sampler]]], weights: dict[str, float]
) -> Iterator[tuple[str, Callable[[], Sampler]]]:
    """The same makers; each notes how much GPU memory its side took."""

    def made(name: str, make: Callable[[], Sampler]) -> Sampler:
        before = allocated()
        side = make()
        weights[name] = allocated() - before
        return side

    for name, make in every:
        yield name, partial(made, name, make)


def task_of(options: argparse.Namespace) -> Task:
    """The model and the tokenizer that its texts are made with."""
    from transformers import AutoTokenizer

    shapes = ("medium", "large", "xl")
    words = standins.GPT2 if options.model in shapes else options.model
    return Task(
        model=model_of(options.model),
        name=options.model,
        tokenizer=AutoTokenizer.from_pretrained(standins.folder_of(words)),
        device=options.device,
        threads=options.threads,
        candidates=options.candidates,
        tokens=options.tokens,
    )


def level(
    sides: dict[str, Sampler], contexts: Contexts, rounds: int, device: str
) -> dict[str, dict[str, float]]:
    """Milliseconds a request of every side, for so many requests at once."""
    made: dict[str, list[float]] = {name: [] for name in sides}
    memory = dict.fromkeys(sides, 0.0)

    def work(name: str) -> None:
        before = allocated()
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        made[name].append(sides[name].sample(contexts))
        if device == "cuda":
            peak = torch.cuda.max_memory_allocated() / 2**30
            memory[name] = max(memory[name], peak - before)

    seconds = timing.alternate(
        {name: partial(work, name) for name in sides},
        rounds,
        say=lambda text: report.progress(f"{len(contexts)} requests: {text}"),
    )
    found = {}
    for name, took in seconds.items():
        spread = timing.Spread.of([1e3 * value / len(contexts) for value in took])
        found[name] = {
            "ms": spread.median,
            "ms_low": spread.low,
            "ms_high": spread.high,
            "tokens": float(np.nanmean(made[name])),
            "gib": memory[name],
        }
    return found


def faithful(name: str, agreement: dict[str, list[float | None]]) -> bool:
    """Whether a side's first choices are the reference's, as far as its format lets them be."""
    top1 = agreement[name][0]
    return top1 is not None and top1 >= LEAST_TOP1[name.split()[-1]]


def show(result: dict[str, Any]) -> str:
    """A table for each number of requests."""
    context, candidates, tokens, threads = result["task"]
    parts = [report.describe(result["machine"]), limits.describe(result["limits"])]
    parts.append(
        f"**{result['model']}**: {context} tokens → {candidates} × {tokens}, {threads} threads, "
        f"{result['gflop_per_request']:.1f} GFLOP a request."
    )
    header = ["side", "ms a request", "range", "tokens/s", "× the first", "of the limit"]
    header += ["top-1 as fp32", "divergence", "GPU GiB"]
    for requests, sides in result["levels"].items():
        rows = [row(name, result, requests) for name in sides]
        parts.append(
            f"{requests} {'request' if requests == '1' else 'requests at once'}:\n\n"
            f"{report.table(header, rows)}\n\n{verdict(result, requests)}"
        )
    parts += [f"Absent: {name}: {reason}" for name, reason in result["absent"].items()]
    return "\n\n".join(parts) + "\n"


def row(name: str, result: dict[str, Any], requests: str) -> list[str]:
    """One side's line."""
    sides = result["levels"][requests]
    side, (_, candidates, tokens, _) = sides[name], result["task"]
    top1, divergence = result["agreement"][name]
    return [
        name,
        f"{side['ms']:.0f}",
        f"{side['ms_low']:.0f}–{side['ms_high']:.0f}",
        f"{1e3 * candidates * tokens / side['ms']:.0f}",
        f"{sides[FIRST]['ms'] / side['ms']:.2f}",
        f"{share(name, side, result):.0%}",
        f"{top1:.1%}",
        "-" if divergence is None else f"{divergence:.1e}",
        f"{side['gib']:.2f}" if side["gib"] else "-",
    ]


def share(name: str, side: dict[str, float], result: dict[str, Any]) -> float:
    """Of the fastest product of the side's format; weights in int8 are computed in bf16."""
    format_ = next((f for f in ("fp16", "bf16", "fp32") if f in name.split()), "bf16")
    peaks = result["limits"]
    fitting = [value for key, value in peaks.items() if key.endswith(f" {format_}")]
    return float(result["gflop_per_request"] / (side["ms"] * 1e-3) / max(fitting))


def verdict(result: dict[str, Any], requests: str) -> str:
    """Our fastest faithful side against the first and against the best of the others."""
    sides = result["levels"][requests]
    ours = [
        name for name in sides if name.startswith("ours") and faithful(name, result["agreement"])
    ]
    if not ours:
        return "None of ours is faithful to fp32."
    best = min(ours, key=lambda name: sides[name]["ms"])
    other = min(
        (name for name in sides if not name.startswith("ours")), key=lambda name: sides[name]["ms"]
    )
    short = sides[best]["tokens"] < 0.95 * result["task"][2]
    return (
        f"Best of ours: {best}, {sides[FIRST]['ms'] / sides[best]['ms']:.2f} × the first ({AIM}), "
        f"{sides[other]['ms'] / sides[best]['ms']:.2f} × the best of the others ({other})."
        + (f" Its candidates had {sides[best]['tokens']:.1f} tokens only." if short else "")
    )


def charts(result: dict[str, Any]) -> list[Chart]:
    """Milliseconds a request by side, a panel a number of requests."""
    panels = [
        Panel(
            "side",
            "ms a request",
            [Series(f"{n} at once", list(sides), [side["ms"] for side in sides.values()])],
            kind="bars",
        )
        for n, sides in result["levels"].items()
    ]
    return [Chart("ms", "Ten candidates of twenty tokens: ms a request", panels[:4])]


def parser() -> argparse.ArgumentParser:
    """The bench's options."""
    made = argparse.ArgumentParser(prog="scripts/bench generate", description=__doc__)
    made.add_argument(
        "--model", default=standins.GPT2, help="gpt2-small, medium, large, xl; a folder or hub id"
    )
    made.add_argument("--requests", type=int, nargs="+", default=[1, 8], help="at once")
    made.add_argument("--context", type=int, default=80, help="tokens")
    made.add_argument("--candidates", type=int, default=10, help="of a request")
    made.add_argument("--tokens", type=int, default=20, help="of a candidate")
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    made.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    made.add_argument("--peak", type=int, default=4096, help="width of the limit's product")
    made.add_argument("--quick", action="store_true", help="a smoke run on the shipped model")
    made.add_argument("--out", type=Path, default=service.ROOT / "var" / "bench" / "generate.json")
    return made


def main() -> int:
    """Run, print the tables, save the JSON."""
    options = parser().parse_args()
    if options.quick:
        options.model = str(service.ROOT / "artifacts" / "generator")
        options.requests, options.rounds, options.peak = [1, 2], 2, 1024
        options.candidates, options.tokens = 3, 6
    torch.set_num_threads(options.threads)
    standins.quiet()
    result = measure(options)
    report.save(options.out, result)
    print(show(result))
    report.progress(f"(figures in {options.out})")
    return 0
