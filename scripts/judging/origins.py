"""How each judged reply came to be shown: the best of a model's slate, a draw, or from elsewhere.

The best of the serving model's slate has a high score by that model, whatever people say of it
then: over such replies its scores hardly vary and tell little (restriction of range), while those
of any other model vary freely. What was drawn at random, or judged elsewhere, has no such bias.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.training.examples import Example

if TYPE_CHECKING:
    from scripts.dataset.reader import LoggedImpression

HERE = "reactions"  # the source of examples that people of this service gave
_CLIP = 20.0  # of inverse propensities: more evenness, and more noise, beyond it


@dataclass(frozen=True, slots=True)
class Origin:
    """Of one judged reply.

    `free`: no model's choice (judged elsewhere, or drawn in exploration); `weight` evens out what
    was shown more often than other candidates of its slate; `by`: the reranker version that chose
    it, empty where that is not known.
    """

    free: bool
    weight: float = 1.0
    by: str = ""


def origins(examples: Sequence[Example], impressions: Iterable[LoggedImpression]) -> list[Origin]:
    """The origin of each example."""
    known = {(i.person, i.conversation, i.turn_id, i.response): i for i in impressions}
    return [_origin(e, known.get((e.rater, e.conversation, e.group, e.response))) for e in examples]


def _origin(example: Example, impression: LoggedImpression | None) -> Origin:
    if example.source != HERE:
        return Origin(free=True)
    if impression is None:
        return Origin(free=False)
    by = impression.versions.get("reranker", "")
    chances = {c.candidate_id: c.propensity for c in impression.candidates if c.propensity > 0}
    chance = chances.get(impression.chosen or "", 0.0)
    if impression.alternative_of is not None or impression.shown or chance <= 0:
        return Origin(free=False, by=by)  # the next best, or what no model chose
    if impression.explored and len(chances) > 1 and impression.exploration > 0:
        best = max(chances.values())
        greedy = 1 - impression.exploration if chance == best else 0.0
        share = max(1e-9, (chance - greedy) / impression.exploration)  # of the draw alone
        return Origin(free=True, weight=min(_CLIP, 1 / (share * len(chances))), by=by)
    return Origin(free=False, weight=min(_CLIP, 1 / chance), by=by)
