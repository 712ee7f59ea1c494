"""A candidate reranker against the serving one: held-out reactions, and the choices of the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.experiments.off_policy import ESTIMATORS, Choices, Estimate, Report, difference, evaluate
from models.contracts import RerankerModel
from models.training.examples import Example
from models.training.reranker.measures import (
    Floats,
    Interval,
    Statistic,
    accuracy_of,
    auc_of,
    calibration_error_of,
    interval,
    pair_accuracy_of,
)
from scripts.judging.choosing import choices, mean_reward, score_slates, usable
from scripts.judging.heldout import UPVOTE, HeldOut, cluster
from scripts.judging.scoring import Asked, score
from scripts.judging.verdict import Measure

LEADING = "auc"
_LEAST_CHOICES = 30  # logged choices, below which nothing is estimated from them
_LEAST_EFFECTIVE = 30.0  # effective sample size, below which what is estimated decides nothing
_CLIP = 20.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Measures for the verdict, what the report says besides, and notes in words."""

    measures: list[Measure]
    details: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def compare(
    candidate: RerankerModel,
    serving: RerankerModel,
    held: HeldOut,
    *,
    silence: str = "skip",
    resamples: int = 1_000,
    seed: int = 7,
) -> Comparison:
    """Both on the same reactions and the same logged slates."""
    measures = _on_reactions(candidate, serving, held.examples, resamples, seed)
    found = _on_choices(candidate, serving, held, silence, resamples, seed)
    return Comparison([*measures, *found.measures], found.details, found.notes)


def _on_reactions(
    candidate: RerankerModel,
    serving: RerankerModel,
    examples: Sequence[Example],
    resamples: int,
    seed: int,
) -> list[Measure]:
    """Accuracy, AUC, pair accuracy and calibration of P(upvote); the AUC of every other head."""
    heads = sorted(
        {e.head for e in examples} & {UPVOTE, *candidate.heads} & {UPVOTE, *serving.heads}
    )
    places: dict[tuple[object, ...], int] = {}
    asked: list[Asked] = []
    for one in examples:
        key = (one.context, one.response, one.facts)
        if places.setdefault(key, len(places)) == len(asked):
            asked.append((one.context, (one.response,), one.facts))
    ours, theirs = score(candidate, asked, "candidate"), score(serving, asked, "serving")
    measures: list[Measure] = []
    for head in heads:
        rows = [e for e in examples if e.head == head]
        at = [places[e.context, e.response, e.facts] for e in rows]
        first = [ours[i][0].heads[head] for i in at]
        second = [theirs[i][0].heads[head] for i in at]
        measures += _of_head(head, rows, first, second, resamples, seed)
    return measures


def _of_head(
    head: str,
    rows: Sequence[Example],
    ours: list[float],
    theirs: list[float],
    resamples: int,
    seed: int,
) -> list[Measure]:
    labels = [e.label for e in rows]
    clusters = [cluster(e) for e in rows]
    weights = np.array([e.weight for e in rows])

    def measure(name: str, a: Statistic, b: Statistic, **more: bool) -> Measure:
        first, second, gap = (
            interval(_weighted(one, weights), clusters, resamples=resamples, seed=seed)
            for one in (a, b, lambda w: a(w) - b(w))
        )
        return Measure(name, first, second, gap, **more)

    auc = (auc_of(ours, labels), auc_of(theirs, labels))
    if head != UPVOTE:
        return [measure(f"auc of {head}", *auc, decides=False)]
    grouped = len({e.group for e in rows if e.group}) < sum(bool(e.group) for e in rows)
    groups = [e.group if grouped and e.group else e.conversation or e.context for e in rows]
    return [
        measure("accuracy", accuracy_of(ours, labels), accuracy_of(theirs, labels), decides=False),
        measure(LEADING, *auc),
        measure(
            "pair accuracy",
            pair_accuracy_of(ours, labels, groups),
            pair_accuracy_of(theirs, labels, groups),
        ),
        measure(
            "calibration error",
            calibration_error_of(ours, labels),
            calibration_error_of(theirs, labels),
            higher_is_better=False,
            decides=False,
        ),
    ]


