"""Domain values to versioned plain JSON and back; the only place that knows the stored shapes."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar

from pydantic_core import PydanticSerializationError, to_json

from app.domain import (
    Candidate,
    Fact,
    Impression,
    Notice,
    NoticeKind,
    Reply,
    Slate,
    Source,
    Speaker,
    Taste,
    Turn,
)
from app.store.sealing.codec import Unreadable

_Value = TypeVar("_Value")
_More = ParamSpec("_More")
VERSION = 1
Record = dict[str, Any]


class UnknownRecord(Unreadable):
    """A record that this code does not read: of another version, or without what it looks for."""


def dump(record: Mapping[str, Any]) -> bytes:
    """UTF-8 JSON of one record, stamped with the version."""
    stamped = {"v": VERSION, **record}
    try:
        return to_json(stamped, inf_nan_mode="constants", fallback=_plain)
    except (PydanticSerializationError, UnicodeError):  # halves of surrogate pairs, which it lacks
        return _ENCODER.encode(stamped).encode("utf-8", "surrogatepass")


def load(data: bytes) -> Record:
    """The record back.

    Raises:
        UnknownRecord: of another version, or no record at all.
    """
    try:
        record = json.loads(data.decode("utf-8", "surrogatepass"))
    except ValueError:
        raise UnknownRecord("expected a record, not something else") from None
    if not isinstance(record, dict) or record.get("v") != VERSION:
        raise UnknownRecord(f"expected a record of version {VERSION}")
    return record


def reads(
    read: Callable[Concatenate[Record, _More], _Value],
) -> Callable[Concatenate[Record, _More], _Value]:
    """What a newer release wrote may lack fields or hold words that this one has no name for."""

    @functools.wraps(read)
    def reading(record: Record, /, *args: _More.args, **kwargs: _More.kwargs) -> _Value:
        try:
            return read(record, *args, **kwargs)
        except (KeyError, TypeError, ValueError) as error:
            raise UnknownRecord(f"{read.__name__}: {type(error).__name__}") from None

    return reading


def _plain(value: Any) -> Any:
    """Numbers of numpy and read-only mappings reach us from the models: make them JSON's."""
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be stored")


# For what pydantic's encoder refuses; that one takes a sixth of the time for a slate.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain)


def from_turn(turn: Turn) -> Record:
    """A turn without its `seq`, which the store gives."""
    return {
        "id": turn.turn_id,
        "speaker": turn.speaker.value,
        "text": turn.text,
        "at": turn.created_at,
        "answers": turn.answers,
        "reply": turn.reply_id,
        "source": turn.source.value if turn.source else None,
    }


@reads
def to_turn(record: Record, seq: int) -> Turn:
    """The turn back, with the `seq` that the store gave."""
    return Turn(
        turn_id=record["id"],
        seq=seq,
        speaker=Speaker(record["speaker"]),
        text=record["text"],
        created_at=record["at"],
        answers=record["answers"],
        reply_id=record["reply"],
        source=Source(record["source"]) if record["source"] else None,
    )


def from_fact(fact: Fact) -> Record:
    """A fact."""
    return {
        "id": fact.fact_id,
        "slot": fact.slot,
        "kind": fact.kind,
        "value": fact.value,
        "text": fact.text,
        "sentence": fact.sentence,
        "turn": fact.turn_id,
        "at": fact.created_at,
    }


@reads
def to_fact(record: Record) -> Fact:
    """The fact back."""
    return Fact(
        fact_id=record["id"],
        slot=record["slot"],
        kind=record["kind"],
        value=record["value"],
        text=record["text"],
        sentence=record["sentence"],
        turn_id=record["turn"],
        created_at=record["at"],
    )


def from_taste(taste: Taste) -> Record:
    """A taste; the vector in base64."""
    vector = base64.b64encode(taste.vector).decode("ascii")
    return {
        "reply": taste.reply_id,
        "weight": taste.weight,
        "vector": vector,
        "encoder": taste.encoder,
    }


