"""What the comparison of rerankers was to show, and whether its rows show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.training.reranker.comparison.verdicts import value_of

Row = Mapping[str, Any]
FLOOR, BASELINE = "floor", "baseline"
"""Families of what is no trained reranker: scorers of the candidate alone, and simple ones."""
AUC_WANTED = 0.80
KEPT_WANTED, FASTER_WANTED = 0.97, 1.6
LEFT_OUT = ("dialogue_eval", "ieval")
"""Sources of users' opinions; one counts for the models that were not trained on it."""
_MARK = {True: "reached", False: "**not reached**", None: "cannot be told"}


@dataclass(frozen=True)
class Claim:
    """Something that the comparison was to show; `holds` is None where rows are missing."""

    text: str
    holds: bool | None
    detail: str = ""

    def __str__(self) -> str:
        end = f" ({self.detail})" if self.detail else ""
        return f"{_MARK[self.holds]}: {self.text}{end}"


def at(row: Row, *path: str) -> Any:
    """What lies at a path of a row; None where any part of it is missing."""
    found: Any = row
    for step in path:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def pairs_per_second(row: Row, threads: int = 1, batch: int = 64) -> float | None:
    """Measured speed; None where it was not."""
    return value_of(row, "speed", str(threads), "pairs_per_second", str(batch))


def claims(rows: Sequence[Row]) -> list[Claim]:
    """The comparison's targets, each with the rows that decide it."""
    trained = [
        row
        for row in rows
        if row.get("family") not in (FLOOR, BASELINE) and at(row, "accentor", "own_head")
    ]
    return [
        _reaches(trained),
        _beats_floor(rows, trained),
        *_distilled(rows),
        _beats_lstm(rows),
        *_agrees(rows),
    ]


def _best(rows: Sequence[Row], *path: str) -> tuple[float, str] | None:
    known = [
        (value, str(row["name"])) for row in rows if (value := value_of(row, *path)) is not None
    ]
    return max(known, default=None)


def _reaches(trained: Sequence[Row]) -> Claim:
    text = f"ACCENTOR test AUC of at least {AUC_WANTED:.2f}"
    best = _best(trained, "accentor", "all", "auc")
    return Claim(text, best and best[0] >= AUC_WANTED, (best and f"{best[1]}: {best[0]:.3f}") or "")


def _beats_floor(rows: Sequence[Row], trained: Sequence[Row]) -> Claim:
    text = "above the candidate-only floor on unseen responses"
    path = ("accentor", "unseen", "auc")
    floor = _best([row for row in rows if row.get("family") == FLOOR], *path)
    best = _best(trained, *path)
    if floor is None or best is None:
        return Claim(text, None)
    return Claim(text, best[0] > floor[0], f"{best[1]}: {best[0]:.3f}, floor {floor[0]:.3f}")


def _distilled(rows: Sequence[Row]) -> list[Claim]:
    by_name = {key: row for row in rows for key in (str(row["name"]), str(row.get("version")))}
    made = []
    for row in rows:
        teacher = by_name.get(str(row.get("teacher_version") or row.get("teacher")))
        if teacher is None or teacher is row:
            continue
        text = f"{row['name']}: at least 97 % of its teacher at 1.6 times its speed or more"
        scores = [value_of(r, "accentor", "all", "auc") for r in (row, teacher)]
        speeds = [pairs_per_second(r) for r in (row, teacher)]
        if None in scores or None in speeds:
            made.append(Claim(text, None))
            continue
        kept, faster = (float(a or 0) / max(float(b or 0), 1e-9) for a, b in (scores, speeds))
        holds = kept >= KEPT_WANTED and faster >= FASTER_WANTED
        made.append(Claim(text, holds, f"{100 * kept:.1f} % of the AUC at {faster:.2f} times"))
    return made or [Claim("a distilled half of 97 % at 1.6 times its teacher's speed", None)]


def _beats_lstm(rows: Sequence[Row]) -> Claim:
    text = "the BERT family above QA-LSTM"
    path = ("accentor", "all", "auc")
    bert = _best([row for row in rows if row.get("family") == "cross-encoder"], *path)
    lstm = _best([row for row in rows if row.get("family") == "qa-lstm"], *path)
    if bert is None or lstm is None:
        return Claim(text, None)
    return Claim(text, bert[0] > lstm[0], f"{bert[1]}: {bert[0]:.3f}, {lstm[1]}: {lstm[0]:.3f}")


def _agrees(rows: Sequence[Row]) -> list[Claim]:
    """Agreement with users of a source that a model was not trained on, against selection's."""
    made = [
        _no_less(row, source, _of_selection(rows, row, source))
        for row in rows
        if "selection" in row.get("heads", ()) and row.get("family") not in (FLOOR, BASELINE)
        for source in LEFT_OUT
        if source not in (row.get("sources") or ()) and not _is_selection(row)
    ]
    return made or [Claim("agreement with a left-out source not below response selection's", None)]


def _no_less(row: Row, source: str, against: tuple[float, str] | None) -> Claim:
    text = f"{row['name']}: agrees with {source}, left out, no less than response selection does"
    found = at(row, source, "agreement")
    mine = value_of(row, source, "agreement")
    if mine is None or against is None:
        return Claim(text, None)
    bounds = "" if found[1] is None else f" ({found[1]:.3f}–{found[2]:.3f})"
    return Claim(
        text, mine >= against[0], f"{mine:.3f}{bounds} against {against[0]:.3f}, {against[1]}"
    )


def _is_selection(row: Row) -> bool:
    """Whether a model learned response selection and nothing else."""
    return list(row.get("heads", ())) == ["selection"]


def _of_selection(rows: Sequence[Row], row: Row, source: str) -> tuple[float, str] | None:
    """The best model of response selection alone; without one, the row's own head for it."""
    best = _best([other for other in rows if _is_selection(other)], source, "agreement")
    own = value_of(row, source, "by_head", "selection")
    return best or (None if own is None else (own, "its own selection head"))
