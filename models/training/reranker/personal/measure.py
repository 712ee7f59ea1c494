"""Whether a person's past helps to rank replies for that person: pair accuracy within a rater.

Two ways to ask. *One moment*: both replies of a pair are judged from what was known before the
earlier of the two, as the candidates of a slate are; nothing that is the same for both helps. *Own
moment*: each from what was known when it came, so that a change of mood may help too, but the later
one without the judgement of the earlier: of two unlike labels one is the higher by chance, and who
knows it to be high knows the answer, without knowing the person.

People are split in five; who is measured was never trained on. Every figure has a bootstrap
interval over raters, and so has the difference of with and without, on the same pairs. As a check a
model is also trained and measured with strangers' pasts in place of people's own: what it gains is
no taste.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.training.reranker import measures
from models.training.reranker.personal.features import (
    Candidates,
    Past,
    Rater,
    base_features,
    features,
)
from models.training.reranker.personal.model import STEPS, Pairs, fit

Floats = NDArray[np.float64]
Pull = Callable[[Past, Candidates], Floats]
"""A bias (m,) on probabilities of candidates for the person with this past, as serving adds it."""
ONE_MOMENT, OWN_MOMENT = "one moment", "own moment"
FOLDS = 5
BUCKETS = ((0, 0), (1, 1), (2, 2), (3, 4), (5, 7), (8, 11), (12, None))
WITH, WITHOUT, STRANGER = "with the past", "without", "with a stranger's past"
ALONE, SERVED = "score alone", "score and serving bias"


@dataclass(frozen=True)
class Compared:
    """Pairs of one rater. Index 0 of each array's middle axis is the better reply.

    base, personal, stranger: (k, 2, f). alone, served: (k, 2) scores as they are. past: (k,) how
    many reactions were known. left_out: (k,) whether a reply has a mark that pairs may leave out.
    """

    base: Floats
    personal: Floats
    stranger: Floats
    alone: Floats
    served: Floats
    past: NDArray[np.int64]
    left_out: NDArray[np.bool_]


@dataclass(frozen=True)
class Measured:
    """Which pairs each model ordered rightly (k,), 0, a half or 1, and what pairs they are."""

    right: Mapping[str, Floats]
    raters: NDArray[np.int64]
    past: NDArray[np.int64]
    left_out: NDArray[np.bool_] = field(repr=False)


def measure(
    raters: Sequence[Rater],
    moment: str,
    *,
    pull: Pull | None = None,
    leave_out: str = "",
    seed: int = 7,
    steps: int = STEPS,
    tell: Callable[[], None] = lambda: None,
) -> Measured | None:
    """Cross-fitted results of every model on all pairs; None where there are too few to learn.

    pull: the serving bias. leave_out: the mark of replies whose pairs are told apart. steps: of
    learning. tell: called after each rater and each model; whoever wants to stop may raise there.
    """
    strangers = _strangers(raters, seed)
    parts, folds = [], []
    for i, rater in enumerate(raters):
        made = compared(rater, raters[strangers[i]], moment, pull, leave_out)
        if made is not None:
            parts.append((i, made))
            folds.append(_fold(rater.name, seed))
        tell()
    if len(set(folds)) < 2:
        return None
    owners = np.concatenate([np.full(len(part.past), i) for i, part in parts])
    fold = np.concatenate([np.full(len(p.past), f) for (_, p), f in zip(parts, folds, strict=True)])
    whole = {name: np.concatenate([getattr(part, name) for _, part in parts]) for name in _ARRAYS}
    right = {ALONE: _right(whole["alone"])}
    if pull is not None:
        right[SERVED] = _right(whole["served"])
    inputs = {
        WITHOUT: whole["base"],
        WITH: np.concatenate([whole["base"], whole["personal"]], axis=2),
        STRANGER: np.concatenate([whole["base"], whole["stranger"]], axis=2),
    }
    for name, rows in inputs.items():
        right[name] = _right(_cross_fitted(rows, owners, fold, seed, steps, tell))
    return Measured(right, owners, whole["past"], whole["left_out"])


_ARRAYS = ("base", "personal", "stranger", "alone", "served", "past", "left_out")


def compared(
    rater: Rater, stranger: Rater, moment: str, pull: Pull | None, leave_out: str = ""
) -> Compared | None:
    """A rater's pairs of replies that were not liked alike; None without any."""
    looks, pairs = _looks(rater, moment)
    if not pairs:
        return None
    rows: dict[str, list[Any]] = {name: [] for name in _ARRAYS}
    for look in looks:
        candidates = rater.candidates(look.rows)
        past = rater.before(look.now, look.without)
        known = len(past.labels)
        made = {
            "base": base_features(known, candidates),
            "personal": features(past, candidates),
            "stranger": features(stranger.before(known), candidates),
            "alone": _probability(candidates.scores[:, 0]),
        }
        made["served"] = made["alone"] + (pull(past, candidates) if pull else 0.0)
        for name, values in made.items():
            rows[name].append(values)
        rows["past"].append(np.full(len(look.rows), known))
        marked = [bool(leave_out) and rater.marks[i] == leave_out for i in look.rows]
        rows["left_out"].append(marked)
    index = np.array(pairs)
    picked = {name: np.concatenate(values)[index] for name, values in rows.items()}
    picked["past"] = picked["past"].min(axis=1)
    picked["left_out"] = picked["left_out"].any(axis=1)
    return Compared(**picked)


