"""The person's own conversations, and their turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel, Field

from app.domain import Conversation, Feeling, ReactionKind, Source, Speaker
from app.store.contexts import TurnView
from app.web.schemas.common import (
    ANSWER,
    CONVERSATION_ID,
    SAID,
    TURN_ID,
    WHEN,
    Timestamp,
    shown,
    timestamp,
)


class ConversationItem(BaseModel):
    """One conversation of the list."""

    conversation_id: str
    created_at: Timestamp
    updated_at: Timestamp
    turn_count: int
    last_text: str
    feeling: Feeling | None
    crisis: bool = Field(description="The conversation touched a crisis: be gentle, ask nothing.")

    @classmethod
    def of(cls, conversation: Conversation) -> Self:
        """From the domain's value."""
        return cls(
            conversation_id=conversation.conversation_id,
            created_at=timestamp(conversation.created_at),
            updated_at=timestamp(conversation.updated_at),
            turn_count=conversation.turns,
            last_text=conversation.last_text,
            feeling=conversation.feeling,
            crisis=conversation.crisis,
        )


class ConversationsOut(BaseModel):
    """The person's conversations, the last used first."""

    model_config = shown(
        items=[
            {
                "conversation_id": CONVERSATION_ID,
                "created_at": WHEN,
                "updated_at": WHEN,
                "turn_count": 2,
                "last_text": ANSWER,
                "feeling": None,
                "crisis": False,
            }
        ],
        next_cursor=None,
    )
    items: list[ConversationItem]
    next_cursor: str | None


class TurnOut(BaseModel):
    """One line of a conversation, with the person's reaction to it."""

    turn_id: str
    seq: int
    speaker: Speaker
    text: str
    created_at: Timestamp
    answers: str | None = Field(description="The `turn_id` that this reply answers.")
    reply_id: str | None
    source: Source | None
    reaction: ReactionKind | None
    comment: str | None

    @classmethod
    def of(cls, view: TurnView) -> Self:
        """From the store's value."""
        turn = view.turn
        return cls(
            turn_id=turn.turn_id,
            seq=turn.seq,
            speaker=turn.speaker,
            text=turn.text,
            created_at=timestamp(turn.created_at),
            answers=turn.answers,
            reply_id=turn.reply_id,
            source=turn.source,
            reaction=view.reaction,
            comment=view.comment,
        )


class ConversationOut(ConversationItem):
    """One conversation and a page of its turns: the last ones first, in order within a page."""

    model_config = shown(
        conversation_id=CONVERSATION_ID,
        created_at=WHEN,
        updated_at=WHEN,
        turn_count=2,
        last_text=ANSWER,
        feeling=None,
        crisis=False,
        turns=[
            {
                "turn_id": TURN_ID,
                "seq": 1,
                "speaker": "person",
                "text": SAID,
                "created_at": WHEN,
                "answers": None,
                "reply_id": None,
                "source": None,
                "reaction": None,
                "comment": None,
            }
        ],
        next_cursor=None,
    )
    turns: list[TurnOut]
    next_cursor: str | None

    @classmethod
    def with_turns(
        cls, conversation: Conversation, turns: Sequence[TurnView], next_cursor: str | None
    ) -> Self:
        """From the store's values."""
        head = ConversationItem.of(conversation).model_dump()
        return cls(**head, turns=[TurnOut.of(turn) for turn in turns], next_cursor=next_cursor)
