"""A stream entry and its impression as one row of the dataset."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.domain import Candidate, Impression
from app.store import feelings
from app.store.export import StreamEvent, open_body
from app.store.sealing.codec import Cipher, Unreadable
from scripts.dataset import schema
from scripts.dataset.people import People

Row = dict[str, Any]
_REACTIONS = frozenset({"made", "replaced", "retracted", "judged"})
_SUPERSEDED = {"superseded": "reaction", "superseded-feeling": "feeling"}  # type → what was said
_SEED_MAX = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Dated:
    """A row, its kind (see schema) and the UTC day that it belongs to."""

    kind: str
    day: str
    row: Row


def kind_of(event: StreamEvent) -> str | None:
    """Which part of the dataset an entry belongs to; None for one of a newer release."""
    return kind_named(event.text("type"))


def kind_named(action: str) -> str | None:
    """Which part of the dataset entries of a type belong to; None for a newer release's."""
    if action in _REACTIONS:
        return schema.EVENTS
    if action in _SUPERSEDED:
        return schema.SUPERSEDED
    return {"impression": schema.IMPRESSIONS, "feeling": schema.FEELINGS}.get(action)


def row_of(event: StreamEvent, kind: str, people: People) -> Dated | None:
    """The row of an entry; None where the person was erased (their key is gone)."""
    user_id = event.text("user")
    cipher = people.key_of(user_id)
    if cipher is None:
        return None
    row = entry_columns(event, user_id, people)
    if kind == schema.FEELINGS:
        row |= {name: _felt(event, name, cipher) for name in ("feeling", "previous")}
    elif kind == schema.SUPERSEDED:
        row |= _superseded(event, cipher)
    else:
        row |= _shown(event, cipher)
    if kind == schema.EVENTS:
        row |= _reaction(event)
    return Dated(kind, day_of(event), row)


def entry_columns(event: StreamEvent, user_id: str, people: People) -> Row:
    """The columns that every kind has."""
    return {
        "event_id": event.position.event_id,
        "partition": event.position.partition,
        "time": event.position.milliseconds,
        "person": people.hash(user_id),
        "owner": people.seal(user_id),
        "conversation_id": event.text("conversation") or None,
    }


def day_of(event: StreamEvent) -> str:
    """The UTC day of an entry."""
    return f"{datetime.fromtimestamp(event.position.milliseconds / 1000, UTC):%Y-%m-%d}"


def _reaction(event: StreamEvent) -> Row:
    # Only the last event of a reply says what the comment beside the reply says.
    last = event.impression.get("event") == event.position.event_id.rsplit("-", 1)[0].encode()
    current = event.impression.get("reaction")
    return {
        "action": event.text("type"),
        "reaction": event.text("reaction") or None,
        "previous": event.text("previous") or None,
        "current": current.decode() if current else None,
        "comment": event.impression.get("comment") if last else None,
    }


def _superseded(event: StreamEvent, cipher: Cipher) -> Row:
    kind = event.text("type")
    said, standing = (
        _felt(event, name, cipher) if _SUPERSEDED[kind] == "feeling" else event.text(name) or None
        for name in (_SUPERSEDED[kind], "previous")
    )
    return {
        "type": kind,
        "reply_id": event.text("reply") or None,
        "said": said,
        "standing": standing,
    }


def _felt(event: StreamEvent, name: str, cipher: Cipher) -> str | None:
    """A feeling of the entry; None where it has none, or one that does not open."""
    try:
        return feelings.shown(cipher, event.text("conversation"), event.fields.get(name))
    except Unreadable:
        return None


def _shown(event: StreamEvent, cipher: Cipher) -> Row:
    reply_id = event.text("reply")
    body = event.impression.get("body")
    if body is None:
        return {"state": "gone", "reply_id": reply_id}
    try:
        impression = open_body(cipher, reply_id, body)
    except Unreadable:
        # A newer release, or the right key put back, may open it.
        return {"state": "unreadable", "reply_id": reply_id, "body": body}
    return {"state": "ok", "reply_id": reply_id, "body": body, **_columns(impression)}


def _columns(impression: Impression) -> Row:
    """All of an impression that is no text."""
    reply, slate = impression.reply, impression.slate
    return {
        "turn_id": impression.turn_id or None,
        "shown_at": round(reply.created_at * 1000),
        "source": reply.source.value,
        "degraded": reply.degraded,
        "variants": _words(reply.variants),
        "versions": _words(slate.versions),
        "candidates": [_candidate(candidate) for candidate in slate.candidates],
        "chosen": slate.chosen,
        "explored": slate.explored,
        "exploration": float(slate.exploration),
        "seed": slate.seed & _SEED_MAX,
        "n": slate.n,
        "late": list(slate.late),
        "shown": list(slate.shown),
        "alternative_of": impression.alternative_of,
        "timings_ms": _numbers(slate.timings_ms),
    }


def _candidate(candidate: Candidate) -> Row:
    return {
        "id": candidate.candidate_id,
        "source": candidate.source.value,
        "tags": list(candidate.tags),
        "retrieval": _number(candidate.retrieval_score),
        "logprob": _number(candidate.logprob),
        "heads": _numbers(candidate.heads),
        "bias": _number(candidate.bias),
        "score": _number(candidate.score),
        "filters": list(candidate.filters),
        "propensity": _number(candidate.propensity),
    }


def _number(value: Any) -> float | None:
    """A finite number, or None: a score that is not one is no score."""
    if value is None or not math.isfinite(float(value)):
        return None
    return float(value)


def _numbers(values: Any) -> list[tuple[str, float | None]]:
    return [(str(name), _number(value)) for name, value in sorted(values.items())]


def _words(values: Any) -> list[tuple[str, str]]:
    return [(str(name), str(value)) for name, value in sorted(values.items())]
