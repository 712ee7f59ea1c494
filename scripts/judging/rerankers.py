"""A candidate reranker against the serving one: held-out reactions, and the choices of the log."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.domain import SAFETY_HEADS
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
from scripts.judging.evidence import Evidence
from scripts.judging.heldout import UPVOTE, HeldOut, cluster
from scripts.judging.origins import Origin, origins
from scripts.judging.rates import on_choices
from scripts.judging.scoring import Asked, score
from scripts.judging.verdict import Comparison, Measure, Role

LEADING = ("auc", "auc, shown")


def compare(
    candidate: RerankerModel,
    serving: RerankerModel,
    held: HeldOut,
    *,
    silence: str = "skip",
    most: int = 5_000,
    resamples: int = 1_000,
    seed: int = 7,
) -> Comparison:
    """Both on the same reactions and the same logged slates, of which `most` are scored."""
    measures, notes = _on_reactions(candidate, serving, held, resamples, seed)
    some = replace(held, impressions=held.impressions[:most])
    found = on_choices(candidate, serving, some, silence, resamples, seed)
    lacking = [h for h in SAFETY_HEADS if h in serving.heads and h not in candidate.heads]
    return Comparison([*measures, *found.measures], found.details, [*notes, *found.notes], lacking)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The judgements of one head, both models' probabilities, and how each reply was chosen."""

    examples: Sequence[Example]
    ours: Sequence[float]
    theirs: Sequence[float]
    origins: Sequence[Origin]

    def where(self, keep: Callable[[Origin], bool]) -> _Rows:
        """Those of some origins."""
        at = [i for i, one in enumerate(self.origins) if keep(one)]
        columns = (self.examples, self.ours, self.theirs, self.origins)
        return _Rows(*([column[i] for i in at] for column in columns))  # type: ignore[arg-type]


def _on_reactions(
    candidate: RerankerModel, serving: RerankerModel, held: HeldOut, resamples: int, seed: int
) -> tuple[list[Measure], list[str]]:
    """Accuracy, AUC, pair accuracy and calibration of P(upvote); the AUC of every other head."""
    examples = held.examples
    shared = {UPVOTE, *candidate.heads} & {UPVOTE, *serving.heads}
    places: dict[tuple[object, ...], int] = {}
    asked: list[Asked] = []
    for one in examples:
        key = (one.context, one.response, one.facts)
        if places.setdefault(key, len(places)) == len(asked):
            asked.append((one.context, (one.response,), one.facts))
    ours, theirs = score(candidate, asked, "candidate"), score(serving, asked, "serving")
    came = origins(examples, held.impressions)
    measures: list[Measure] = []
    notes: list[str] = []
    for head in sorted({e.head for e in examples} & shared):
        at = [i for i, e in enumerate(examples) if e.head == head]
        in_scores = [places[e.context, e.response, e.facts] for e in (examples[i] for i in at)]
        rows = _Rows(
            [examples[i] for i in at],
            [ours[i][0].heads[head] for i in in_scores],
            [theirs[i][0].heads[head] for i in in_scores],
            [came[i] for i in at],
        )
        if head == UPVOTE:
            measures += _of_upvote(rows, candidate.version, resamples, seed)
            notes += _selection(rows)
        else:
            role = Role.GUARDS if head in SAFETY_HEADS else Role.BESIDE
            measures.append(_measure(f"auc of {head}", auc_of, rows, role, resamples, seed))
    return measures, notes


def _of_upvote(rows: _Rows, candidate: str, resamples: int, seed: int) -> list[Measure]:
    """What was judged elsewhere or drawn decides; what a model chose only guards."""
    free = rows.where(lambda o: o.free)
    elsewhere = rows.where(lambda o: o.free and not o.by)
    # What the candidate itself chose (a trial) favours what serves: that guards nothing.
    chosen = rows.where(lambda o: not o.free and o.by != candidate)
    beside = {"role": Role.BESIDE, "resamples": resamples, "seed": seed}
    decides = {**beside, "role": Role.DECIDES}
    guards = {**beside, "role": Role.GUARDS}
    found = [
        _measure("accuracy", accuracy_of, rows, **beside),
        _measure(LEADING[0], auc_of, free, even=True, **decides),
        _measure(LEADING[1], auc_of, chosen, even=True, **guards),
        _measure("pair accuracy", _pairs(elsewhere), elsewhere, **decides),
        _measure("pair accuracy, shown", _pairs(chosen), chosen, **guards),
        _measure(
            "calibration error", calibration_error_of, rows, higher_is_better=False, **beside
        ),
    ]  # fmt: skip
    return [m for m in found if m.evidence is None or m.evidence.judged]


def _measure(
    name: str,
    of: Callable[[Sequence[float], Sequence[float]], Statistic],
    rows: _Rows,
    role: Role,
    resamples: int,
    seed: int,
    *,
    even: bool = False,
    higher_is_better: bool = True,
) -> Measure:
    """A measure of both and their difference; `even`: by the origins' weights too."""
    labels = [e.label for e in rows.examples]
    clusters = [cluster(e) for e in rows.examples]
    weights = np.array([e.weight for e in rows.examples])
    if even:
        weights *= np.array([origin.weight for origin in rows.origins])
    evidence = Evidence.of(
        (cluster(e), (e.context, e.response), e.label > 0.5, e.weight) for e in rows.examples
    )
    unknown = Interval(math.nan, math.nan, math.nan)
    if not labels:
        return Measure(name, unknown, unknown, unknown, higher_is_better, role, evidence)
    a, b = of(rows.ours, labels), of(rows.theirs, labels)
    first, second, gap = (
        interval(_weighted(one, weights), clusters, resamples=resamples, seed=seed)
        for one in (a, b, lambda w: a(w) - b(w))
    )
    return Measure(name, first, second, gap, higher_is_better, role, evidence)


def _pairs(rows: _Rows) -> Callable[[Sequence[float], Sequence[float]], Statistic]:
    """Pair accuracy within what was judged together: a group, else a conversation."""
    named = [e.group for e in rows.examples if e.group]
    grouped = len(set(named)) < len(named)
    groups = [
        e.group if grouped and e.group else e.conversation or e.context for e in rows.examples
    ]
    return lambda scores, labels: pair_accuracy_of(scores, labels, groups)


def _selection(rows: _Rows) -> list[str]:
    """What the table must not hide: how the judged replies were chosen."""
    chosen = sum(not one.free for one in rows.origins)
    drawn = sum(one.free and bool(one.by) for one in rows.origins)
    if not chosen + drawn:
        return []
    return [
        f"Of {len(rows.origins)} judged replies a model chose {chosen}, {drawn} were drawn in "
        "exploration (among a slate's best few) and the others were judged elsewhere. What the "
        "serving model chose it scored high, so there its AUC is too low and any other model looks "
        "better than it is: measures marked ° may only speak against the candidate."
    ]


def _weighted(statistic: Statistic, weights: Floats) -> Statistic:
    return lambda drawn: statistic(drawn * weights)
