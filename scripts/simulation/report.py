"""What the seeds say together: a table, a picture, and the figures behind both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import Any

from scripts.simulation.paired import Comparison, bootstrap, compare

CONTROL = "control"
_COLOURS = {
    "control": "#555555",
    "learning": "#0072B2",
    "taste": "#009E73",
    "learning+taste": "#D55E00",
    "shuffled": "#CC79A7",
}
Result = Mapping[str, Any]
_LABELS = {
    "control": "does not learn",
    "learning": "reranker learns from reactions",
    "taste": "personal taste only",
    "learning+taste": "reranker learns, personal taste",
    "shuffled": "learns from shuffled reactions",
}


def fraction(row: Result) -> float:
    """Upvotes among the reactions of a round."""
    return float(row["fraction"])


def truly_liked(row: Result) -> float:
    """Replies that were liked, said or not, among those shown."""
    return row["liked"] / max(1, row["shown"])


def staying(row: Result) -> float:
    """People who talk in the next round too."""
    return row["came_back"] / max(1, row["people"])


def talked(row: Result) -> float:
    """Replies that a person stayed for."""
    return row["shown"] / max(1, row["people"])


MEASURES: Mapping[str, Callable[[Result], float]] = {
    "upvote fraction": fraction,
    "liked in truth": truly_liked,
    "come back": staying,
    "replies a person": talked,
}


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """By arm and measure: means over rounds, and the last round against the control."""
    plan = results[0]["plan"]
    arms = {}
    for arm in plan["arms"]:
        arms[arm] = {
            name: [
                mean(value(result["arms"][arm]["rounds"][i]) for result in results)
                for i in range(plan["rounds"])
            ]
            for name, value in MEASURES.items()
        }
    against = {}
    if CONTROL in plan["arms"]:
        for arm in plan["arms"]:
            if arm != CONTROL:
                against[arm] = {
                    name: asdict(_last(results, arm, value)) for name, value in MEASURES.items()
                }
    return {
        "people": "simulated",
        "plan": plan,
        "seeds": [result["seed"] for result in results],
        "arms": arms,
        "last_round_against_control": against,
    }


def metrics(results: Sequence[Result]) -> dict[str, float]:
    """A few numbers for `run.json`, which `scripts/reproduce` compares."""
    shown = {}
    for arm, rounds in summary(results)["arms"].items():
        shown[f"{arm}: upvote fraction, last round"] = rounds["upvote fraction"][-1]
    for arm in shown_arms(results):
        shown[f"{arm}: less control"] = _last(results, arm, fraction).mean
    return shown


def shown_arms(results: Sequence[Result]) -> list[str]:
    """The arms that are compared with the control."""
    arms = results[0]["plan"]["arms"]
    return [arm for arm in arms if arm != CONTROL] if CONTROL in arms else []


def markdown(results: Sequence[Result]) -> str:
    """The figures as a page's part; it says that the people are simulated."""
    whole = summary(results)
    plan, arms = whole["plan"], whole["arms"]
    rounds = range(1, plan["rounds"] + 1)
    lines = [
        f"Simulated people, {len(results)} seeds; {plan['people']} simulated people at a time, at "
        f"most {plan['messages']} messages of each a round, {plan['rounds']} rounds, exploration "
        f"{plan['exploration']:g}. Upvote fraction (love, funny and upvote among the reactions), "
        "mean over seeds:",
        "",
        "| arm | " + " | ".join(f"round {i}" for i in rounds) + " |",
        "|---" * (plan["rounds"] + 1) + "|",
    ]
    for arm, measured in arms.items():
        values = " | ".join(f"{value:.3f}" for value in measured["upvote fraction"])
        lines.append(f"| {_LABELS[arm]} | {values} |")
    against = whole["last_round_against_control"]
    if not against:
        return "\n".join(lines) + "\n"
    lines += [
        "",
        "The last round less the control's, paired by seed (95 % bootstrap interval):",
        "",
        "| arm | measure | difference | interval | seeds above | p, signed ranks | p, signs |",
        "|---|---|---|---|---|---|---|",
    ]
    for arm, measured in against.items():
        for name, row in measured.items():
            c = Comparison(**row)
            lines.append(
                f"| {_LABELS[arm]} | {name} | {c.mean:+.3f} | {c.low:+.3f} to {c.high:+.3f} | "
                f"{c.better} of {c.n} | {c.wilcoxon:.4f} | {c.sign:.4f} |"
            )
    return "\n".join(lines) + "\n"


def draw(results: Sequence[Result], path: Path) -> None:
    """Upvote fraction over rounds, mean and 95 % band over seeds, each arm a line.

    The same results give the same bytes. Raises ImportError without matplotlib.
    """
    import matplotlib
    from matplotlib.figure import Figure

    plan = results[0]["plan"]
    xs = list(range(1, plan["rounds"] + 1))
    style = {
        "svg.hashsalt": "learning-simulation",
        "svg.fonttype": "none",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(6.4, 3.8), layout="constrained")
        axes = figure.add_subplot()
        for arm in plan["arms"]:
            columns = [[fraction(r["arms"][arm]["rounds"][i - 1]) for r in results] for i in xs]
            bands = [bootstrap(column) for column in columns]
            axes.fill_between(
                xs, *zip(*bands, strict=True), color=_COLOURS[arm], alpha=0.15, linewidth=0
            )
            axes.plot(
                xs, [mean(c) for c in columns], color=_COLOURS[arm], marker="o", label=_LABELS[arm]
            )
        axes.set_xticks(xs)
        axes.set_xlabel("round; before each but the first, what was learned is served")
        axes.set_ylabel("upvotes among reactions")
        axes.set_title(f"Simulated people with hidden tastes, {len(results)} seeds", fontsize=10)
        axes.grid(color="#dddddd")
        axes.legend(frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _last(results: Sequence[Result], arm: str, value: Callable[[Result], float]) -> Comparison:
    control, other = (
        [value(result["arms"][name]["rounds"][-1]) for result in results] for name in (CONTROL, arm)
    )
    return compare(control, other)
