"""What goes in and out over HTTP of reactions to replies and feelings after conversations."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from app.domain import Feeling, ReactionKind
from app.web.schemas.common import CONVERSATION_ID, REPLY_ID, example, shown


class ReactionIn(BaseModel):
    """What the person says of a reply with one tap, and in words if they like."""

    model_config = example(reaction="love", comment="That made my day.")
    reaction: ReactionKind
    comment: str | None = Field(None, max_length=2_000)


class ReactionOut(BaseModel):
    """The reaction that now stands."""

    model_config = shown(reply_id=REPLY_ID, reaction="love", changed=True)
    reply_id: str
    reaction: ReactionKind
    changed: bool = Field(description="False where it stood already.")


class ReactionSpooled(BaseModel):
    """A reaction (null: taken back) that is safe on this machine's disk, and not in place yet."""

    model_config = shown(reply_id=REPLY_ID, reaction="love", spooled=True)
    reply_id: str
    reaction: ReactionKind | None
    spooled: Literal[True] = True


class FeedbackIn(BaseModel):
    """How the person feels after a conversation."""

    model_config = example(feeling="better")
    feeling: Feeling


class FeedbackOut(BaseModel):
    """The feeling that was noted."""

    model_config = shown(conversation_id=CONVERSATION_ID, feeling="better")
    conversation_id: str
    feeling: Feeling


class FeedbackSpooled(FeedbackOut):
    """A feeling that is safe on this machine's disk, and not in place yet."""

    model_config = shown(conversation_id=CONVERSATION_ID, feeling="better", spooled=True)
    spooled: Literal[True] = True
