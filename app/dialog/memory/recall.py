"""Answers from memory: what a person told, said back to them when they ask for it.

Only what is in the facts is said; where there is none, the answer says so. It reads questions in
English; what was told as a story, or about a third person's life, is in no fact and not recalled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from hashlib import blake2s

from app.dialog.memory.clauses import spelled
from app.dialog.memory.recall_lines import ABOUT, DENIED, EMPTY, KNOWN, NO, UNKNOWN, YES
from app.dialog.memory.recall_questions import asked, may_ask
from app.domain import Fact

WORDS_MAX = 45
_SHAPES = 2  # answers to one question, so that one is left where the other was said lately
_LISTED_MAX = 5


def recall(
    message: str, facts: Sequence[Fact], fit: Callable[[Fact], bool] = lambda _: True
) -> list[str]:
    """Up to two wordings of one answer, or none where the message asks for nothing told.

    Each has 6 to 45 words and names only what `facts` hold; the same question over the same facts
    is always answered the same way. Facts that are not `fit` to be said back count as not told;
    none is looked at where the message has no question for them.
    """
    told: list[Fact] | None = None
    for sentence in re.split(r"(?<=[.!?])\s+|\n+", message[:1_000])[:8]:
        text = spelled(sentence)
        if not may_ask(text):
            continue
        if told is None:
            told = [fact for fact in facts if fit(fact)]
        question = asked(text, told)
        if question is not None:
            return _answers(*question, message)
    return []


def _answers(topic: str, found: list[Fact], what: str, message: str) -> list[str]:
    found = sorted(found, key=lambda fact: fact.created_at, reverse=True)
    shapes = _shapes(topic, found)
    told = _told(topic, found)
    if not found and topic == "whose":
        what = f"{what}'s name" if not what.endswith("s") else f"{what}' names"
    seed = blake2s(message.encode("utf-8", "surrogatepass"), digest_size=4)
    for fact in found:
        seed.update(fact.fact_id.encode("utf-8", "surrogatepass"))
    first = int.from_bytes(seed.digest(), "big")
    chosen = [shapes[(first + i) % len(shapes)] for i in range(min(_SHAPES, len(shapes)))]
    lines = [
        shape.format(told=told, Told=told[:1].upper() + told[1:], what=what) for shape in chosen
    ]
    return [line for line in lines if len(line.split()) <= WORDS_MAX]


def _shapes(topic: str, found: list[Fact]) -> tuple[str, ...]:
    if topic == "whether":
        if not found:
            return UNKNOWN["whether"]
        return YES if found[0].kind == "likes" else NO
    if not found:
        return EMPTY if topic == "all" else UNKNOWN.get(topic, DENIED)
    return ABOUT if topic == "all" else KNOWN


def _told(topic: str, found: list[Fact]) -> str:
    """What was told, in the second person: "you like hiking and jazz"."""
    if topic == "all":
        found = _spread(found)
    parts: list[str] = []
    for fact in found[:_LISTED_MAX]:
        part = second_person(fact.text)
        if len(" ".join([*parts, part]).split()) > WORDS_MAX - 20 and parts:
            break
        if parts and topic in ("likes", "dislikes"):
            part = second_person(fact.value)
        parts.append(part)
    return _listed(parts)


def _spread(found: list[Fact]) -> list[Fact]:
    """The name first, then one fact of each kind, then the rest, newest first."""
    first: dict[str, Fact] = {}
    for fact in found:
        first.setdefault(fact.kind, fact)
    chosen = sorted(first.values(), key=lambda fact: fact.kind != "name")
    return [*chosen, *(fact for fact in found if fact not in chosen)]


def _listed(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


_PERSONS = {
    "i'm": "you're", "i": "you", "i've": "you've", "my": "your", "me": "you", "myself": "yourself",
    "i'd": "you'd", "our": "your", "we": "you",
}  # fmt: skip


def second_person(text: str) -> str:
    """A first-person sentence said back: "My dog is called Rex." is "your dog is called Rex"."""
    return re.sub(
        r"(?<![\w'-])(?:i'm|i've|i'd|i|my|me|myself|our|we)(?![\w'-])",
        lambda match: _PERSONS[match[0].lower()],
        text.rstrip("."),
        flags=re.IGNORECASE,
    )
