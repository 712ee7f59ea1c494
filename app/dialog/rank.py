"""Scores the candidates: the BERT reranker through its batcher, the personal bias added."""

from __future__ import annotations

from dataclasses import dataclass

from app.dialog.candidates import Gathered, Vector
from app.dialog.features import Features
from app.dialog.personalize import biases
from app.domain import Candidate, UserContext
from app.errors import KindredError
from app.serving.contract import AnyEngine


@dataclass(frozen=True, slots=True)
class Ranked:
    """The candidates with their scores (None where the reranker was late), and what was late."""

    candidates: tuple[Candidate, ...]
    late: tuple[str, ...] = ()


def score(
    context: UserContext,
    turns: list[str],
    gathered: Gathered,
    features: Features,
    engine: AnyEngine,
    deadline: float,
    version: str | None = None,
) -> Ranked:
    """Serving scores for all candidates; late ones keep None and are left to the policy.

    `version`: of the reranker, held by the caller; None: everybody's.
    """
    candidates = gathered.candidates
    if not candidates:
        return Ranked(())
    facts = [fact.text for fact in context.facts] if features.facts else []
    late = []
    try:
        texts = [candidate.text for candidate in candidates]
        scoring = engine.score(turns, texts, facts, deadline, version=version)
        try:
            pull = _taste(context, gathered, features, engine, deadline)
        except BaseException:  # the person has left
            scoring.cancel()
            raise
        results = scoring.wait()
    except KindredError:
        return Ranked(candidates, ("rank",))
    ranked = []
    for candidate, result in zip(candidates, results, strict=True):
        if result is None:
            late.append("rank")
            ranked.append(candidate)
            continue
        bias = candidate.bias + pull.get(candidate.candidate_id, 0.0)
        ranked.append(
            candidate.with_(heads=dict(result.heads), bias=bias, score=result.serving + bias)
        )
    return Ranked(tuple(ranked), tuple(dict.fromkeys(late)))


def _taste(
    context: UserContext, gathered: Gathered, features: Features, engine: AnyEngine, deadline: float
) -> dict[str, float]:
    """The person's pull on each candidate; generated texts are embedded only when it is needed."""
    if not (features.taste and context.tastes):
        return {}
    vectors: dict[str, Vector] = dict(gathered.vectors)
    missing = [c for c in gathered.candidates if c.candidate_id not in vectors]
    try:
        found = engine.embed([c.text for c in missing], deadline).wait() if missing else []
        vectors |= {c.candidate_id: v for c, v in zip(missing, found, strict=True)}
    except KindredError:
        pass  # those that have a vector are still biased
    return biases(context.tastes, vectors, engine.versions["encoder"])
