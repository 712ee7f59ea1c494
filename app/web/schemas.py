"""What goes in and out over HTTP for a person: chat, conversations, reactions, the account."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from app.domain import Conversation, Fact, Feeling, NoticeKind, ReactionKind, Reply, Source, Speaker
from app.store import ids
from app.store.contexts import TurnView

REPLY_ID = "r1a01jcm2k8e4t5v6w7x8y9z0a1b2c"
CONVERSATION_ID = "c1a01jcm2k8e4t5v6w7x8y9z0a1b2d"
_TURN_ID = "t1a01jcm2k8e4t5v6w7x8y9z0a1b2e"
_WHEN = "2026-03-01T18:04:05.123Z"
_SAID = "My sister and I hiked all day."
_ANSWER = "That sounds lovely. Which trail did you two take?"

Timestamp = Annotated[
    str, Field(description="RFC 3339, UTC", json_schema_extra={"format": "date-time"})
]
Id = Annotated[str, Field(min_length=1, max_length=64)]


def timestamp(seconds: float) -> str:
    """Unix seconds as RFC 3339 in UTC, to the millisecond."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def example(**values: Any) -> ConfigDict:
    """The configuration of a request: unknown fields are refused, one example is shown."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [values]})


def shown(**values: Any) -> ConfigDict:
    """The configuration of a response, with one example."""
    return ConfigDict(json_schema_extra={"examples": [values]})


class Token(BaseModel):
    """A person's token."""

    model_config = shown(
        token="eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1MWEwMSJ9.c2lnbmF0dXJl",  # nosec B106: of the docs
        user_id="u1a01jcm2k8e4t5v6w7x8y9z0a1b2f",
        expires_at=_WHEN,
    )
    token: str
    user_id: str
    expires_at: Timestamp


class LineIn(BaseModel):
    """A line of the conversation as the client shows it."""

    model_config = ConfigDict(extra="forbid")
    speaker: Speaker
    text: Annotated[str, Field(max_length=2_000)]


class ChatIn(BaseModel):
    """One message of the person."""

    model_config = example(message=_SAID, message_id="5f0c9a52-7d0e-4b43-9a43-0f6c1c1b7a11")
    message: Annotated[
        str, Field(min_length=1, max_length=20_000, json_schema_extra={"pattern": r"\S"})
    ]
    conversation_id: Id | None = Field(None, description="Leave out to begin a conversation.")
    message_id: str | None = Field(
        None,
        pattern=r"^[!-~]{1,128}$",
        description="Made by the client; the same one again gets the same reply.",
    )
    context: list[LineIn] | None = Field(
        None,
        max_length=40,
        description="The lines before this message, the oldest first. Read only while Kindred "
        "cannot reach its own memory (the reply then says `saved: false`); never kept.",
    )
    locale: str | None = Field(
        None,
        max_length=64,
        description="BCP 47, such as `en-GB`: its country decides which help is named in a crisis. "
        "Without it `Accept-Language` counts; what is not understood is ignored.",
    )


class NoticeOut(BaseModel):
    """A quiet line to show beside a reply."""

    kind: NoticeKind
    text: str


class ReplyOut(BaseModel):
    """What Kindred answered: one impression, to which reactions point."""

    model_config = shown(
        reply_id=REPLY_ID,
        conversation_id=CONVERSATION_ID,
        text=_ANSWER,
        source="retrieval",
        degraded=False,
        saved=True,
        variants={"generator": "on"},
        created_at=_WHEN,
        notices=[{"kind": "ai_disclosure", "text": "Kindred is an AI, not a person."}],
    )
    reply_id: str
    conversation_id: str
    text: str
    source: Source
    degraded: bool = Field(description="A part of the pipeline was late or away.")
    saved: bool = Field(
        description="False: given while nothing could be kept. It is in no conversation, and a "
        "reaction to it answers 409."
    )
    variants: dict[str, str] = Field(description="Flag to variant, as they were for this reply.")
    created_at: Timestamp
    notices: list[NoticeOut] = Field(
        description="To be shown beside the reply: what Kindred is, a break, where help is."
    )

    @classmethod
    def of(cls, reply: Reply) -> Self:
        """From the domain's value."""
        return cls(
            reply_id=reply.reply_id,
            conversation_id=reply.conversation_id,
            text=reply.text,
            source=reply.source,
            degraded=reply.degraded,
            saved=not ids.is_unsaved(reply.reply_id),
            variants=dict(reply.variants),
            created_at=timestamp(reply.created_at),
            notices=[NoticeOut(kind=n.kind, text=n.text) for n in reply.notices],
        )


class PageQuery(BaseModel):
    """Which page of a listing."""

    model_config = ConfigDict(extra="forbid")
    cursor: str | None = Field(None, max_length=512, description="`next_cursor` of a page before.")
    limit: int = Field(50, ge=1, le=100)


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
                "created_at": _WHEN,
                "updated_at": _WHEN,
                "turn_count": 2,
                "last_text": _ANSWER,
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
        created_at=_WHEN,
        updated_at=_WHEN,
        turn_count=2,
        last_text=_ANSWER,
        feeling=None,
        crisis=False,
        turns=[
            {
                "turn_id": _TURN_ID,
                "seq": 1,
                "speaker": "person",
                "text": _SAID,
                "created_at": _WHEN,
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


class MemoryOut(BaseModel):
    """One thing that Kindred believes of the person, and the sentence it came from."""

    model_config = shown(
        memory_id="f1a01jcm2k8e4t5v6w7x8y9z0a1b2g",
        kind="likes",
        value="hiking",
        text="I like hiking.",
        sentence="I really like hiking in spring.",
        created_at=_WHEN,
    )
    memory_id: str
    kind: str
    value: str
    text: str
    sentence: str
    created_at: Timestamp

    @classmethod
    def of(cls, fact: Fact) -> Self:
        """From the domain's value."""
        return cls(
            memory_id=fact.fact_id,
            kind=fact.kind,
            value=fact.value,
            text=fact.text,
            sentence=fact.sentence,
            created_at=timestamp(fact.created_at),
        )


class MemoriesOut(BaseModel):
    """Everything that Kindred believes of the person, the oldest first."""

    items: list[MemoryOut]
