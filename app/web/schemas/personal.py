"""What a person takes along (`GET /v1/me/export`), and what they are told when they leave."""

from __future__ import annotations

import base64
from typing import Self

from pydantic import BaseModel, Field

from app.domain import (
    Candidate,
    Conversation,
    Impression,
    LearnedModel,
    ReactionKind,
    Source,
    Taste,
)
from app.store.contexts import TurnView
from app.store.privacy.personal import Entry, Kept, Standing
from app.web.schemas.account import MemoryOut
from app.web.schemas.common import Projection, Timestamp, shown
from app.web.schemas.conversations import ConversationItem, TurnOut

EXPORT_FORMAT = "kindred-export/1"
_VERSION = "0123456789ab"


class LearnedModelOut(Projection):
    """A model that learned from the person's reactions; what it learned cannot be taken out."""

    kind: str
    version: str
    state: str = Field(description="candidate, serving or retired")
    certain: bool = Field(
        description="False: its data has reactions, and it does not say whose. True is wrong for "
        "one of a thousand who gave none."
    )

    @classmethod
    def of(cls, model: LearnedModel) -> Self:
        """From the domain's value."""
        return cls.like(model)


class ErasedOut(BaseModel):
    """What is left after an erasure."""

    model_config = shown(
        erased=True,
        models=[{"kind": "reranker", "version": _VERSION, "state": "serving", "certain": True}],
    )
    erased: bool = Field(description="The key of all your texts is destroyed, in every copy.")
    models: list[LearnedModelOut] = Field(
        description="Models that learned from your reactions before; a model that is trained from "
        "now on does not."
    )


class PersonOut(Projection):
    """What is kept of the person beside what was said."""

    user_id: str
    created_at: Timestamp
    last_seen_at: Timestamp | None
    kept_until: Timestamp | None = Field(description="Unless you come back before.")
    token_generation: int
    said_to_be_a_minor: bool
    stored_answers: int = Field(description="Kept for a day or so, for requests that are repeated.")

    @classmethod
    def of(cls, standing: Standing) -> Self:
        """From the store's value."""
        return cls.like(
            standing,
            token_generation=standing.generation,
            said_to_be_a_minor=standing.minor,
            stored_answers=standing.answers,
        )


class ExportedConversation(ConversationItem):
    """A conversation with all turns that are kept."""

    kept_until: Timestamp | None
    turns: list[TurnOut]

    @classmethod
    def whole(cls, kept: Kept[Conversation], turns: list[TurnView]) -> Self:
        """From the store's values."""
        return cls.like(
            kept.value,
            turn_count=kept.value.turns,
            kept_until=kept.kept_until,
            turns=[TurnOut.of(turn) for turn in turns],
        )


class ExportedCandidate(Projection):
    """A reply that was weighed; one of them was shown."""

    text: str
    source: Source
    score: float | None
    left_out_for: list[str]

    @classmethod
    def of(cls, candidate: Candidate) -> Self:
        """From the domain's value."""
        return cls.like(candidate, left_out_for=candidate.filters)


class ExportedReply(Projection):
    """A reply that was shown, and how it came about."""

    reply_id: str
    conversation_id: str
    answers: str = Field(description="The `turn_id` that it answers.")
    text: str
    source: Source
    created_at: Timestamp
    kept_until: Timestamp | None
    notices: list[str]
    reaction: ReactionKind | None
    comment: str | None
    facts: list[str] = Field(description="What was believed of you and used for it.")
    variants: dict[str, str] = Field(description="Experiments that it was part of.")
    models: dict[str, str] = Field(description="Versions of the models that answered.")
    explored: bool = Field(description="Another candidate than the best was tried.")
    candidates: list[ExportedCandidate]

    @classmethod
    def of(cls, kept: Kept[Impression]) -> Self:
        """From the store's value."""
        impression = kept.value
        reply, slate = impression.reply, impression.slate
        return cls.like(
            reply,
            answers=impression.turn_id,
            kept_until=kept.kept_until,
            notices=[notice.text for notice in reply.notices],
            reaction=impression.reaction,
            comment=impression.comment,
            facts=impression.facts,
            models=slate.versions,
            explored=slate.explored,
            candidates=[ExportedCandidate.of(candidate) for candidate in slate.candidates],
        )


class ExportedTaste(Projection):
    """What a reaction told of the person's taste: the reply as numbers, and how it was liked."""

    reply_id: str
    weight: float
    encoder: str
    vector: str = Field(description="Signed bytes in base64, one a dimension.")

    @classmethod
    def of(cls, taste: Taste) -> Self:
        """From the domain's value."""
        return cls.like(taste, vector=base64.b64encode(taste.vector).decode("ascii"))


class ExportedEvent(Projection):
    """A reaction, a reply shown or a feeling, as the stream that models learn from has it."""

    at: Timestamp
    fields: dict[str, str]

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """From the store's value."""
        return cls.like(entry)


class ExportOut(BaseModel):
    """Everything that is known of the person, as one document."""

    model_config = shown(
        format=EXPORT_FORMAT,
        made_at="2026-03-01T18:04:05.123Z",
        person={
            "user_id": "u1a01jcm2k8e4t5v6w7x8y9z0a1b2f",
            "created_at": "2026-02-28T18:04:05.123Z",
            "last_seen_at": "2026-03-01T18:04:05.123Z",
            "kept_until": "2026-05-30T18:04:05.123Z",
            "token_generation": 1,  # nosec B105: a count
            "said_to_be_a_minor": False,
            "stored_answers": 2,
        },
        retention_days={"conversations": 90.0},
        recent_lines=["Your pear tree sounds lovely."],
        memories=[],
        conversations=[],
        replies=[],
        tastes=[],
        events=[],
        models=[],
        complete=True,
    )
    format: str
    made_at: Timestamp
    person: PersonOut
    retention_days: dict[str, float] = Field(description="How long each kind of data is kept.")
    recent_lines: list[str] = Field(
        description="Kindred's last lines to you, the latest first, kept so that it repeats none."
    )
    memories: list[MemoryOut]
    conversations: list[ExportedConversation]
    replies: list[ExportedReply]
    tastes: list[ExportedTaste]
    events: list[ExportedEvent]
    models: list[LearnedModelOut] = Field(description="Models that learned from your reactions.")
    complete: bool = Field(
        description="The last field: a document without it was cut off on its way."
    )
