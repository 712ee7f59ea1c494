"""The crisis protocol, and the boundaries: which messages are answered by a written text.

It needs nothing but the words: no model, no store, no file. A crisis marks the conversation, and
the mark stays as long as the conversation does: that somebody says they are safe again is good to
hear and no reason to joke or to experiment. Another conversation begins without it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from app.dialog import safety
from app.dialog.care import texts
from app.dialog.care.texts import Kind
from app.dialog.screen.rules import for_adults
from app.domain import Speaker, UserContext

_KINDS = {
    safety.Danger.SELF: Kind.SELF,
    safety.Danger.OTHER: Kind.OTHER,
    safety.Danger.LOSS: Kind.LOSS,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A message's written answer; `referral` is what the yearly report counts it as."""

    text: str
    referral: Kind | None = None

    @property
    def crisis(self) -> bool:
        """Whether it names where help is found, and marks the conversation."""
        return self.referral is not None


def answer(
    reading: safety.Reading, message: str, said: Collection[str], region: str, *, minor: bool
) -> Answer | None:
    """The written answer to a message, or None where the models may answer.

    Args:
        reading: what the message's words speak of.
        said: Kindred's lines so far in this conversation, oldest first; none is said again.
        region: a code of `regions.REGIONS`, or "".
        minor: the person said that they are under 18.
    """
    if reading.danger is not None:
        return care(reading.danger, said, region, minor=minor)
    if minor and for_adults(message):
        return Answer(texts.boundary_for_young(region))
    if reading.boundary is not None:
        return Answer(reading.boundary)
    staying = _staying(said)
    return None if staying is None else Answer(staying)


def care(
    danger: safety.Danger | None, said: Collection[str], region: str, *, minor: bool
) -> Answer:
    """The protocol's answer to a danger (None, not told: as to one's own); as in `answer`."""
    kind = _KINDS[danger or safety.Danger.SELF]
    return Answer(_crisis(kind, said, region, young=minor), kind)


def said_in(context: UserContext) -> list[str]:
    """Kindred's lines of this conversation."""
    return [turn.text for turn in context.turns if turn.speaker is Speaker.KINDRED]


def follow_up_is_due(context: UserContext) -> bool:
    """Whether this is the second message after one that the protocol answered.

    The first is answered with care and without numbers; by the second, somebody may have talked
    on as if nothing were, and once more hears where help is.
    """
    if not context.crisis:
        return False
    told = [turn.text for turn in context.turns if turn.speaker is Speaker.PERSON]
    return len(told) >= 3 and safety.is_crisis(told[-3]) and not safety.is_crisis(told[-2])


def _staying(said: Collection[str]) -> str | None:
    """What is said to the first messages after a danger; None: the models may answer again.

    "no, tonight" is a danger only to who heard the line before it, and no model here can be
    trusted with that. So nobody is handed back to them at once.
    """
    since: list[str] = []
    for line in reversed(list(said)):
        if (kind := texts.kind_of(line)) is not None:
            fresh = [text for text in texts.STAYING[kind] if text not in said]
            return fresh[0] if fresh and len(since) < len(texts.STAYING[kind]) else None
        since.append(line)
    return None


def _crisis(kind: Kind, said: Collection[str], region: str, *, young: bool) -> str:
    """The first text of a kind, then each of the further ones in turn."""
    first = texts.opening(kind)
    if not any(line.startswith(first) for line in said):
        return texts.first(kind, region, young=young)
    further = texts.again(kind, region, young=young)
    earlier = list(said)
    fresh = [text for text in further if text not in earlier]
    # Of those that were all said, the one said longest ago.
    return fresh[0] if fresh else max(further, key=earlier[::-1].index)