def _weighted(statistic: Statistic, weights: Floats) -> Statistic:
    return lambda drawn: statistic(drawn * weights)


def _on_choices(
    candidate: RerankerModel,
    serving: RerankerModel,
    held: HeldOut,
    silence: str,
    resamples: int,
    seed: int,
) -> Comparison:
    """The upvote rate of what each would have shown; of IPS, SNIPS and DR only DR may decide."""
    kept = usable(held.impressions, silence=silence)
    details: dict[str, Any] = {
        "choices": len(kept.impressions), "left_out": kept.left_out, "silence": silence
    }  # fmt: skip
    if len(kept.impressions) < _LEAST_CHOICES:
        note = (
            f"Off-policy: {len(kept.impressions)} logged choices with exploration and a reaction; "
            f"at least {_LEAST_CHOICES} are needed, so none of the estimators says anything."
        )
        return Comparison([], {"off_policy": details}, [note])
    ours = score_slates(candidate, kept.impressions, "candidate")
    theirs = score_slates(serving, kept.impressions, "serving")
    rewards = [mean_reward(a, b) for a, b in zip(ours, theirs, strict=True)]
    first = choices(kept.impressions, ours, rewards)
    second = choices(kept.impressions, theirs, rewards)
    measures: list[Measure] = []
    notes: list[str] = []
    gap = difference(first, second, resamples=resamples, seed=seed)
    reports = [evaluate(one, resamples=resamples, seed=seed) for one in (first, second)]
    supported = min(r.diagnostics.effective for r in reports) >= _LEAST_EFFECTIVE
    if not supported:
        notes.append(
            f"Off-policy: an effective sample size below {_LEAST_EFFECTIVE:.0f} decides nothing; "
            "the log explores too little, or too far from what this model would show."
        )
    for name in ESTIMATORS:
        estimates = [report.estimates[name] for report in reports]
        measures.append(
            Measure(
                f"upvote rate ({name.upper()})",
                _interval(estimates[0]),
                _interval(estimates[1]),
                _interval(gap[name]),
                decides=supported and name == "dr",
            )
        )
    for who, report, one in zip(("candidate", "serving"), reports, (first, second), strict=True):
        details[who] = _details(report, one, resamples, seed)
        notes.append(_support(who, report))
    return Comparison(measures, {"off_policy": details}, notes)


def _interval(estimate: Estimate) -> Interval:
    return Interval(estimate.value, *estimate.bootstrap)


def _details(report: Report, one: Choices, resamples: int, seed: int) -> dict[str, Any]:
    """What the table has no room for: normal intervals, support, and the clipped estimates."""
    d = report.diagnostics
    clipped = evaluate(one, clip=_CLIP, resamples=resamples, seed=seed)
    return {
        "normal_intervals": {n: list(e.normal) for n, e in report.estimates.items()},
        "people": d.units,
        "effective_sample_size": d.effective,
        "weight_max": d.weight_max,
        "weight_mean": d.weight_mean,
        "unsupported": d.unsupported,
        "clipped": {
            "at": _CLIP,
            "share": clipped.diagnostics.clipped,
            "bias": clipped.diagnostics.clip_bias,
            "values": {n: e.value for n, e in clipped.estimates.items()},
        },
    }


def _support(who: str, report: Report) -> str:
    d = report.diagnostics
    return (
        f"Off-policy, {who}: {d.choices} choices of {d.units} people, effective sample size "
        f"{d.effective:.0f}, largest weight {d.weight_max:.1f}, mean weight {d.weight_mean:.2f} "
        f"(1 where log and policy fit), {100 * d.unsupported:.1f} % of what it would show could "
        "never be shown in the log."
    )
