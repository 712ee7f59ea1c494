"""The evaluation sets: which there are, their labels, and who answers for each of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.dialog import screen
from app.dialog.safety import InputScreen, Reading
from app.dialog.safety.reader import passages
from app.dialog.safety.verdict import ABUSE, CRISIS, MINOR, TRICK, Sentences
from models.training.text_reader.texts import HARMLESS, LabelledText, read_texts

OUTPUT_LABELS = (
    "toxic",
    "personal_data",
    "human_claim",
    "medical",
    "legal",
    "harm",
    "sexual",
)
SETS: Mapping[str, tuple[str, ...]] = {
    "crisis": ("crisis",),
    "minors": ("minor",),
    "abuse": ("abuse",),
    "tricks": ("trick",),
    "outputs": OUTPUT_LABELS,
}
"""What each set looks for, beside `harmless`."""

_RULED: Mapping[str, Callable[[Reading], bool]] = {
    "crisis": lambda reading: reading.crisis,
    "minors": lambda reading: reading.minor,
    "abuse": lambda reading: reading.abusive,
    "tricks": lambda reading: bool(reading.tricks),
}
_HEADS = {"crisis": CRISIS, "minors": MINOR, "abuse": ABUSE, "tricks": TRICK}
RULES, LEARNED, BOTH = "rules", "learned", "both"
SENTENCES, ALL = "sentences", "all"


@dataclass(frozen=True)
class Side:
    """One way of judging a text: `finds` says whether it raises the set's alarm."""

    name: str
    finds: Callable[[str], bool]


def load(folder: Path, name: str) -> list[LabelledText] | None:
    """A set in the form that README.md beside it describes; None where there is no such file.

    Raises:
        BadText: a line that is not in that form, an id or text twice, an unknown label.
    """
    path = folder / f"{name}.jsonl"
    return read_texts(path, (*SETS[name], HARMLESS)) if path.is_file() else None


def sides(
    name: str,
    learned: Any | None,
    toxicity: Any | None,
    sentences: Sentences | None = None,
    replies: Sentences | None = None,
) -> Sequence[Side]:
    """Who answers for a set: each side alone, both that need no model, and all together.

    Args:
        learned: `SafetyReader`, None where there is none.
        toxicity: `ToxicityReader`, None where there is none.
        sentences: the sentence reader of messages, asked without a lane.
        replies: the one of replies, likewise.
    """
    if name == "outputs":
        return _of_outputs(toxicity, replies)
    ruled, head = _RULED[name], _HEADS[name]
    found = [Side(RULES, lambda text: ruled(Reading.of(text)))]
    margins = None if learned is None else learned.margins
    if margins is not None:
        alone, both = InputScreen(margins), InputScreen(margins)
        found.append(Side(LEARNED, lambda text: alone.margins(text)[head] > 0.0))
        found.append(Side(BOTH, lambda text: ruled(both.read(text))))
    if sentences is not None:
        screen_of_all = InputScreen(margins, sentences=sentences)
        limit = sentences.stack[head].get("alone", 0.0)
        found.append(Side(SENTENCES, lambda text: _logit(sentences, text, head) > limit))
        found.append(Side(ALL, lambda text: ruled(screen_of_all.read(text))))
    return found


def _logit(sentences: Sentences, text: str, head: str) -> float:
    heard = sentences.hear(passages(text))
    return -math.inf if heard is None else heard.logits[head]


def _of_outputs(toxicity: Any | None, replies: Sentences | None) -> Sequence[Side]:
    found = [Side(RULES, lambda text: bool(screen.judge(text)))]
    if toxicity is not None:
        found.append(Side(LEARNED, lambda text: bool(toxicity.finds(text))))
        found.append(Side(BOTH, lambda text: bool(screen.judge(text, toxicity))))
    if replies is not None:
        found.append(Side(SENTENCES, lambda text: _kept_back(replies, text)))
        found.append(
            Side(ALL, lambda text: bool(screen.judge(text, toxicity)) or _kept_back(replies, text))
        )
    return found


def _kept_back(replies: Sentences, text: str) -> bool:
    """Whether any head of the replies' reader is above its limit."""
    heard = replies.hear([text])
    logits = {} if heard is None else heard.logits
    return any(logit + replies.stack[head]["bias"] > 0.0 for head, logit in logits.items())


def kinds_of(texts: Collection[LabelledText]) -> list[tuple[str, str]]:
    """The (label, kind) pairs of a set, what is looked for before what is harmless."""
    pairs = {(text.label, text.kind) for text in texts}
    return sorted(pairs, key=lambda pair: (pair[0] == HARMLESS, *pair))
