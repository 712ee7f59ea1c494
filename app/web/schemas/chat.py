"""A message and its reply."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from app.domain import NoticeKind, Reply, Source, Speaker
from app.store import ids
from app.web.schemas.common import (
    ANSWER,
    CONVERSATION_ID,
    REPLY_ID,
    SAID,
    WHEN,
    Id,
    Projection,
    Timestamp,
    example,
    shown,
)

SENT_CHARS_MAX = 20_000


class LineIn(BaseModel):
    """A line of the conversation as the client shows it."""

    model_config = ConfigDict(extra="forbid")
    speaker: Speaker
    text: Annotated[str, Field(max_length=2_000)]


class ChatIn(BaseModel):
    """One message of the person."""

    model_config = example(message=SAID, message_id="5f0c9a52-7d0e-4b43-9a43-0f6c1c1b7a11")
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
        f"cannot reach its own memory (the reply then says `saved: false`), the last "
        f"{SENT_CHARS_MAX:,} characters of them; never kept.",
    )
    locale: str | None = Field(
        None,
        max_length=64,
        description="BCP 47, such as `en-GB`: its country decides which help is named in a crisis. "
        "Without it `Accept-Language` counts; what is not understood is ignored.",
    )


class NoticeOut(Projection):
    """A quiet line to show beside a reply."""

    kind: NoticeKind
    text: str


class ReplyOut(Projection):
    """What Kindred answered: one impression, to which reactions point."""

    model_config = shown(
        reply_id=REPLY_ID,
        conversation_id=CONVERSATION_ID,
        text=ANSWER,
        source="retrieval",
        degraded=False,
        saved=True,
        variants={"generator": "on"},
        created_at=WHEN,
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
        return cls.like(
            reply,
            saved=not ids.is_unsaved(reply.reply_id),
            notices=[NoticeOut.like(notice) for notice in reply.notices],
        )
