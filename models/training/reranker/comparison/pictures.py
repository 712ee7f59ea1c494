"""Pictures of the comparison: worth against speed, the ladder of layers, the lengths of sequences.

The same rows give the same bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.training.reranker.comparison.targets import FLOOR, Row, at, pairs_per_second
from models.training.reranker.comparison.verdicts import value_of

# Okabe and Ito's colours, which colour-blind readers tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKS = "osD^vPX"
_AUC = ("accentor", "all", "auc")


def draw(rows: Sequence[Row], out: Path) -> list[Path]:
    """Write `out`-speed.svg, `out`-ladder.svg and `out`-lengths.svg, as far as there are figures.

    Without matplotlib (requirements-train.txt) nothing is drawn. The files that were written.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        return []
    written = []
    with mpl.rc_context({"svg.hashsalt": "kindred", "font.size": 9}):
        for name, drawn in (
            ("speed", _speed(rows)),
            ("ladder", _ladder(rows)),
            ("lengths", _lengths(rows)),
        ):
            if drawn is not None:
                path = out.with_name(f"{out.name}-{name}.svg")
                path.parent.mkdir(parents=True, exist_ok=True)
                drawn.savefig(path, metadata={"Date": None})
                written.append(path)
    return written


def _figure(width: float = 6.0, height: float = 4.0) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _speed(rows: Sequence[Row]) -> Any:
    """AUC over pairs a second, a point a model with its interval; the floor as a line."""
    points = [
        (speed, at(row, *_AUC), str(row["name"]))
        for row in rows
        if (speed := pairs_per_second(row)) is not None and value_of(row, *_AUC) is not None
    ]
    if not points:
        return None
    figure = _figure()
    axes = figure.add_subplot()
    for i, (speed, auc, name) in enumerate(points):
        axes.errorbar(
            speed, auc[0], yerr=_spread(auc), fmt=MARKS[i % len(MARKS)],
            color=COLOURS[i % len(COLOURS)], capsize=2, label=name,
        )  # fmt: skip
    floors = [
        value for row in rows if row.get("family") == FLOOR if (value := value_of(row, *_AUC))
    ]
    if floors:
        axes.axhline(max(floors), color="grey", linestyle="--", label="candidate only")
    axes.set_xscale("log")
    axes.set_xlabel("pairs/s (batch of 64, one thread)")
    axes.set_ylabel("AUC, ACCENTOR test")
    axes.legend(fontsize=7)
    return figure


def _ladder(rows: Sequence[Row]) -> Any:
    """AUC and speed over the number of layers, reduced and distilled apart."""
    series: dict[str, list[tuple[float, Row]]] = defaultdict(list)
    for row in rows:
        layers = row.get("layers")
        if isinstance(layers, int) and row.get("family") == "cross-encoder":
            series["distilled" if row.get("teacher") else "layers taken out"].append((layers, row))
    return _twin(series, "layers") if _varies(series) else None


def _lengths(rows: Sequence[Row]) -> Any:
    """AUC and speed over the most tokens of a pair, a line for each model that was tried so."""
    series: dict[str, list[tuple[float, Row]]] = defaultdict(list)
    for row in rows:
        tokens = row.get("max_tokens")
        if isinstance(tokens, int) and row.get("family"):
            parts = (row["family"], row.get("layers"), "distilled" if row.get("teacher") else None)
            series[", ".join(_words(parts))].append((tokens, row))
    swept = {name: points for name, points in series.items() if _varies({name: points})}
    return _twin(swept, "tokens at most") if swept else None


def _words(parts: Sequence[Any]) -> list[str]:
    return [f"{p} layers" if isinstance(p, int) else str(p) for p in parts if p is not None]


def _varies(series: dict[str, list[tuple[float, Row]]]) -> bool:
    return len({x for points in series.values() for x, _ in points}) > 1


def _twin(series: dict[str, list[tuple[float, Row]]], label: str) -> Any:
    """Two panels over the same x: AUC with its interval, and pairs a second."""
    figure = _figure(8.0, 3.4)
    worth, pace = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)
    for i, (name, points) in enumerate(sorted(series.items())):
        style: dict[str, Any] = {
            "color": COLOURS[i % len(COLOURS)],
            "marker": MARKS[i % len(MARKS)],
        }
        known = sorted((x, at(row, *_AUC)) for x, row in points if value_of(row, *_AUC) is not None)
        if known:
            errors = [list(side) for side in zip(*(_spread(a) for _, a in known), strict=True)]
            spread = [[low[0] for low in errors[0]], [high[0] for high in errors[1]]]
            places = [x for x, _ in known]
            worth.errorbar(places, [a[0] for _, a in known], yerr=spread, label=name, **style)
        speeds = sorted((x, s) for x, row in points if (s := pairs_per_second(row)) is not None)
        if speeds:
            pace.plot([x for x, _ in speeds], [s for _, s in speeds], label=name, **style)
    for axes, title in ((worth, "AUC, ACCENTOR test"), (pace, "pairs/s, one thread")):
        axes.set_xlabel(label)
        axes.set_ylabel(title)
    worth.legend(fontsize=7)
    return figure


def _spread(figure: Sequence[float | None]) -> list[list[float]]:
    """[[below], [above]] of an interval; nothing where there is none."""
    value, low, high = [*figure, None, None][:3]
    if value is None or low is None or high is None:
        return [[0.0], [0.0]]
    # A bootstrap's percentiles need not hold the value itself.
    return [[max(0.0, value - low)], [max(0.0, high - value)]]
