"""Measures the screens on the evaluation sets: a table, a file of figures, and a page's section."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app.errors import StartupError
from app.serving.screens.heard import Heard
from app.serving.screens.replies import FOLDER as REPLIES
from app.serving.screens.safety_reader import SafetyReader
from app.serving.screens.sentences import FOLDER, load_sentences
from app.serving.screens.toxicity import ToxicityReader
from models.checkpoint import write_atomically
from models.sentence_reader import SentenceReader
from scripts.safety.figures import Figures, Rate, measure
from scripts.safety.sets import ALL, BOTH, RULES, SETS, load, sides

FIGURES_NAME = "safety.json"
BEGIN = "<!-- figures: scripts/evaluate_safety -->"
END = "<!-- end of figures -->"


def run(
    folder: Path, artifacts: Path, only: Sequence[str] = ()
) -> tuple[dict[str, Sequence[Figures]], list[str]]:
    """Every set that is there, judged by every side; and the names of those that are not.

    Raises:
        BadText: a set that is not in its form.
        StartupError: weights that are there and cannot be trusted.
    """
    learned = SafetyReader.open(artifacts)
    toxicity = _toxicity(artifacts)
    sentences, replies = _sentences(artifacts, FOLDER), _sentences(artifacts, REPLIES)
    told: dict[str, Sequence[Figures]] = {}
    absent: list[str] = []
    for name in only or SETS:
        texts = load(folder, name)
        if texts is None:
            absent.append(name)
            continue
        by = sides(name, learned, toxicity, sentences, replies)
        told[name] = [measure(side, texts) for side in by]
    return told, absent


class _Asked:
    """A sentence reader, asked at once and on this thread: figures are of it, not of a lane."""

    def __init__(self, reader: SentenceReader) -> None:
        self._reader = reader
        self.stack = reader.stack

    def hear(self, texts: Sequence[str], source: str = "") -> Heard:
        rows = np.stack(self._reader.run(self._reader.prepare(texts)))
        return Heard(dict(zip(self._reader.heads, rows.max(axis=0).tolist(), strict=True)))


def _sentences(artifacts: Path, name: str) -> _Asked | None:
    torch.set_num_threads(1)
    reader = load_sentences(artifacts, name, device="cpu", threads=1, alone=True)
    return None if reader is None else _Asked(reader)


def _toxicity(artifacts: Path) -> ToxicityReader | None:
    """The reader of outputs; where it is not there, the words alone answer."""
    if not (artifacts / "toxicity").is_dir():
        return None
    try:
        return ToxicityReader.open(artifacts)
    except StartupError as error:
        raise StartupError(f"outputs cannot be judged: {error.detail}") from error


def to_json(told: dict[str, Sequence[Figures]], absent: Sequence[str]) -> dict[str, Any]:
    """Figures without a single text."""
    sets = {name: {f.side: f.to_json() for f in figures} for name, figures in told.items()}
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return {"format": 1, "measured": when, "sets": sets, "absent": list(absent)}


def table(told: dict[str, Sequence[Figures]], absent: Sequence[str]) -> str:
    """Markdown: one table of the sets, one of their kinds."""
    lines = [
        "| set | by | recall | precision | false alarms | ms p50 | p99 |",
        "|---|---|---|---|---|---:|---:|",
    ]
    for name, figures in told.items():
        lines += [
            f"| {name} | {f.side} | {_said(f.recall)} | {_said(f.precision)} | {_said(f.alarms)} "
            f"| {f.cost_ms['p50']:.2f} | {f.cost_ms['p99']:.2f} |"
            for f in figures
        ]
    lines += [f"| {name} | not measured: the set is not there | | | | | |" for name in absent]
    lines += [
        "",
        "| set | label | kind | texts | alarms by rules | by all |",
        "|---|---|---|---:|---:|---:|",
    ]
    for name, figures in told.items():
        by = {f.side: f.kinds for f in figures}
        everything = by.get(ALL, by.get(BOTH, by[RULES]))
        for pair, rate in everything.items():
            lines.append(
                f"| {name} | {pair[0]} | {pair[1]} | {rate.of} | {by[RULES][pair].share:.3f} "
                f"| {rate.share:.3f} |"
            )
    return "\n".join(lines)


def _said(rate: Rate) -> str:
    if not rate.of:
        return "none"
    low, high = rate.interval
    return f"{rate.share:.3f} ({low:.3f} to {high:.3f})"


def misses(told: dict[str, Sequence[Figures]]) -> str:
    """Every text that the whole of a screen got wrong. Nobody tunes on these lines."""
    lines: list[str] = []
    for name, figures in told.items():
        last = figures[-1]
        lines.append(f"{name}: {len(last.wrong)} wrong by {last.side}")
        lines += [f"  {t.label}/{t.kind} {t.id}: {t.text}" for t in last.wrong]
    return "\n".join(lines)


def save(out: Path, told: dict[str, Sequence[Figures]], absent: Sequence[str]) -> Path:
    """Write the figures as JSON."""
    path = out / FIGURES_NAME
    write_atomically(path, json.dumps(to_json(told, absent), indent=2) + "\n")
    return path


def write_page(page: Path, text: str) -> None:
    """Put the tables between the marks of a page; a page without marks gets them at its end."""
    old = page.read_text(encoding="utf-8") if page.is_file() else "# Safety\n"
    block = f"{BEGIN}\n\n{text}\n\n{END}"
    marks = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if marks.search(old):
        new = marks.sub(lambda _: block, old, count=1)
    else:
        new = f"{old.rstrip()}\n\n{block}\n"
    write_atomically(page, new)