class _Look(NamedTuple):
    """Replies that are looked at when `now` judgements are known, less the one `without`."""

    now: int
    rows: list[int]
    without: int | None = None


def _looks(rater: Rater, moment: str) -> tuple[list[_Look], list[tuple[int, int]]]:
    """All looks, and the pairs as (better, worse) places among all their replies in order."""
    looks: list[_Look] = []
    pairs: list[tuple[int, int]] = []
    liked, start = rater.liked, 0
    for i in range(len(rater)):
        later = [j for j in range(i + 1, len(rater)) if liked[i] != liked[j]]
        if not later:
            continue
        if moment == ONE_MOMENT:
            looks.append(_Look(i, [i, *later]))
        else:
            looks += [_Look(i, [i]), *(_Look(j, [j], without=i) for j in later)]
        for k, j in enumerate(later, 1):
            pairs.append((start, start + k) if liked[i] > liked[j] else (start + k, start))
        start += 1 + len(later)
    return looks, pairs


def _strangers(raters: Sequence[Rater], seed: int) -> list[int]:
    """Somebody else for each: the next in a shuffled round, of the same fold where there is one."""
    rng = np.random.default_rng(seed)
    found = [(i + 1) % len(raters) for i in range(len(raters))]
    for fold in range(FOLDS):
        mine = [i for i, rater in enumerate(raters) if _fold(rater.name, seed) == fold]
        if len(mine) < 2:
            continue
        order = rng.permutation(mine)
        for i, other in zip(order, np.roll(order, 1), strict=True):
            found[int(i)] = int(other)
    return found


def _fold(name: str, seed: int) -> int:
    """Which fifth a rater is in; depends on nothing but name and seed."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % FOLDS


def _cross_fitted(
    rows: Floats,
    owners: NDArray[np.int64],
    fold: NDArray[np.int64],
    seed: int,
    steps: int,
    tell: Callable[[], None],
) -> Floats:
    """Scores (k, 2) of rows (k, 2, f), each by a model that never met its rater."""
    scores = np.zeros(rows.shape[:2])
    for number in sorted(set(fold.tolist())):
        held = fold == number
        pairs = Pairs(rows[~held, 0], rows[~held, 1], owners[~held])
        model = fit(pairs, seed=seed + number, steps=steps)
        scores[held, 0] = model.scores(rows[held, 0])
        scores[held, 1] = model.scores(rows[held, 1])
        tell()
    return scores


def _right(scores: Floats) -> Floats:
    """(k,) 1 where the better reply of (k, 2) scores higher, a half for a tie."""
    right: Floats = (1.0 + np.sign(scores[:, 0] - scores[:, 1])) / 2.0
    return right


def _probability(logits: Floats) -> Floats:
    return np.asarray(0.5 * (np.tanh(0.5 * logits) + 1.0))


def summary(measured: Measured, resamples: int = measures.RESAMPLES) -> dict[str, Any]:
    """All figures as JSON values: by model, differences, and over the number of past reactions."""
    everything = np.ones(len(measured.past), dtype=bool)
    found = {"all": _figures(measured, everything, resamples)}
    if measured.left_out.any():
        found["without_marked"] = _figures(measured, ~measured.left_out, resamples)
    buckets = []
    for low, high in BUCKETS:
        mine = (measured.past >= low) & (measured.past <= (_MANY if high is None else high))
        if mine.any():
            buckets.append({"from": low, "to": high, **_figures(measured, mine, resamples)})
    return {**found, "by_past": buckets}


_MANY = 10**9


def _figures(measured: Measured, rows: NDArray[np.bool_], resamples: int) -> dict[str, Any]:
    clusters = measured.raters[rows].tolist()

    def figure(values: Floats) -> list[float | None]:
        statistic = measures.mean_of(values[rows])
        found = measures.interval(statistic, clusters, resamples=resamples)
        return [None if np.isnan(x) else round(float(x), 4) for x in found]

    right = measured.right
    differences = {
        f"{WITH} - {WITHOUT}": right[WITH] - right[WITHOUT],
        f"{STRANGER} - {WITHOUT}": right[STRANGER] - right[WITHOUT],
    }
    if SERVED in right:
        differences[f"{SERVED} - {ALONE}"] = right[SERVED] - right[ALONE]
    return {
        "models": {name: figure(values) for name, values in right.items()},
        "differences": {name: figure(values) for name, values in differences.items()},
        "pairs": int(rows.sum()),
        "raters": len(set(clusters)),
    }
