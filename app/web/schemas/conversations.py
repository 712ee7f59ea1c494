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
    Projection,
    Timestamp,
    shown,
)

_ITEM = {
    "conversation_id": CONVERSATION_ID,
    "created_at": WHEN,
    "updated_at": WHEN,
    "turn_count": 2,
    "last_text": ANSWER,
    "feeling": None,
    "crisis": False,
}


class ConversationItem(Projection):
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
        return cls.like(conversation, turn_count=conversation.turns)


class ConversationsOut(BaseModel):
    """The person's conversations, the last used first."""

    model_config = shown(items=[_ITEM], next_cursor=None)
    items: list[ConversationItem]
    next_cursor: str | None


class TurnOut(Projection):
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
        return cls.like(view.turn, reaction=view.reaction, comment=view.comment)


class ConversationOut(ConversationItem):
    """One conversation and a page of its turns: the last ones first, in order within a page."""

    model_config = shown(
        **_ITEM,
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
        return cls.like(
            conversation,
            turn_count=conversation.turns,
            turns=[TurnOut.of(turn) for turn in turns],
            next_cursor=next_cursor,
        )
