"""The tables and pictures of `overload`, and whether its goals were reached. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from scripts.benches import report
from scripts.benches.charts import Chart, Panel, Series

CONTROL = "control"
GOODPUT_GOAL, GAIN_GOAL = 0.9, 0.95
MEAN_N_GOALS = {"0.5": 9.0, "0.8": 7.0}
REFUSAL_MS, RECOVERY_SECONDS = 50.0, 10.0

Steps = dict[str, dict[str, Any]]  # multiple → figures


def show(result: dict[str, Any]) -> str:
    """Everything as Markdown."""
    capacity, every = result["capacity"], result["steps"]
    how = "given" if capacity["given"] else f"found by {len(capacity['probes'])} probes"
    steps = next(iter(every.values()))
    parts = [
        report.describe(result["machine"]),
        f"C₁₀ = {capacity['rate']:.2f} requests a second ({how}); objective "
        f"{result['objective_ms']} ms; medians of {_observations(steps)} steps of "
        f"{result['seconds']:g} s in {result['rounds']} rounds. The load generator took "
        f"{_most(every, 'load_cpu_share'):.1%} of a core at most and was "
        f"{_most(every, 'load_lag_p99_ms'):.1f} ms late at its p99.",
        *(f"{name}:\n\n{_table(rows)}" for name, rows in every.items() if name == CONTROL),
        f"Goodput (replies within the objective a second):\n\n{_compare(every, 'goodput', 2)}",
        f"p95 of the answered (ms):\n\n{_compare(every, 'p95_ms', 0)}",
        f"Mean N:\n\n{_compare(every, 'mean_n', 1)}",
        f"Σ gain(N) a second:\n\n{_compare(every, 'gain', 2)}" if result["gain"] else _NO_GAIN,
        _recoveries(result["recovery_seconds"]),
        "\n".join(f"- {line}" for line in goals(result)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


_NO_GAIN = "Σ gain(N): not measured (artifacts/gain.json is not there)."


def goals(result: dict[str, Any]) -> Iterator[str]:
    """One line a goal: what was to be reached, what was."""
    every, objective = result["steps"], result["objective_ms"]
    if CONTROL not in every:
        return
    control = every[CONTROL]
    p95 = max(row["p95_ms"] for row in control.values())
    yield _goal("p95 of the answered, worst step", f"{p95:.0f} ms", p95 <= objective, objective)
    for multiple, wanted in MEAN_N_GOALS.items():
        if multiple in control:
            n = control[multiple]["mean_n"]
            yield _goal(f"mean N at {multiple} × C₁₀", f"{n:.1f}", n >= wanted, wanted)
    best = max(row["goodput"] for row in control.values())
    last = control[max(control, key=float)]["goodput"]
    share = last / best if best else math.nan
    yield _goal("goodput at the peak by its best", f"{share:.0%}", share >= GOODPUT_GOAL, "90 %")
    if result["gain"] and (ratios := gain_ratios(every)):
        worst = min(ratios, key=lambda multiple: ratios[multiple])
        text = f"{ratios[worst]:.1%} (at {worst} × C₁₀)"
        yield _goal(
            "Σ gain(N) by that of the best fixed N, worst step",
            text,
            ratios[worst] >= GAIN_GOAL,
            "95 %",
        )
    refusals = [row["refusal_p99_ms"] for row in control.values()]
    slowest = max((ms for ms in refusals if not math.isnan(ms)), default=math.nan)
    if not math.isnan(slowest):
        yield _goal(
            "refusals' p99, worst step", f"{slowest:.0f} ms", slowest <= REFUSAL_MS, REFUSAL_MS
        )
    for who, seconds in result["recovery_seconds"].items():
        if not seconds:
            yield f"recovery, {who}: not measured"
            continue
        well = all(s is not None and s <= RECOVERY_SECONDS for s in seconds)
        yield _goal(f"recovery, {who}", _seconds(seconds), well, f"{RECOVERY_SECONDS:g} s")


def gain_ratios(every: dict[str, Steps]) -> dict[str, float]:
    """By multiple: Σ gain(N) of the control by that of the best fixed N there."""
    fixed = [steps for name, steps in every.items() if name != CONTROL]
    if not fixed:
        return {}
    return {
        multiple: row["gain"] / best
        for multiple, row in every[CONTROL].items()
        if (best := max(steps[multiple]["gain"] for steps in fixed)) > 0
    }


def charts(result: dict[str, Any]) -> list[Chart]:
    """Four panels over the offered load: p95, goodput, N, gain."""
    every = result["steps"]

    def panel(key: str, label: str, **more: Any) -> Panel:
        lines = [
            Series(name, [float(m) for m in steps], [row[key] for row in steps.values()])
            for name, steps in every.items()
        ]
        return Panel("offered load, × C₁₀", label, lines, log_x=True, from_zero=True, **more)

    panels = [
        panel(
            "p95_ms", "p95 of the answered, ms", limit=("objective", float(result["objective_ms"]))
        ),
        panel("goodput", "replies in time a second"),
        panel("mean_n", "mean N"),
    ]
    if result["gain"]:
        panels.append(panel("gain", "Σ gain(N) a second"))
    return [Chart("steps", "The control and fixed N under rising load", panels)]


def _table(steps: Steps) -> str:
    header = ["× C₁₀", "sent/s", "answered/s", "refused/s", "lost/s", "p50", "p95", "p99 ms"]
    header += ["refusals p99 ms", "mean N", "degraded", "in time/s", "Σ gain/s"]
    rows = [
        [
            multiple,
            *(f"{row[key]:.1f}" for key in ("offered", "answered", "refused", "lost")),
            *(
                report.number(row[key], 0)
                for key in ("p50_ms", "p95_ms", "p99_ms", "refusal_p99_ms")
            ),
            report.number(row["mean_n"], 1),
            f"{row['degraded']:.1%}",
            f"{row['goodput']:.2f}",
            report.number(row["gain"], 2),
        ]
        for multiple, row in steps.items()
    ]
    return report.table(header, rows)


def _compare(every: dict[str, Steps], key: str, digits: int) -> str:
    multiples = list(next(iter(every.values())))
    rows = [
        [name, *(report.number(steps[multiple][key], digits) for multiple in multiples)]
        for name, steps in every.items()
    ]
    return report.table(["policy", *(f"{multiple} ×" for multiple in multiples)], rows)


def _recoveries(found: dict[str, list[float | None]]) -> str:
    if not any(found.values()):
        return ""
    lines = [f"- {who}: {_seconds(seconds)}" for who, seconds in found.items() if seconds]
    return "Seconds until all is well after a sudden end of ten times C₁₀:\n\n" + "\n".join(lines)


def _seconds(seconds: list[float | None]) -> str:
    return ", ".join("not within the run" if s is None else f"{s:.0f} s" for s in seconds) or "-"


def _goal(what: str, found: str, reached: bool, wanted: object) -> str:
    return f"{what}: {found} (to reach: {wanted}) {'✓' if reached else '✗ missed'}"


def _most(every: dict[str, Steps], key: str) -> float:
    return max(row[key] for steps in every.values() for row in steps.values())


def _observations(steps: Steps) -> str:
    counts = sorted({row["observations"] for row in steps.values()})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
