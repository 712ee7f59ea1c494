"""Answering while the store is away: from what the client sent along, and nothing is kept.

What is not known is taken to be what asks for more care. Whether the conversation is marked as one
of a crisis stands in the store; a conversation that began before is therefore answered as if it
were: by reviewed lines alone, without jokes. Nothing is learned, tried out or remembered, and the
ids of such a reply say so: no reaction to it could be kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from app.dialog import safety
from app.dialog.features import Features
from app.domain import Reply, Speaker, Turn, UserContext
from app.store import ids


@dataclass(frozen=True, slots=True)
class SentLine:
    """A line of the conversation as the client remembers it (its text normalised)."""

    speaker: Speaker
    text: str


def context_of(
    user_id: str, conversation_id: str | None, message: str, sent: Sequence[SentLine], now: float
) -> UserContext:
    """What can be known of a message without the store; `sent` are the lines before it, in order.

    Args:
        now: Unix seconds.
    """
    lines = [*sent, SentLine(Speaker.PERSON, message)]
    turns = tuple(_turns(user_id, lines, now))
    readings = [safety.Reading.of(line.text) for line in lines if line.speaker is Speaker.PERSON]
    said = [line.text for line in sent if line.speaker is Speaker.KINDRED]
    return UserContext(
        user_id=user_id,
        conversation_id=conversation_id or ids.near(ids.CONVERSATION, user_id, now),
        message=turns[-1],
        turns=turns,
        recent_replies=tuple(reversed(said)),
        crisis=conversation_id is not None or any(reading.crisis for reading in readings),
        minor=any(reading.minor for reading in readings),
        disclosed_at=now if said else None,
    )


def features_of(assigned: Features) -> Features:
    """The switches as they were last known; no memory, nothing tried out, nobody's variant."""
    return replace(assigned, facts=False, taste=False, exploration=False, variants={}, models={})


def unsaved(reply: Reply) -> Reply:
    """The reply as it is given where it could not be kept: degraded, under ids that say so.

    A conversation that is kept stays the one that it is.
    """
    return replace(reply, reply_id=ids.as_unsaved(reply.reply_id), degraded=True, variants={})


def _turns(user_id: str, lines: Sequence[SentLine], now: float) -> Iterator[Turn]:
    """Each of Kindred's lines answers the person's line before it."""
    answered: str | None = None
    for seq, line in enumerate(lines, start=1):
        turn = Turn(ids.near(ids.TURN, user_id, now), seq, line.speaker, line.text, now)
        if line.speaker is Speaker.PERSON:
            answered = turn.turn_id
            yield turn
        else:
            yield replace(turn, answers=answered)
