"""From a scorer's scores of a trial to its figures, as JSON values."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.training.judgements import ranks
from models.training.reranker import measures
from models.training.reranker.comparison.floor import text_key
from models.training.reranker.comparison.trials import WEAK_BOT, Trial

Scores = NDArray[np.float32]
Figure = list[float | None]
"""Value, low, high; None where it is not defined."""


def judge(
    trial: Trial, heads: Sequence[str], scores: Scores, resamples: int = measures.RESAMPLES
) -> dict[str, Any]:
    """The figures of one trial from scores (n, heads); empty if no head answers it.

    Raises ValueError for scores of another shape or that are not finite.
    """
    if scores.shape != (len(trial.examples), len(heads)):
        wanted = (len(trial.examples), len(heads))
        raise ValueError(f"{trial.name}: scores of shape {scores.shape}, not {wanted}")
    if not np.isfinite(scores).all():
        raise ValueError(f"{trial.name}: a score is not a finite number")
    head = trial.head_of(heads)
    if head is None:
        return {}
    figures = {"judged": _judged, "recall": _recall, "users": _users}[trial.kind]
    return {"head": head, **figures(trial, heads, scores, head, resamples)}


def _judged(
    trial: Trial, heads: Sequence[str], scores: Scores, head: str, resamples: int
) -> dict[str, Any]:
    mine = scores[:, heads.index(head)]
    unseen = np.array([text_key(e.response) not in trial.seen for e in trial.examples])
    own = head == trial.heads[0]
    return {
        "own_head": own,
        "all": _judged_rows(trial, mine, np.ones(len(mine), dtype=bool), own, resamples),
        "unseen": _judged_rows(trial, mine, unseen, own, resamples),
    }


def _judged_rows(
    trial: Trial, scores: NDArray[np.float32], chosen: NDArray[np.bool_], own: bool, resamples: int
) -> dict[str, Any]:
    rows = np.flatnonzero(chosen)
    examples = [trial.examples[i] for i in rows]
    labels = np.array([example.label for example in examples])
    groups = [example.group for example in examples]
    mine = scores[rows]
    tried: dict[str, measures.Statistic] = {
        "auc": measures.auc_of(mine, labels),
        "pair_accuracy": measures.pair_accuracy_of(mine, labels, groups),
    }
    if own:  # only a probability of this label can be right or wrong as a number
        error = measures.calibration_error_of(mine, labels)
        even = _even_odds(labels)
        tried |= {
            "accuracy": measures.accuracy_of(mine, labels),
            "ece": error,
            "ece_even_odds": lambda weights: error(weights * even),
            "brier": measures.brier_of(mine, labels),
        }
    clusters = [trial.clusters[i] for i in rows]
    figures: dict[str, Any] = {name: _figure(s, clusters, resamples) for name, s in tried.items()}
    share = float((labels > 0.5).mean()) if len(labels) else math.nan
    return {**figures, "rows": len(rows), "share_good": _number(share)}


def _even_odds(labels: NDArray[np.float64]) -> measures.Floats:
    """Weights that give both classes the same mass; a score may be calibrated to that."""
    good = labels > 0.5
    share = min(max(float(good.mean()), 1e-6), 1 - 1e-6) if len(labels) else 0.5
    return np.where(good, 0.5 / share, 0.5 / (1 - share))


def _recall(
    trial: Trial, heads: Sequence[str], scores: Scores, head: str, resamples: int
) -> dict[str, Any]:
    column = scores[:, heads.index(head)]
    sources = [example.source for example in trial.examples]
    figures: dict[str, Any] = {}
    for name in ["all", *dict.fromkeys(sources)]:
        rows = [i for i, source in enumerate(sources) if name in ("all", source)]
        labels = [trial.examples[i].label for i in rows]
        lists = [trial.examples[i].group for i in rows]
        mine = column[rows]
        figures[name] = {
            "recall_at_1": _figure(measures.recall_at_1_of(mine, labels, lists), lists, resamples),
            "pair_accuracy": _figure(
                measures.pair_accuracy_of(mine, labels, lists), lists, resamples
            ),
            "lists": len(set(lists)),
        }
    return figures


def _users(
    trial: Trial, heads: Sequence[str], scores: Scores, head: str, resamples: int
) -> dict[str, Any]:
    column = scores[:, heads.index(head)]
    labels = np.array([example.label for example in trial.examples])
    units = [example.group for example in trial.examples]

    def agreement(mine: Scores, rows: Sequence[int], resamples: int) -> Figure:
        statistic = measures.unit_auc_of(mine[rows], labels[rows], [units[i] for i in rows])
        return _figure(statistic, [trial.clusters[i] for i in rows], resamples)

    every = list(range(len(units)))
    held = [i for i in every if units[i] in trial.held_out]
    return {
        "agreement": agreement(column, every, resamples),
        "agreement_held_out": agreement(column, held, resamples),
        "by_head": {h: agreement(scores[:, j], every, 0)[0] for j, h in enumerate(heads)},
        "by_head_held_out": {h: agreement(scores[:, j], held, 0)[0] for j, h in enumerate(heads)},
        "dialogs": len(set(units)),
        "dialogs_held_out": len({units[i] for i in held}),
        "sanity": sanity(trial, column),
    }


def sanity(trial: Trial, scores: NDArray[np.floating]) -> dict[str, Any]:
    """Whether a scorer sees what every user saw: the degraded bot below the others.

    `weak_bot_rank` is 1 where that bot's mean score is the lowest of all; `weak_bot_auc` the
    chance that a dialog of another bot scores above one of it; `spearman` the rank correlation of
    the bots' mean scores with their users' mean opinions. Empty where one bot alone spoke.
    """
    by_bot: dict[str, list[float]] = defaultdict(list)
    opinion: dict[str, list[float]] = defaultdict(list)
    for bot, score, example in zip(trial.bots, scores, trial.examples, strict=True):
        by_bot[bot].append(float(score))
        opinion[bot].append(example.label)
    means = {bot: sum(mine) / len(mine) for bot, mine in sorted(by_bot.items())}
    if len(means) < 2:
        return {}
    liked = [sum(opinion[bot]) / len(opinion[bot]) for bot in means]
    found: dict[str, Any] = {"spearman": _number(_correlation(ranks(means.values()), ranks(liked)))}
    if WEAK_BOT in means:
        other = [float(bot != WEAK_BOT) for bot in trial.bots]
        units = [example.group for example in trial.examples]
        found["weak_bot_rank"] = 1 + sum(mean < means[WEAK_BOT] for mean in means.values())
        found["weak_bot_auc"] = _number(measures.unit_auc(scores, other, units))
    return {**found, "bots": len(means)}


def _correlation(a: Sequence[float], b: Sequence[float]) -> float:
    if min(np.std(a), np.std(b)) == 0.0:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def _figure(statistic: measures.Statistic, clusters: Sequence[Hashable], resamples: int) -> Figure:
    return [_number(x) for x in measures.interval(statistic, clusters, resamples=resamples)]


def _number(value: float) -> float | None:
    """Four places are beyond any interval here; NaN is no JSON."""
    return None if math.isnan(value) else round(float(value), 4)


def value_of(row: Mapping[str, Any], *path: str) -> float | None:
    """The value at a path of a row's figures, None where any part of the path is missing."""
    at: Any = row
    for step in path:
        at = at.get(step) if isinstance(at, Mapping) else None
    if isinstance(at, Sequence) and not isinstance(at, str):
        at = at[0] if at else None
    return float(at) if isinstance(at, int | float) else None
