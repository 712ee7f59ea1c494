"""What goes in and out over HTTP for administrators: the reaction log, explain, replay."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.domain import Candidate, Impression, ReactionEvent, ReactionKind, Slate, Source
from app.web.schemas.chat import ReplyOut
from app.web.schemas.common import PageQuery, Projection, Timestamp, example, shown

JUDGEMENTS_MAX = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _in_utc(value: datetime) -> datetime:
    value = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    if value < _EPOCH:
        raise ValueError("must not be before 1970")
    return value


When = Annotated[datetime, AfterValidator(_in_utc)]


class ReactionsQuery(PageQuery):
    """Which reactions, and which page of them."""

    since: When | None = Field(None, description="RFC 3339 or Unix seconds; included.")
    until: When | None = Field(None, description="RFC 3339 or Unix seconds; not included.")
    reaction: ReactionKind | None = None
    variant: str | None = Field(
        None, min_length=1, max_length=200, description="`flag` or `flag=variant`."
    )


class Score(Projection):
    """How the shown candidate was scored."""

    score: float | None = Field(description="The serving score, with the personal bias.")
    heads: dict[str, float] = Field(description="Calibrated probabilities by head.")
    bias: float
    propensity: float


class ReactionRow(Projection):
    """One event of the reaction log. What was shown is null where it is erased or expired."""

    event_id: str
    action: str = Field(description="made, replaced, retracted, or judged (elsewhere).")
    reply_id: str
    user_id: str
    reaction: ReactionKind | None
    previous: ReactionKind | None
    comment: str | None
    created_at: Timestamp
    conversation_id: str | None
    context: list[str] | None = Field(description="Oldest first, the answered message last.")
    response: str | None
    source: Source | None
    scores: Score | None
    variants: dict[str, str]
    versions: dict[str, str]

    @classmethod
    def of(cls, event: ReactionEvent) -> Self:
        """From the domain's value."""
        shown_ = event.impression
        chosen = shown_.slate.candidate(shown_.slate.chosen) if shown_ else None
        return cls.like(
            event,
            conversation_id=shown_.reply.conversation_id if shown_ else None,
            context=shown_.context if shown_ else None,
            response=shown_.reply.text if shown_ else None,
            source=shown_.reply.source if shown_ else None,
            scores=Score.like(chosen) if chosen else None,
            variants=shown_.reply.variants if shown_ else {},
            versions=shown_.slate.versions if shown_ else {},
        )


class ReactionsOut(BaseModel):
    """A page of the reaction log, newest first."""

    items: list[ReactionRow]
    next_cursor: str | None


class JudgementIn(BaseModel):
    """One response that was judged elsewhere."""

    model_config = ConfigDict(extra="forbid")
    id: str = Field(min_length=1, max_length=200, description="Unique within its source.")
    context: list[Annotated[str, Field(max_length=20_000)]] = Field(
        max_length=100, description="Oldest first, the answered message last."
    )
    response: str = Field(min_length=1, max_length=20_000)
    reaction: ReactionKind
    source: str = Field(min_length=1, max_length=100, description="Who or what judged.")
    created_at: str | None = Field(
        None, description="RFC 3339; now, if left out.", json_schema_extra={"format": "date-time"}
    )
    comment: str | None = Field(None, max_length=2_000)


class JudgementsIn(BaseModel):
    """Many of them. A bad one is told in its result, and does not hold up the others."""

    model_config = example(
        reactions=[
            {
                "id": "42",
                "context": ["I got the job!"],
                "response": "Congratulations! When do you start?",
                "reaction": "upvote",
                "source": "panel-7",
            }
        ]
    )
    reactions: list[Any] = Field(
        min_length=1,
        max_length=JUDGEMENTS_MAX,
        json_schema_extra={"items": {"$ref": "#/components/schemas/JudgementIn"}},
    )


class ItemError(BaseModel):
    """One bad field of an item."""

    detail: str
    pointer: str


class JudgementResult(BaseModel):
    """What became of one item."""

    index: int
    id: str | None
    status: Literal["stored", "duplicate", "invalid"]
    errors: list[ItemError] = []


class JudgementsOut(BaseModel):
    """A result for each item, in their order."""

    model_config = shown(results=[{"index": 0, "id": "42", "status": "stored", "errors": []}])
    results: list[JudgementResult]


class CandidateOut(Projection):
    """One candidate of a slate and all that was known of it."""

    candidate_id: str
    text: str
    source: Source
    origin: dict[str, Any]
    tags: list[str]
    retrieval_score: float | None
    logprob: float | None
    heads: dict[str, float]
    bias: float
    score: float | None
    filters: list[str] = Field(description="Why it might not be shown; empty where it might.")
    propensity: float
    chosen: bool

    @classmethod
    def of(cls, candidate: Candidate, slate: Slate) -> Self:
        """From the domain's value."""
        return cls.like(candidate, chosen=candidate.candidate_id == slate.chosen)


class ExplainOut(Projection):
    """Everything behind one reply."""

    reply: ReplyOut
    user_id: str
    turn_id: str
    context: list[str]
    facts: list[str]
    candidates: list[CandidateOut]
    chosen: str | None = Field(description="candidate_id; null where safety or the fallback spoke.")
    shown: list[str] = Field(description="Candidates shown before this one (alternatives).")
    seed: int
    n: int = Field(description="Generated candidates that were asked for.")
    explored: bool
    exploration: float
    variants: dict[str, str]
    versions: dict[str, str]
    timings_ms: dict[str, float]
    late: list[str]
    reaction: ReactionKind | None
    comment: str | None
    alternative_of: str | None
    alternative: str | None

    @classmethod
    def of(cls, impression: Impression) -> Self:
        """From the domain's value."""
        slate = impression.slate
        return cls.like(
            impression,
            slate,
            reply=ReplyOut.of(impression.reply),
            candidates=[CandidateOut.of(item, slate) for item in slate.candidates],
        )


class ReplayOut(BaseModel):
    """The choice made again from the recorded slate."""

    model_config = shown(same=True, chosen="g3", text="Tell me more.", recorded="g3")
    same: bool
    chosen: str | None
    text: str | None
    recorded: str | None
