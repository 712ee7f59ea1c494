"""Chooses the reply from a screened slate: best first, a little exploration, propensities logged.

Exploration is epsilon-greedy over a softmax of the best few, so that every choice has a known
probability and off-policy estimates have support (Swaminathan and Joachims, 2015).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from app.domain import Candidate, Source

EXPLORED = 5  # candidates that exploration may choose from
_TEMPERATURE = 0.1  # of the softmax over serving scores


@dataclass(frozen=True, slots=True)
class Choice:
    """The candidates with their propensities, the one chosen (None: none may be shown)."""

    candidates: tuple[Candidate, ...]
    chosen: Candidate | None
    explored: bool


def select(candidates: Iterable[Candidate], *, seed: int, exploration: float) -> Choice:
    """Choose among the candidates without filters; the same arguments give the same choice.

    Where no candidate has a score (the reranker was late) the reviewed bank speaks by its
    retrieval scores and nothing is explored.
    """
    candidates = tuple(candidates)
    eligible = sorted((c for c in candidates if not c.filters), key=_merit, reverse=True)
    scored = [c for c in eligible if c.score is not None]
    if not scored:
        reviewed = [c for c in eligible if c.source is Source.RETRIEVAL]
        return _greedy(candidates, reviewed)
    if exploration <= 0 or len(scored) == 1:
        return _greedy(candidates, scored)
    few = scored[:EXPLORED]
    weights = _softmax([c.score or 0.0 for c in few])
    propensity = {
        c.candidate_id: exploration * weight + (1 - exploration) * (c is few[0])
        for c, weight in zip(few, weights, strict=True)
    }
    dice = Random(seed)  # nosec B311: no secret, and a choice can be made again from its seed
    explored = dice.random() < exploration
    chosen = dice.choices(few, weights)[0] if explored else few[0]
    return _choice(candidates, chosen, propensity, explored=explored)


def next_best(candidates: Iterable[Candidate], shown: Iterable[str]) -> Candidate | None:
    """The best candidate that may be shown and was not yet, or None."""
    seen = set(shown)
    left = [c for c in candidates if not c.filters and c.candidate_id not in seen]
    reviewed_only = all(c.score is None for c in left)
    fit = [c for c in left if c.score is not None or reviewed_only]
    return max(fit, key=_merit, default=None)


def certain(candidates: Iterable[Candidate], chosen: Candidate) -> tuple[Candidate, ...]:
    """The candidates with the propensities of a choice that left nothing to chance."""
    return _choice(tuple(candidates), chosen, {chosen.candidate_id: 1.0}, explored=False).candidates


def _merit(candidate: Candidate) -> tuple[float, float, str]:
    score = candidate.score if candidate.score is not None else float("-inf")
    return (score, candidate.retrieval_score or 0.0, candidate.candidate_id)


def _greedy(candidates: tuple[Candidate, ...], eligible: list[Candidate]) -> Choice:
    if not eligible:
        return Choice(candidates, None, explored=False)
    best = eligible[0]
    return _choice(candidates, best, {best.candidate_id: 1.0}, explored=False)


def _choice(
    candidates: tuple[Candidate, ...],
    chosen: Candidate,
    propensity: dict[str, float],
    *,
    explored: bool,
) -> Choice:
    marked = tuple(_marked(c, propensity.get(c.candidate_id, 0.0)) for c in candidates)
    return Choice(
        marked, next(c for c in marked if c.candidate_id == chosen.candidate_id), explored
    )


def _marked(candidate: Candidate, propensity: float) -> Candidate:
    same = candidate.propensity == propensity
    return candidate if same else candidate.with_(propensity=propensity)


def _softmax(scores: list[float]) -> list[float]:
    top = max(scores)
    powers = [math.exp((score - top) / _TEMPERATURE) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]
