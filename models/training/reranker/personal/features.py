"""A person's own past reactions as features of a candidate.

Serving has a bias of its own (`app/dialog/personalize.py`): the liked and disliked replies of a
person pull a candidate by their likeness to it, at most ±0.08 of the score, without anything
learned. Here the same past gives more features, and a small model on top of the reranker's score
learns from other people how much each is worth (`personal_model`).

Whatever is measured must come from the past alone. So `Past` is cut out of a `Rater` by position,
and `Candidates` have no labels: `features` cannot see what a person thinks of a candidate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
COMMON_LIKENESS = 0.15
"""Any two English lines are somewhat alike to the encoder; only likeness above this is taste."""
HALF_LIFE = 3.0
"""After so many further reactions, an old one tells half as much of a changing mood."""
PRIOR = 2.0
"""Reactions of nobody in particular that a mean begins with."""
SHARED = ("last label", "recent mean", "spread")
OWN = (
    "pull of the like",
    "recent pull",
    "likeness to the liked",
    "likeness to the disliked",
    "likeness to any",
    "length like the liked",
    "leniency",
    "pull of residuals",
    "trust in the score",
)


@dataclass(frozen=True)
class Candidates:
    """Replies as they stand before anybody judged them.

    scores: (m, s) logits of the reranker, the overall one first. vectors: (m, d) unit vectors.
    words: (m,) how long they are.
    """

    scores: Floats
    vectors: Floats
    words: Floats


@dataclass(frozen=True)
class Past(Candidates):
    """Replies with what one person thought of them, oldest first.

    labels: (p, h) in 0…1, NaN where a head has none; the first column, always there, is how much
    the reply was liked.
    """

    labels: Floats


@dataclass(frozen=True)
class Rater(Past):
    """All judgements of one person in order of time. `marks` say of each what pairs may leave out
    (the bot, where there were several)."""

    name: str
    marks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def liked(self) -> Floats:
        """(n,) how much each reply was liked, 0…1."""
        liked: Floats = self.labels[:, 0]
        return liked

    def before(self, now: int, without: int | None = None) -> Past:
        """What was known when judgement number `now` had not been made, less one judgement."""
        rows = [i for i in range(min(now, len(self))) if i != without]
        return Past(self.scores[rows], self.vectors[rows], self.words[rows], self.labels[rows])

    def candidates(self, rows: Sequence[int]) -> Candidates:
        """These replies, without what was thought of them."""
        chosen = list(rows)
        return Candidates(self.scores[chosen], self.vectors[chosen], self.words[chosen])


def base_names(scores: int) -> list[str]:
    """Columns of `base_features` for a reranker with so many scores."""
    return [f"score {i}" for i in range(scores)] + ["reactions so far"]


def base_features(count: int, candidates: Candidates) -> Floats:
    """(m, s + 1): what a model without the past has.

    The number of reactions so far is among it: that people grow tired is no one's own taste.
    """
    so_far = np.full((len(candidates.words), 1), np.log1p(count))
    return np.hstack([candidates.scores, so_far])


def feature_names(heads: int) -> list[str]:
    """Columns of `features` for so many heads of labels."""
    return [f"mean of head {i}" for i in range(heads)] + [*SHARED, *OWN]


def features(past: Past, candidates: Candidates) -> Floats:
    """(m, h + 12) features of the candidates for the person with this past; zeros without one."""
    heads = past.labels.shape[1]
    size = len(candidates.words)
    if not len(past.labels):
        return np.zeros((size, heads + len(SHARED) + len(OWN)))
    shared = np.array([*_means(past.labels), *_mood(past.labels[:, 0])])
    return np.hstack([np.tile(shared, (size, 1)), _own(past, candidates)])


def _means(labels: Floats) -> Floats:
    """(h,) mean of each head, drawn towards the middle while reactions are few."""
    known = ~np.isnan(labels)
    total = np.where(known, labels - 0.5, 0.0).sum(axis=0)
    means: Floats = total / (known.sum(axis=0) + PRIOR)
    return means


def _mood(liked: Floats) -> list[float]:
    weights = _recency(len(liked))
    recent = float((weights * (liked - 0.5)).sum() / (weights.sum() + PRIOR / 2))
    return [float(liked[-1] - 0.5), recent, float(liked.std())]


def _recency(count: int) -> Floats:
    """(p,) weights, 1 for the newest."""
    return np.asarray(0.5 ** (np.arange(count - 1, -1, -1) / HALF_LIFE))


def _own(past: Past, candidates: Candidates) -> Floats:
    """(m, 9) features in which two candidates of one moment differ."""
    liked = past.labels[:, 0]
    # Against the person's own middle: who likes everything tells nothing by liking a reply.
    taste = liked - (liked.sum() + 0.5 * PRIOR) / (len(liked) + PRIOR)
    likeness = candidates.vectors @ past.vectors.T
    near = np.maximum(likeness - COMMON_LIKENESS, 0.0) / (1.0 - COMMON_LIKENESS)
    residual = liked - _sigmoid(past.scores[:, 0])
    leniency = residual.sum() / (len(liked) + PRIOR)
    columns = [
        _kernel(near, taste),
        _kernel(near * _recency(len(liked)), taste),
        _nearest(near, taste > 0),
        _nearest(near, taste < 0),
        near.max(axis=1),
        _length(past.words, taste, candidates.words),
        np.full(len(candidates.words), leniency),
        _kernel(near, residual - leniency),
        _trust(past, taste, candidates),
    ]
    return np.stack(columns, axis=1)


def _kernel(near: Floats, values: Floats) -> Floats:
    """(m,) mean of the past's values by likeness, drawn towards 0 where little is alike."""
    mean: Floats = (near * values).sum(axis=1) / (0.5 + near.sum(axis=1))
    return mean


def _nearest(near: Floats, chosen: NDArray[np.bool_]) -> Floats:
    """(m,) likeness to the likest of the chosen; 0 without any."""
    found: Floats = near[:, chosen].max(axis=1) if chosen.any() else np.zeros(len(near))
    return found


def _length(past: Floats, taste: Floats, words: Floats) -> Floats:
    """(m,) how a candidate's length goes with what was liked: slope of taste on log length."""
    long = np.log1p(past) - np.log1p(past).mean()
    slope = (long * taste).sum() / ((long**2).sum() + PRIOR)
    moved: Floats = slope * (np.log1p(words) - np.log1p(past).mean())
    return moved


def _trust(past: Past, taste: Floats, candidates: Candidates) -> Floats:
    """(m,) the overall score, as far as this person has agreed with it: slope of taste on score."""
    score = past.scores[:, 0] - past.scores[:, 0].mean()
    slope = (score * taste).sum() / ((score**2).sum() + PRIOR)
    moved: Floats = slope * (candidates.scores[:, 0] - past.scores[:, 0].mean())
    return moved


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(0.5 * (np.tanh(0.5 * x) + 1.0))
