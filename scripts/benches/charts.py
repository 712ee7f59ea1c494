"""What a bench would have drawn, as plain values: `plots` draws them, `docs` embeds them.

A bench module that has `charts(result) -> list[Chart]` gets its pictures; it needs no drawing
library for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

IMAGES = Path("docs") / "images"


@dataclass(frozen=True)
class Series:
    """One line (or the bars of one colour); a NaN in `ys` leaves a gap."""

    label: str
    xs: Sequence[float | str]  # words for bars
    ys: Sequence[float]


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    `limit` is drawn as a broken line across, with its label; `from_zero` starts the y axis there.
    """

    x_label: str
    y_label: str
    series: Sequence[Series]
    kind: Literal["lines", "bars"] = "lines"
    log_x: bool = False
    log_y: bool = False
    limit: tuple[str, float] | None = None
    from_zero: bool = False


@dataclass(frozen=True)
class Chart:
    """One picture of up to four panels; `name` becomes part of the file's."""

    name: str
    title: str
    panels: Sequence[Panel]


def image(bench: str, chart: str) -> Path:
    """Where the picture of a bench's chart is, from the repository's root."""
    return IMAGES / f"bench-{bench}-{chart}.svg"
