"""The values that cross Kindred's rooms: plain, frozen, without behaviour that needs a library.

A person's message becomes a `Turn` in a `UserContext`; the pipeline gathers `Candidate`s into a
`Slate`, chooses one and shows it as a `Reply` (an impression); a `Reaction` points to the reply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class Speaker(StrEnum):
    """Who wrote a turn."""

    PERSON = "person"
    KINDRED = "kindred"


class Source(StrEnum):
    """Where the text of a reply came from."""

    RETRIEVAL = "retrieval"
    GENERATOR = "generator"
    REMOTE = "remote"
    SAFETY = "safety"
    FALLBACK = "fallback"


class ReactionKind(StrEnum):
    """What a person may say of a reply with one tap."""

    LOVE = "love"
    FUNNY = "funny"
    UPVOTE = "upvote"
    MEANINGLESS = "meaningless"
    OFFENSIVE = "offensive"
    DOWNVOTE = "downvote"

    @property
    def weight(self) -> float:
        """How much the reply is liked, from -1 (offensive) to 1 (love)."""
        return _REACTION_WEIGHTS[self]


SAFETY_HEADS = (ReactionKind.OFFENSIVE.value,)
"""Heads of a reranker that keep a reply back; a model without one would let everything through."""

_REACTION_WEIGHTS: Mapping[ReactionKind, float] = {
    ReactionKind.LOVE: 1.0,
    ReactionKind.FUNNY: 0.8,
    ReactionKind.UPVOTE: 0.7,
    ReactionKind.MEANINGLESS: -0.5,
    ReactionKind.DOWNVOTE: -0.7,
    ReactionKind.OFFENSIVE: -1.0,
}


class NoticeKind(StrEnum):
    """What stands beside a reply without being one."""

    AI_DISCLOSURE = "ai_disclosure"
    BREAK = "break"
    SUPPORT = "support"  # where to find help, some turns after a crisis


class Feeling(StrEnum):
    """How a person feels after a conversation, against before it."""

    BETTER = "better"
    SAME = "same"
    WORSE = "worse"


@dataclass(frozen=True, slots=True)
class Turn:
    """One line of a conversation.

    `seq` orders the turns of a conversation (1, 2, …; one order for all devices); a turn of
    Kindred `answers` the `turn_id` of the person's turn and carries the `reply_id` shown.
    """

    turn_id: str
    seq: int
    speaker: Speaker
    text: str
    created_at: float  # Unix seconds
    answers: str | None = None
    reply_id: str | None = None
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that Kindred believes of a person, and the sentence it came from.

    `kind` is a short word (name, likes, dislikes, person, pet, place, work, age, …), `value` what
    is believed ("hiking"), `text` a first-person sentence for prompts ("I like hiking."). `slot`
    names what a newer fact replaces ("name", "taste:hiking"): one slot holds at most one fact.
    """

    fact_id: str
    slot: str
    kind: str
    value: str
    text: str
    sentence: str
    turn_id: str
    created_at: float


@dataclass(frozen=True, slots=True)
class FactChange:
    """What one message changes in a person's facts: new ones by slot, and slots to forget."""

    learned: tuple[Fact, ...] = ()
    forgotten: tuple[str, ...] = ()  # slots

    def __bool__(self) -> bool:
        return bool(self.learned or self.forgotten)


@dataclass(frozen=True, slots=True)
class Taste:
    """One reacted reply of the person: its weight in -1…1 and its embedding, a signed byte a
    dimension, of the encoder of that version."""

    reply_id: str
    weight: float
    vector: bytes
    encoder: str = ""


