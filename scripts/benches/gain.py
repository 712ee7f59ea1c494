"""What N generated candidates are worth, and what they cost: gain(N) of the shipped models.

For each of 200 fixed prompts, 32 candidates are drawn from the generator; they and the 10
retrieved ones go through the reranker and the output screen as in the service. gain(N) is the
serving score of the best candidate that may be shown, when N of the 32 draws were made: its exact
expectation over all subsets of N, averaged over the prompts. A draw that is kept back, ill or a
twin counts as made and worth nothing; a slate with nothing to show scores 0. The cost is the
models' time for one request that runs alone; its sizes take turns.

The figures of gain(N) are also written to `artifacts/gain.json`, from which the load control
reads what its candidates are worth.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.dialog import candidates, rank, screen
from app.dialog.features import Features
from app.dialog.screen.machine import MachineText
from app.domain import Candidate, Source, Speaker, Turn, UserContext
from app.serving.engine import Engine
from app.serving.load.law import Plan
from app.settings import Settings, load_settings
from app.telemetry import Metrics
from scripts.benches import report, service
from scripts.benches.charts import Chart, Panel, Series

TITLE = "What candidates are worth"
PROMPTS = service.ROOT / "data" / "bench" / "prompts.txt"
DRAWN = 32
N_MAX = 10
_FAR = 600.0  # seconds: no stage may be late
_MODELS = ("encoder", "generator", "reranker")
_Z = 1.96  # of a 95 % interval


def main() -> int:
    """Run, print, save the figures and the artifact."""
    parser = argparse.ArgumentParser(prog="scripts/bench gain", description=__doc__)
    parser.add_argument("--out", type=Path, default=service.ROOT / "var" / "bench" / "gain.json")
    parser.add_argument(
        "--artifact",
        type=Path,
        default=service.ROOT / "artifacts" / "gain.json",
        help="for serving",
    )
    parser.add_argument("--prompts", type=int, default=200, help="the first so many of the 200")
    parser.add_argument("--rounds", type=int, default=12, help="requests timed at each N")
    options = parser.parse_args()
    prompts = PROMPTS.read_text(encoding="utf-8").splitlines()[: options.prompts]
    with tempfile.TemporaryDirectory(prefix="kindred-bench-") as folder:
        settings = load_settings().model_copy(
            update={"candidates_max": DRAWN, "var_dir": Path(folder), "cache_mb": 0}
        )
        metrics = Metrics()
        engine = Engine.open(settings, metrics)
        try:
            result = measure(engine, settings, metrics, prompts, options.rounds)
        finally:
            engine.close()
    report.save(options.out, result)
    report.save(options.artifact, artifact(result))
    print(show(result))
    return 0


def measure(
    engine: Engine, settings: Settings, metrics: Metrics, prompts: Sequence[str], rounds: int
) -> dict[str, Any]:
    """All figures."""
    new_tokens = settings.new_tokens
    full, short = Plan(DRAWN, new_tokens), Plan(DRAWN // 2, max(1, new_tokens // 2))
    curves, shorts = [], []
    for number, prompt in enumerate(prompts):
        curves.append(curve(*split(slate(engine, settings, prompt, full, number)), DRAWN, N_MAX))
        shorts.append(curve(*split(slate(engine, settings, prompt, short, number)), short.n, 1)[1])
        if sys.stderr.isatty() or number % 20 == 19:
            print(f"\r{number + 1} of {len(prompts)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return {
        "machine": report.machine(),
        "versions": dict(engine.versions),
        "prompts": len(prompts),
        "drawn": DRAWN,
        "retrieved": settings.retrieval_k,
        "new_tokens": new_tokens,
        "gain": [statistics.fmean(values) for values in zip(*curves, strict=True)],
        "over_none": [interval([c[n] - c[0] for c in curves]) for n in range(N_MAX + 1)],
        "short": statistics.fmean(shorts),
        "cost_ms": cost(engine, settings, metrics, prompts, rounds),
    }


def slate(
    engine: Engine, settings: Settings, prompt: str, plan: Plan, seed: int
) -> tuple[Candidate, ...]:
    """The screened candidates of a prompt that opens a conversation."""
    turn = Turn("m", 1, Speaker.PERSON, prompt, 0.0)
    context = UserContext("u", "c", turn, (turn,))
    turns, features, far = [prompt], Features(), time.monotonic() + _FAR
    gathered = candidates.gather(
        context, turns, features, plan, engine, k=settings.retrieval_k, seed=seed, deadline=far
    )
    ranked = rank.score(context, turns, gathered, features, engine, far)
    if gathered.late or ranked.late:
        raise RuntimeError(f"a stage failed: {(*gathered.late, *ranked.late)}")
    read = MachineText.begin(ranked.candidates, engine.replies, far).judged(ranked.candidates)
    moment = screen.Moment.of(prompt, (), crisis=False, logprob_min=settings.logprob_min)
    return screen.screen(read, moment)


def split(screened: Sequence[Candidate]) -> tuple[float | None, list[float]]:
    """The best retrieved score (None where none may be shown), and all generated ones."""
    fit = [c for c in screened if not c.filters and c.score is not None]
    retrieved = [c.score or 0.0 for c in fit if c.source is Source.RETRIEVAL]
    generated = [c.score or 0.0 for c in fit if c.source is Source.GENERATOR]
    return max(retrieved, default=None), generated


def curve(
    retrieved: float | None, generated: Sequence[float], drawn: int, n_max: int
) -> list[float]:
    """The expected best score when 0, 1, … `n_max` of `drawn` candidates are drawn.

    `generated` are the scores of those that may be shown; the other draws are worth nothing.
    Exact: of the subsets of size n, C(i, n-1) have the draw of rank i (from 0) as their best.
    """
    floor = 0.0 if retrieved is None else retrieved
    blanks = [-math.inf] * (drawn - len(generated))
    ordered = [*blanks, *sorted(generated)]
    values = [max(score, floor) for score in ordered]
    expected = [floor]
    for n in range(1, n_max + 1):
        subsets = math.comb(drawn, n)
        expected.append(
            sum(math.comb(i, n - 1) / subsets * value for i, value in enumerate(values))
        )
    return expected


def interval(values: Sequence[float]) -> list[float]:
    """Mean, and half the width of its 95 % interval over the prompts."""
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return [statistics.fmean(values), _Z * spread / math.sqrt(len(values))]


def cost(
    engine: Engine, settings: Settings, metrics: Metrics, prompts: Sequence[str], rounds: int
) -> list[float]:
    """Median milliseconds in the models of one request alone, for N = 0, 1, … N_MAX."""
    times: list[list[float]] = [[] for _ in range(N_MAX + 1)]
    for number in range(rounds):
        prompt = prompts[number % len(prompts)]
        for n in range(N_MAX + 1):
            before = busy(metrics)
            slate(engine, settings, prompt, Plan(n, settings.new_tokens), number)
            times[n].append(1e3 * (busy(metrics) - before))
    return [statistics.median(found) for found in times]


def busy(metrics: Metrics) -> float:
    """Seconds that the models have run so far."""
    registry = metrics.registry
    samples = (
        registry.get_sample_value("kindred_batch_seconds_sum", {"model": name}) for name in _MODELS
    )
    return sum(seconds or 0.0 for seconds in samples)


def artifact(result: dict[str, Any]) -> dict[str, Any]:
    """What serving reads: the curve, and the models that it holds for."""
    kept = ("versions", "prompts", "drawn", "retrieved", "new_tokens")
    return {
        **{key: result[key] for key in kept},
        "gain": [round(value, 8) for value in result["gain"]],
        "short": round(result["short"], 8),
        "command": "scripts/bench gain",
    }


def show(result: dict[str, Any]) -> str:
    """The result as text."""
    gain, costs = result["gain"], result["cost_ms"]
    rows = []
    for n, (value, ms) in enumerate(zip(gain, costs, strict=True)):
        mean, half = result["over_none"][n]
        last = f"{1e3 * (value - gain[n - 1]):.2f}" if n else "-"
        rows.append(
            [str(n), f"{value:.4f}", f"{1e3 * mean:+.1f} ± {1e3 * half:.1f}", last, f"{ms:.0f}"]
        )
    header = ["N", "gain(N)", "over none, thousandths", "of the last one", "ms in the models"]
    return (
        f"{report.describe(result['machine'])}\n\n"
        f"{report.table(header, rows)}\n\n"
        f"{result['prompts']} prompts, {result['drawn']} draws each, {result['retrieved']} "
        f"retrieved, {result['new_tokens']} new tokens. One candidate of half the length is worth "
        f"{result['short']:.4f}. The interval is over prompts (95 %).\n"
    )


def charts(result: dict[str, Any]) -> list[Chart]:
    """gain(N) over N, and over what it costs."""
    xs = list(range(len(result["gain"])))
    return [
        Chart(
            "curve",
            "What N generated candidates are worth, and what they cost",
            [
                Panel("N", "gain(N)", [Series("gain(N)", xs, result["gain"])]),
                Panel(
                    "ms in the models",
                    "gain(N)",
                    [Series("gain(N)", result["cost_ms"], result["gain"])],
                ),
            ],
        )
    ]
