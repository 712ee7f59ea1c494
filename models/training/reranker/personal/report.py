"""Personalization as people read it: a table, and accuracy over how many reactions were known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.checkpoint import write_atomically
from models.training.reranker.comparison.pictures import COLOURS, MARKS
from models.training.reranker.comparison.table import NONE, figure
from models.training.reranker.personal.measure import (
    ALONE,
    ONE_MOMENT,
    OWN_MOMENT,
    SERVED,
    STRANGER,
    WITH,
    WITHOUT,
)

Found = Mapping[str, Any]
"""By source, by moment: what `personal_measure.summary` gave, or None where there were too few."""
MODELS = (ALONE, SERVED, WITHOUT, WITH, STRANGER)
LEGEND = """\
Pair accuracy within a rater, over pairs of replies that the rater did not like alike; 95 %
bootstrap intervals over raters. **score alone**: the reranker's overall score. **score and
serving bias**: with what serving adds for a person's reactions (`app/dialog/personalize.py`:
likeness to liked and disliked replies, at most ±0.08, nothing learned). **without**: a small
model on the scores of all heads and the number of reactions so far, learned from other raters.
**with the past**: the same model with features of the person's own past reactions beside them.
**with a stranger's past**: the same again, learned and measured with the past of somebody else;
what it gains is not taste. *one moment*: both replies of a pair are judged from what was known
before the earlier one, as a slate's are; *own moment*: each from what was known when it came,
less the other's judgement. Raters who are measured were never learned from. dialogue_eval: whole
dialogs, a reply's score and vector being the mean over the bot's turns, its label the mean of
the seven raw sliders; the degraded bot is easily told, so pairs without it are given too.
Topical-Chat: single messages, ratings in five steps. Both sources' people rated what they were
shown, not what they would have chosen."""


def markdown(found: Found, model: str) -> str:
    """A table of all sources and moments, and its legend."""
    head = [
        "source",
        "moment",
        "pairs",
        "raters",
        *MODELS,
        "with − without",
        "stranger's − without",
    ]
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    for source, moments in found.items():
        for moment, result in moments.items():
            if result is None:
                missing = [NONE] * (len(head) - 3)
                lines.append(" | ".join([source, moment, "too few to measure", *missing]))
                continue
            lines.append(_line(source, moment, result["all"]))
            if "without_marked" in result:
                lines.append(_line(f"{source}, no degraded bot", moment, result["without_marked"]))
    table = "\n".join(f"| {line} |" for line in lines)
    return f"Reranker: {model}\n\n{table}\n\n{LEGEND}\n"


def _line(source: str, moment: str, figures: Mapping[str, Any]) -> str:
    models, gains = figures["models"], figures["differences"]
    cells = [source, moment, f"{figures['pairs']:,}", f"{figures['raters']:,}"]
    cells += [figure(models.get(name)) for name in MODELS]
    cells += [_signed(gains.get(f"{name} - {WITHOUT}")) for name in (WITH, STRANGER)]
    return " | ".join(cells)


def _signed(value: Sequence[float | None] | None) -> str:
    """`+0.012 (+0.004–+0.020)`."""
    if not value or value[0] is None:
        return NONE
    shown = [f"{x:+.3f}" for x in value if x is not None]
    return shown[0] if len(shown) < 3 else f"{shown[0]} ({shown[1]}–{shown[2]})"


def write(found: Found, model: str, out: Path) -> list[Path]:
    """Write `out`.md, `out`.json and, with matplotlib, `out`.svg; the files that were written."""
    paths = [out.with_suffix(".md"), out.with_suffix(".json")]
    write_atomically(paths[0], markdown(found, model))
    document = {"model": model, "sources": found}
    write_atomically(paths[1], json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    drawn = draw(found, out.with_suffix(".svg"))
    return [*paths, drawn] if drawn else paths


def draw(found: Found, path: Path) -> Path | None:
    """Accuracy with and without over how many reactions were known, a panel a source and moment."""
    panels = [
        (source, moment, moments[moment]["by_past"])
        for source, moments in found.items()
        for moment in (ONE_MOMENT, OWN_MOMENT)
        if moments.get(moment)
    ]
    if not panels:
        return None
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        return None
    with mpl.rc_context({"svg.hashsalt": "kindred", "font.size": 9}):
        drawing = Figure(figsize=(8.0, 3.0 * ((len(panels) + 1) // 2)), layout="constrained")
        for place, (source, moment, buckets) in enumerate(panels, 1):
            axes = drawing.add_subplot((len(panels) + 1) // 2, 2, place)
            _panel(axes, buckets)
            axes.set_title(f"{source}, {moment}", fontsize=9)
        path.parent.mkdir(parents=True, exist_ok=True)
        drawing.savefig(path, metadata={"Date": None})
    return path


def _panel(axes: Any, buckets: Sequence[Mapping[str, Any]]) -> None:
    for i, name in enumerate((WITHOUT, WITH, STRANGER, SERVED)):
        points = [(x, b["models"].get(name)) for x, b in enumerate(buckets)]
        known = [(x, value) for x, value in points if value and value[0] is not None]
        if not known:
            continue
        values = [value[0] for _, value in known]
        low = [max(0.0, v[0] - v[1]) if v[1] is not None else 0.0 for _, v in known]
        high = [max(0.0, v[2] - v[0]) if v[2] is not None else 0.0 for _, v in known]
        # Beside each other, so that intervals can be told apart.
        places = [x + 0.08 * (i - 1.5) for x, _ in known]
        axes.errorbar(
            places, values, yerr=[low, high], label=name,
            color=COLOURS[i], marker=MARKS[i], markersize=4, capsize=2, linewidth=1,
        )  # fmt: skip
    axes.set_xticks(range(len(buckets)), [_span(bucket) for bucket in buckets])
    axes.set_xlabel("reactions known")
    axes.set_ylabel("pair accuracy")
    axes.legend(fontsize=6)


def _span(bucket: Mapping[str, Any]) -> str:
    low, high = bucket["from"], bucket["to"]
    if high is None:
        return f"{low}+"
    return str(low) if low == high else f"{low}–{high}"
