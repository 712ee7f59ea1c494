"""Draws the pictures of docs/benchmarks.md (docs/images/bench-*.svg) from the saved figures.

It needs matplotlib, which `./scripts/bench peers --only plots` installs apart from the service.
The same figures give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.benches import charts, names, peers, service
from scripts.benches.borrowed import borrow
from scripts.benches.charts import Chart, Panel

PEER = "plots"
# Okabe and Ito's colours, which colour-blind readers tell apart; the first is for what is ours.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKS = "osD^vPX"
_PANEL_INCHES = (5.4, 3.5)
_TICKS_MAX = 12
_LABEL_CHARS = 10  # longer words under bars are turned


def main() -> int:
    """Draw what there are figures of."""
    parser = argparse.ArgumentParser(prog="scripts/bench plots", description=__doc__)
    parser.add_argument("--figures", type=Path, default=service.ROOT / "var" / "bench")
    parser.add_argument("--root", type=Path, default=service.ROOT, help="docs/images is in it")
    options = parser.parse_args()
    try:
        borrow(PEER)
    except peers.PeerAbsent as reason:
        print(f"scripts/bench plots: matplotlib {reason}", file=sys.stderr)
        return 1
    for path in draw_all(options.figures, options.root):
        print(f"wrote {path}")
    return 0


def draw_all(figures: Path, root: Path) -> list[Path]:
    """Every chart of every bench that has figures; the files that were written."""
    written = []
    for name, module in names.benches():
        saved = figures / f"{name}.json"
        if not saved.is_file() or not hasattr(module, "charts"):  # an ImportError has none
            continue
        result = json.loads(saved.read_text(encoding="utf-8"))
        if result.get("absent"):
            continue
        for chart in module.charts(result):
            path = root / charts.image(name, chart.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            draw(chart, path)
            written.append(path)
    return written


def draw(chart: Chart, path: Path) -> None:
    """One picture, its panels two in a row, as SVG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = min(2, len(chart.panels))
    rows = math.ceil(len(chart.panels) / columns)
    width, height = _PANEL_INCHES
    with pyplot.rc_context(_style(chart)):
        figure, axes = pyplot.subplots(
            rows, columns, figsize=(width * columns, height * rows), squeeze=False
        )
        spots = list(axes.flat)
        for panel, spot in zip(chart.panels, spots, strict=False):
            _panel(panel, spot)
        for spot in spots[len(chart.panels) :]:
            spot.remove()
        figure.suptitle(chart.title)
        figure.tight_layout()
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
        pyplot.close(figure)


def _style(chart: Chart) -> dict[str, Any]:
    return {
        "svg.hashsalt": chart.name,  # else the ids in the file are by chance
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#dddddd",
        "figure.facecolor": "white",
        "legend.frameon": False,
    }


def _panel(panel: Panel, spot: Any) -> None:
    if panel.kind == "bars":
        _bars(panel, spot)
    else:
        _lines(panel, spot)
    if panel.limit is not None:
        label, value = panel.limit
        spot.axhline(value, color="#555555", linestyle="--", linewidth=1, label=label)
    if panel.log_y:
        spot.set_yscale("log")
    elif panel.from_zero:
        spot.set_ylim(bottom=0)
    spot.set_xlabel(panel.x_label)
    spot.set_ylabel(panel.y_label)
    if len(panel.series) > 1 or panel.limit is not None:
        spot.legend(fontsize=8)


def _lines(panel: Panel, spot: Any) -> None:
    for number, series in enumerate(panel.series):
        spot.plot(
            series.xs,
            series.ys,
            label=series.label,
            color=_COLOURS[number % len(_COLOURS)],
            marker=_MARKS[number % len(_MARKS)],
            markersize=4,
            linewidth=1.4 if number else 2.2,
        )
    if not panel.log_x:
        return
    spot.set_xscale("log")
    ticks = _ticks(panel)
    if ticks:
        spot.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        spot.minorticks_off()


def _ticks(panel: Panel) -> list[float]:
    """The places of the points themselves, where they are few."""
    places = sorted({float(x) for series in panel.series for x in series.xs})
    return places if len(places) <= _TICKS_MAX else []


def _bars(panel: Panel, spot: Any) -> None:
    words: Sequence[str] = list(dict.fromkeys(str(x) for series in panel.series for x in series.xs))
    width = 0.8 / len(panel.series)
    for number, series in enumerate(panel.series):
        offset = (number - (len(panel.series) - 1) / 2) * width
        places = [words.index(str(x)) + offset for x in series.xs]
        colour = _COLOURS[number % len(_COLOURS)]
        bars = spot.bar(places, series.ys, width, label=series.label, color=colour)
        spot.bar_label(bars, fmt="%.3g", fontsize=7)
    turned = max(map(len, words)) > _LABEL_CHARS
    turn: dict[str, Any] = {"rotation": 30, "ha": "right"} if turned else {}
    spot.set_xticks(range(len(words)), words, **turn)
    spot.grid(axis="x", visible=False)
