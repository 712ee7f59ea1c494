"""Weighs what rules, the linear reader and the sentence reader say of a message.

Where the sentence reader answered, its verdict is the decision: a rule that fired, or did not, is
one piece of evidence, as the author of the rules could think of no denial and no hint that others
write. The weights come from folds that left authors out (`scripts/train_safety`). Without that
answer nothing is weighed: an alarm of the rules or of the linear reader is one (`reader.joined`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.dialog.safety.messages import Reading
from app.serving.screens.heard import Heard

CRISIS, ABUSE, MINOR, TRICK = "crisis", "abuse", "minor", "trick"
LIMIT = 6.0
"""Linear margins are cut off here: far beyond it, more says nothing more."""


class Sentences(Protocol):
    """The sentence reader as `app.serving.screens.sentences` serves it."""

    @property
    def stack(self) -> Mapping[str, Mapping[str, float]]:
        """By question: the weights `rules`, `linear`, `sentence` and the `bias`."""

    def hear(self, texts: Sequence[str], source: str = "") -> Heard | None:
        """What it says of a message, given whole and in parts; None: no answer in time.

        `source`: who asks, an opaque name; who asks for little is answered before who floods it.
        """


@dataclass(frozen=True, slots=True)
class Evidence:
    """What each side says of one question: a yes or no, and two logits."""

    ruled: bool
    linear: float  # above the linear reader's threshold where positive; 0 where there is none
    sentence: float

    def weighed(self, weights: Mapping[str, float]) -> float:
        """The logit of both together; above 0 the answer is yes."""
        linear = max(-LIMIT, min(LIMIT, self.linear))
        return (
            weights["rules"] * self.ruled
            + weights["linear"] * linear
            + weights["sentence"] * self.sentence
            + weights["bias"]
        )


def ruled_by(reading: Reading) -> Mapping[str, bool]:
    """By question what the rules say."""
    return {
        CRISIS: reading.crisis,
        ABUSE: reading.abusive,
        MINOR: reading.minor,
        TRICK: bool(reading.tricks),
    }


def weigh(
    ruled: Reading,
    linear: Mapping[str, float],
    sentence: Mapping[str, float],
    stack: Mapping[str, Mapping[str, float]],
) -> Mapping[str, bool]:
    """By question the decision; one without weights is decided as if nothing had been weighed."""
    found = {}
    for question, by_rules in ruled_by(ruled).items():
        margin = linear.get(question, 0.0)
        if question in stack and question in sentence:
            evidence = Evidence(by_rules, margin, sentence[question])
            found[question] = evidence.weighed(stack[question]) > 0.0
        else:
            found[question] = by_rules or margin > 0.0
    return found
