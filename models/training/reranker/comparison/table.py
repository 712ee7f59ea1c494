"""The comparison as people read it: one Markdown table, the targets, and JSON with everything."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from models.checkpoint import write_atomically
from models.training.record import duration
from models.training.reranker.comparison.targets import at, claims, pairs_per_second
from models.training.reranker.comparison.verdicts import value_of

Row = Mapping[str, Any]
NONE = "–"


def figure(value: Any) -> str:
    """`0.812 (0.806–0.818)`; a dash where there is none."""
    if not isinstance(value, Sequence) or not value or value[0] is None:
        return NONE
    if len(value) < 3 or value[1] is None or value[2] is None:
        return f"{value[0]:.3f}"
    return f"{value[0]:.3f} ({value[1]:.3f}–{value[2]:.3f})"


def users(row: Row, source: str) -> str:
    """Agreement with a source's users, with a star where other dialogs of it were trained on."""
    trained = source in (row.get("sources") or ())
    shown = figure(at(row, source, "agreement_held_out" if trained else "agreement"))
    return f"{shown} \\*" if trained and shown != NONE else shown


_Cell = Callable[[Row], str]
COLUMNS: tuple[tuple[str, _Cell], ...] = (
    ("model", lambda row: str(row["name"])),
    ("parameters", lambda row: _count(row.get("parameters"))),
    ("training", lambda row: _training(row)),
    ("ACCENTOR AUC", lambda row: figure(at(row, "accentor", "all", "auc"))),
    ("pair accuracy", lambda row: figure(at(row, "accentor", "all", "pair_accuracy"))),
    ("accuracy", lambda row: figure(at(row, "accentor", "all", "accuracy"))),
    ("ECE", lambda row: _error(row)),
    ("Brier", lambda row: figure(at(row, "accentor", "all", "brier"))),
    ("unseen AUC", lambda row: figure(at(row, "accentor", "unseen", "auc"))),
    ("unseen pair accuracy", lambda row: figure(at(row, "accentor", "unseen", "pair_accuracy"))),
    ("R@1 of 10", lambda row: figure(at(row, "recall", "all", "recall_at_1"))),
    ("DiaSafety AUC", lambda row: figure(at(row, "diasafety", "all", "auc"))),
    ("iEval users", lambda row: users(row, "ieval")),
    ("dialogue_eval users", lambda row: users(row, "dialogue_eval")),
    ("weak bot", lambda row: _weak(row)),
    ("pairs/s", lambda row: _speed(row)),
    ("memory", lambda row: _memory(row)),
)
LEGEND = """\
Figures in brackets are 95 % bootstrap intervals over whole dialogs, lists or users.
**ACCENTOR**: its test part; *pair accuracy* compares responses within a slot; accuracy, ECE (15
bins; in brackets the same with both classes at even odds) and Brier judge the probability and
are given only for a model with a head for these labels: an AUC without them is of its overall
head (transfer). **Unseen**: responses that occur nowhere in the training files, after
normalising. **R@1 of 10**: the true next turn of a held-out dialog against nine turns of other
dialogs of its topic, the same lists for all. **users**: AUC of a bot's mean score in a dialog
for the user's own rating above against below the middle; with \\*, the model was trained on
other dialogs of this source and only those held out count. No model was trained on iEval; the
served model's mix of heads was chosen on a part of it. **weak bot**: rank of the deliberately
degraded bot among the bots of dialogue_eval (1 is the lowest mean score, as its users had it)
and the chance that a dialog of another bot scores above one of it. **pairs/s**: a slate of ten
/ a batch of 64 on one thread; the batch on two. **memory**: growth of a fresh process from
before loading to after scoring."""


def markdown(rows: Sequence[Row], missing: Mapping[str, str] | None = None) -> str:
    """The table, its legend and the targets. `missing` are models that are not there, and why."""
    lines = [" | ".join(name for name, _ in COLUMNS), " | ".join("---" for _ in COLUMNS)]
    lines += [" | ".join(cell(row) for _, cell in COLUMNS) for row in rows]
    for name, why in (missing or {}).items():
        lines.append(" | ".join([name, f"not measured: {why}", *[NONE] * (len(COLUMNS) - 2)]))
    table = "\n".join(f"| {line} |" for line in lines)
    targets = "\n".join(f"- {claim}" for claim in claims(rows))
    return f"{table}\n\n{LEGEND}\n\nTargets:\n\n{targets}\n"


def write(rows: Sequence[Row], out: Path, missing: Mapping[str, str] | None = None) -> list[Path]:
    """Write `out`.md and `out`.json; the files that were written."""
    paths = [out.with_suffix(".md"), out.with_suffix(".json")]
    write_atomically(paths[0], markdown(rows, missing))
    found = [
        {"claim": claim.text, "holds": claim.holds, "detail": claim.detail}
        for claim in claims(rows)
    ]
    document = {"rows": list(rows), "targets": found, "missing": dict(missing or {})}
    write_atomically(paths[1], json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return paths


def _count(value: Any) -> str:
    if not isinstance(value, int | float):
        return NONE
    return f"{value / 1e6:.1f} M" if value >= 1e5 else f"{value:.0f}"


def _training(row: Row) -> str:
    seconds, pairs = row.get("train_seconds"), row.get("pairs")
    told = [duration(float(seconds))] if seconds else []
    told += [f"{float(pairs) / 1000:.0f} k pairs"] if pairs else []
    return ", ".join(told) or NONE


def _error(row: Row) -> str:
    plain, even = (value_of(row, "accentor", "all", name) for name in ("ece", "ece_even_odds"))
    return NONE if plain is None or even is None else f"{plain:.3f} ({even:.3f})"


def _weak(row: Row) -> str:
    found = at(row, "dialogue_eval", "sanity") or {}
    if found.get("weak_bot_rank") is None:
        return NONE
    return f"{found['weak_bot_rank']} of {found['bots']}, {found['weak_bot_auc']:.3f}"


def _speed(row: Row) -> str:
    shown = [pairs_per_second(row, 1, 10), pairs_per_second(row, 1), pairs_per_second(row, 2)]
    if all(speed is None for speed in shown):
        return NONE
    slate, one, two = (NONE if speed is None else f"{speed:.0f}" for speed in shown)
    return f"{slate} / {one}; {two}"


def _memory(row: Row) -> str:
    value = value_of(row, "speed", "1", "memory_bytes")
    return NONE if value is None else f"{value / 2**20:.0f} MB"