@dataclass(frozen=True, slots=True)
class UserContext:
    """Everything that answering one message needs of the person, as `store.begin` returned it.

    `turns` are the last ones of this conversation in order, the message to answer the last;
    `recent_replies` are Kindred's own last lines to this person, newest first, wherever said.
    """

    user_id: str
    conversation_id: str
    message: Turn
    turns: tuple[Turn, ...]
    facts: tuple[Fact, ...] = ()
    tastes: tuple[Taste, ...] = ()
    recent_replies: tuple[str, ...] = ()
    crisis: bool = False  # this conversation is marked: no jokes, no exploration, no experiments
    minor: bool = False  # the person said that they are under 18, now or ever before
    talking_since: float | None = None  # Unix seconds: of the talk without a pause, or its reminder
    disclosed_at: float | None = None  # when this conversation last said that Kindred is an AI
    marks: bytes = b""  # as the store found `crisis`, for `finish` to go by
    attempt: str = ""  # which try at this message it is, so that giving up ends no later one


@dataclass(frozen=True, slots=True)
class Candidate:
    """One possible reply and all that is known of it.

    `heads` are calibrated probabilities by head of the reranker; `score` is the serving score with
    the `bias` of relevance and taste added, None where the reranker did not answer in time.
    `filters` are the reasons it may not be shown; `propensity` is the logged probability of being
    chosen.
    """

    candidate_id: str
    text: str
    source: Source
    origin: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    retrieval_score: float | None = None
    logprob: float | None = None
    heads: Mapping[str, float] = field(default_factory=dict)
    bias: float = 0.0
    score: float | None = None
    filters: tuple[str, ...] = ()
    propensity: float = 0.0

    def with_(self, **changes: Any) -> Candidate:
        """A copy with some fields changed."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Slate:
    """All candidates of one reply and how one of them was chosen; tomorrow's training data."""

    candidates: tuple[Candidate, ...]
    chosen: str | None  # candidate_id; None where safety or the fallback spoke
    seed: int
    explored: bool = False
    exploration: float = 0.0  # epsilon in force
    variants: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    late: tuple[str, ...] = ()  # stages that missed their deadline
    n: int = 0  # generated candidates asked for
    shown: tuple[str, ...] = ()  # candidate_ids shown before this one (alternatives)

    def candidate(self, candidate_id: str | None) -> Candidate | None:
        """The candidate of that id, or None."""
        return next((c for c in self.candidates if c.candidate_id == candidate_id), None)


@dataclass(frozen=True, slots=True)
class Notice:
    """A quiet line beside a reply."""

    kind: NoticeKind
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the person is shown: one impression, and the notices beside it."""

    reply_id: str
    conversation_id: str
    text: str
    source: Source
    degraded: bool
    variants: Mapping[str, str]
    created_at: float  # Unix seconds
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class Impression:
    """A reply with everything behind it, as kept for reactions, explain and training."""

    reply: Reply
    user_id: str
    turn_id: str  # the person's turn it answers
    context: tuple[str, ...]  # texts, oldest first, the person's message last
    slate: Slate
    facts: tuple[str, ...] = ()
    alternative_of: str | None = None
    alternative: str | None = None  # the reply_id of the alternative that was asked for
    reaction: ReactionKind | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class ReactionEvent:
    """One event of the reaction stream: made, replaced or retracted."""

    event_id: str
    action: str  # "made" | "replaced" | "retracted" | "judged" (elsewhere)
    reply_id: str
    user_id: str
    reaction: ReactionKind | None
    previous: ReactionKind | None
    comment: str | None
    created_at: float
    impression: Impression | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation in a person's list."""

    conversation_id: str
    created_at: float
    updated_at: float
    turns: int
    last_text: str = ""
    feeling: Feeling | None = None
    crisis: bool = False


@dataclass(frozen=True, slots=True)
class LearnedModel:
    """A registered model that learned from a person's reactions; not `certain`: it may have.

    `state`: candidate, serving or retired; unknown where the history cannot be read.
    """

    kind: str
    version: str
    state: str
    certain: bool


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a listing and the cursor of the next one (None at the end)."""

    items: Sequence[Any]
    next_cursor: str | None
