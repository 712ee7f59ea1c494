"""What people say of a response, as labels in [0, 1]: taps, words, numbers, sliders."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from models.training.examples import REACTION_HEADS
from scripts.dataset.lines import BadRecord

LIKED = frozenset({"love", "funny", "upvote"})
SAFETY = {"safe": 0.0, "unsafe": 1.0}
_WORDS = {"good": 1.0, "bad": 0.0, "yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0}
_WORDS |= {"up": 1.0, "down": 0.0, "like": 1.0, "dislike": 0.0}
_PRAISE = ("interesting", "fun", "consistent", "fluent", "topic")
_BLAME = ("robotic", "repetitive")


def tap_labels(reaction: str) -> dict[str, float]:
    """The label of each head that one tap gives.

    A person has one tap, so the one they gave says of each head whether it was theirs; `upvote` is
    whether they liked the reply at all.
    """
    return {
        head: float(reaction in LIKED if head == "upvote" else reaction == head)
        for head in REACTION_HEADS
    }


def label_of(value: Any, scale: tuple[float, float] = (0.0, 1.0)) -> float:
    """A word, true or false, or a number of a scale as a label (BadRecord: none of these)."""
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in _WORDS:
        return _WORDS[word]
    try:
        number = float(value)
    except (OverflowError, TypeError, ValueError):
        raise BadRecord(f"label is {str(value)[:40]!r}, no judgement that is known") from None
    low, high = (0.0, 1.0) if isinstance(value, bool) else scale
    if not low <= number <= high:
        raise BadRecord(f"label must lie in [{low:g}, {high:g}], not {number:g} (see --scale)")
    return (number - low) / (high - low)


def is_among(value: Any, wanted: Sequence[str]) -> bool:
    """Whether a label is one of those named; numbers are equal as numbers are (`4.0` is `4`).

    Raises:
        BadRecord: there is no label, so nothing was said.
    """
    if isinstance(value, str | int | float) and str(value).strip():
        word = str(value).strip()
        number = _number(word)
        if not math.isnan(number):
            return any(number == _number(other) for other in wanted)
        if word.lower() != "nan":
            return word.lower() in {other.strip().lower() for other in wanted}
    raise BadRecord(f"label is {str(value)[:40]!r}: nothing was said")


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan


def opinion_of(record: Mapping[str, Any]) -> float:
    """What a user thought of a whole dialog: their `rating`, or their `scores`' praise less blame.

    Only the order within a source means anything (BadRecord: it cannot be read).
    """
    try:
        if "rating" in record:
            value = float(record["rating"])
        else:
            scores = record["scores"].get("z scores", record["scores"])
            praise = statistics.fmean(float(scores[name]) for name in _PRAISE)
            value = praise - statistics.fmean(float(scores[name]) for name in _BLAME)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise BadRecord(f"rating or scores cannot be read: {error}") from None
    if not math.isfinite(value):
        raise BadRecord("rating or scores are no numbers")
    return value