@reads
def to_taste(record: Record) -> Taste:
    """The taste back; one kept before encoders were named has none."""
    return Taste(
        reply_id=record["reply"],
        weight=record["weight"],
        vector=base64.b64decode(record["vector"]),
        encoder=record.get("encoder", ""),
    )


def from_reply(reply: Reply) -> Record:
    """A reply."""
    return {
        "id": reply.reply_id,
        "conversation": reply.conversation_id,
        "text": reply.text,
        "source": reply.source.value,
        "degraded": reply.degraded,
        "variants": dict(reply.variants),
        "at": reply.created_at,
        "notices": [[notice.kind.value, notice.text] for notice in reply.notices],
    }


@reads
def to_reply(record: Record) -> Reply:
    """The reply back; one kept before there were notices has none."""
    return Reply(
        reply_id=record["id"],
        conversation_id=record["conversation"],
        text=record["text"],
        source=Source(record["source"]),
        degraded=record["degraded"],
        variants=record["variants"],
        created_at=record["at"],
        notices=tuple(Notice(NoticeKind(kind), text) for kind, text in record.get("notices", ())),
    )


def from_candidate(candidate: Candidate) -> Record:
    """A candidate with everything that is known of it."""
    return {
        "id": candidate.candidate_id,
        "text": candidate.text,
        "source": candidate.source.value,
        "origin": candidate.origin,
        "tags": candidate.tags,
        "retrieval": candidate.retrieval_score,
        "logprob": candidate.logprob,
        "heads": candidate.heads,
        "bias": candidate.bias,
        "score": candidate.score,
        "filters": candidate.filters,
        "propensity": candidate.propensity,
    }


def to_candidate(record: Record) -> Candidate:
    """The candidate back."""
    return Candidate(
        candidate_id=record["id"],
        text=record["text"],
        source=Source(record["source"]),
        origin=record["origin"],
        tags=tuple(record["tags"]),
        retrieval_score=record["retrieval"],
        logprob=record["logprob"],
        heads=record["heads"],
        bias=record["bias"],
        score=record["score"],
        filters=tuple(record["filters"]),
        propensity=record["propensity"],
    )


def from_slate(slate: Slate) -> Record:
    """A slate."""
    return {
        "candidates": [from_candidate(candidate) for candidate in slate.candidates],
        "chosen": slate.chosen,
        "seed": slate.seed,
        "explored": slate.explored,
        "exploration": slate.exploration,
        "variants": slate.variants,
        "versions": slate.versions,
        "timings_ms": slate.timings_ms,
        "late": slate.late,
        "n": slate.n,
        "shown": slate.shown,
    }


def to_slate(record: Record) -> Slate:
    """The slate back."""
    return Slate(
        candidates=tuple(to_candidate(item) for item in record["candidates"]),
        chosen=record["chosen"],
        seed=record["seed"],
        explored=record["explored"],
        exploration=record["exploration"],
        variants=record["variants"],
        versions=record["versions"],
        timings_ms=record["timings_ms"],
        late=tuple(record["late"]),
        n=record["n"],
        shown=tuple(record["shown"]),
    )


def from_impression(impression: Impression) -> Record:
    """What never changes of an impression; reaction, comment and alternative are kept beside it."""
    return {
        "reply": from_reply(impression.reply),
        "user": impression.user_id,
        "turn": impression.turn_id,
        "context": impression.context,
        "slate": from_slate(impression.slate),
        "facts": impression.facts,
        "alternative_of": impression.alternative_of,
    }


@reads
def to_impression(record: Record) -> Impression:
    """The impression back, without reaction, comment and alternative."""
    return Impression(
        reply=to_reply(record["reply"]),
        user_id=record["user"],
        turn_id=record["turn"],
        context=tuple(record["context"]),
        slate=to_slate(record["slate"]),
        facts=tuple(record["facts"]),
        alternative_of=record["alternative_of"],
    )
