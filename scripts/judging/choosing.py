"""What the service would have shown with another reranker, over the slates that were logged.

The target policy is the service's own (`app.dialog.policy`) with the model's scores put in the
place of the logged ones: the same biases, the same filters, the same exploration. The filter that
follows from a head, for offence, is applied anew. (One that compares candidates by their scores, as
the one for twins does, stays as it was logged.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.dialog import policy
from app.dialog.screen import too_offensive
from app.domain import SAFETY_HEADS, Candidate, Source
from app.experiments.off_policy import Choices
from models.contracts import RerankerModel, RerankResult
from scripts.judging.heldout import LIKED
from scripts.judging.scoring import Asked, score

if TYPE_CHECKING:
    from scripts.dataset.reader import LoggedCandidate, LoggedImpression

Scores = Mapping[str, RerankResult]
"""By candidate id, of the candidates that might be shown."""


@dataclass(frozen=True, slots=True)
class Usable:
    """The logged choices that tell something, and why the others do not."""

    impressions: tuple[LoggedImpression, ...]
    left_out: dict[str, int]


def usable(impressions: Sequence[LoggedImpression], *, silence: str) -> Usable:
    """Choices of a whole slate, made with a chance for others than the best.

    Args:
        silence: "skip" leaves out replies that nobody reacted to; "zero" takes them for not liked.
    """
    kept, left_out = [], dict.fromkeys(("alternative", "not chosen", "certain", "silent"), 0)
    for one in impressions:
        reason = _why_not(one, silence)
        if reason is None:
            kept.append(one)
        else:
            left_out[reason] += 1
    return Usable(tuple(kept), left_out)


def score_slates(
    model: RerankerModel, impressions: Sequence[LoggedImpression], label: str
) -> list[Scores]:
    """The model's results for every candidate that may be shown.

    Where the log holds this version's own results they are taken, which saves most of the work.
    """
    asked: list[Asked] = []
    wanted = []
    found: list[dict[str, RerankResult]] = []
    for one in impressions:
        fit = [c for c in one.candidates if not _kept_back(c) and c.score is not None]
        own = one.versions.get("reranker") == model.version
        known = {c.candidate_id: _logged(c) for c in fit if own and "upvote" in c.heads}
        found.append(known)
        missing = [c for c in fit if c.candidate_id not in known]
        if missing:
            wanted.append((known, missing))
            asked.append((one.context, tuple(c.text for c in missing), one.facts))
    for (known, missing), results in zip(wanted, score(model, asked, label), strict=True):
        known.update(zip((c.candidate_id for c in missing), results, strict=True))
    return list(found)


def choices(
    impressions: Sequence[LoggedImpression],
    scores: Sequence[Scores],
    rewards: Sequence[Mapping[str, float]],
    trust: Mapping[str, float] | None = None,
) -> Choices:
    """The logged choices as the policy with these scores sees them.

    Args:
        rewards: for each impression the reward model's P(liked) by candidate id.
        trust: what a person's choices count for; 1 where nothing is known.
    """
    trust = trust or {}
    rows: list[tuple[float, ...]] = []
    for one, results, q in zip(impressions, scores, rewards, strict=True):
        wanted = probabilities(one, results)
        logged = {c.candidate_id: c.propensity for c in one.candidates}
        chosen = str(one.chosen)
        row = (
            float(one.reaction in LIKED),
            logged[chosen],
            wanted.get(chosen, 0.0),
            q.get(chosen, 0.0),
            sum(share * q.get(name, 0.0) for name, share in wanted.items()),
            sum(share for name, share in wanted.items() if logged[name] <= 0.0),
        )
        rows.append(row)
    reward, propensity, target, expected, mean, unsupported = zip(*rows, strict=True)
    return Choices.of(
        reward=reward,
        propensity=propensity,
        target=target,
        units=[one.person or one.conversation for one in impressions],
        expected=expected,
        target_expected=mean,
        unsupported=unsupported,
        trust=[trust.get(one.person, 1.0) for one in impressions],
    )


def probabilities(one: LoggedImpression, results: Scores) -> dict[str, float]:
    """With which probability the policy would show each candidate, by id; the sum is 1."""
    chosen = policy.select(
        [_candidate(c, results.get(c.candidate_id)) for c in one.candidates],
        seed=one.seed,
        exploration=one.exploration,
    )
    return {c.candidate_id: c.propensity for c in chosen.candidates if c.propensity > 0}


def mean_reward(first: Scores, second: Scores) -> dict[str, float]:
    """A reward model of two rerankers: the mean of their P(upvote), so that it favours neither."""
    return {
        name: (first[name].heads["upvote"] + second[name].heads["upvote"]) / 2
        for name in first.keys() & second.keys()
    }


def _why_not(one: LoggedImpression, silence: str) -> str | None:
    if one.alternative_of is not None or one.shown:
        return "alternative"  # the next best of a slate, shown with certainty
    chosen = next((c for c in one.candidates if c.candidate_id == one.chosen), None)
    if chosen is None or chosen.score is None or chosen.propensity <= 0:
        return "not chosen"  # safety or the fallback spoke, or the reranker was late
    if one.exploration <= 0:
        return "certain"  # nothing but the best could be shown: no support
    if one.reaction is None and silence == "skip":
        return "silent"
    return None


def _logged(candidate: LoggedCandidate) -> RerankResult:
    return RerankResult(candidate.heads, (candidate.score or 0.0) - candidate.bias)


def _kept_back(logged: LoggedCandidate) -> list[str]:
    """Reasons that do not follow from what a model thinks of it."""
    return [reason for reason in logged.filters if reason not in SAFETY_HEADS]


def _candidate(logged: LoggedCandidate, result: RerankResult | None) -> Candidate:
    source = Source(logged.source)
    filters = tuple(_kept_back(logged)) if result else logged.filters
    if result and too_offensive(source, result.heads):
        filters = (*filters, "offensive")
    return Candidate(
        candidate_id=logged.candidate_id,
        text=logged.text,
        source=source,
        retrieval_score=logged.retrieval_score,
        bias=logged.bias,
        score=None if result is None else result.serving + logged.bias,
        filters=filters,
    )
