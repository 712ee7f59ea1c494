"""A person's rights over what is kept of them: to take all of it along, and to have it erased."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from itertools import chain

from flask import Blueprint, Response
from pydantic import BaseModel

from app.domain import LearnedModel
from app.errors import QuotaExceeded
from app.settings import Settings
from app.web.auth import Auth
from app.web.operation import Answer, Call, Operation, Result
from app.web.routes import Edge, Routes
from app.web.schemas.account import MemoryOut
from app.web.schemas.common import timestamp
from app.web.schemas.personal import (
    EXPORT_FORMAT,
    ErasedOut,
    ExportedConversation,
    ExportedEvent,
    ExportedReply,
    ExportedTaste,
    ExportOut,
    LearnedModelOut,
    PersonOut,
)

# A document that takes longer is cut off: whoever reads one byte a second would hold its
# connection, and what was read for it, for ever.
_DOCUMENT_SECONDS = 600.0

EXPORT = Operation(
    summary="Everything that is known of you, as one document",
    description="Conversations, memories, tastes, reactions with comments, how each reply was "
    "chosen, and until when each is kept. It is sent as it is read: a document that does not end "
    "with `complete` was cut off, and can be asked for again.",
    tag="account",
    auth=Auth.PERSON,
    answers={200: Answer("The document", ExportOut)},
    problems=(QuotaExceeded,),
)
ERASE = Operation(
    summary="Erase yourself: conversations, memories, reactions, tokens",
    description="The key of your texts is destroyed, so that no backup and no exported data can "
    "be read either; what is left of you in files goes with their next rewriting. The answer "
    "names the models that learned from your reactions.",
    tag="account",
    auth=Auth.PERSON,
    answers={200: Answer("You are erased; your tokens no longer work", ErasedOut)},
)


def blueprint(edge: Edge) -> Blueprint:
    """The routes."""
    routes = Routes("personal", edge)
    views = _Rights(edge)
    routes.add("GET", "/v1/me/export", views.export, EXPORT)
    routes.add("DELETE", "/v1/me", views.erase, ERASE)
    return routes.blueprint


class _Rights:
    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._store = edge.services.store

    def export(self, call: Call) -> Response:
        """All of it, read and sent in pages: nobody's past is too long for it."""
        user_id = call.person.user_id
        limits = self._edge.quotas.exports.take(user_id)
        head = self._head(user_id)  # what fails here is still answered as an error
        response = Response(self._document(user_id, head), content_type="application/json")
        response.headers["Content-Disposition"] = 'attachment; filename="kindred-export.json"'
        response.headers.update(limits)
        return response

    def erase(self, call: Call) -> Result:
        """Delete the person, then say what cannot be deleted."""
        user_id = call.person.user_id
        name = self._store.personal.dataset_name(user_id)
        self._store.people.erase(user_id)
        models = [LearnedModelOut.of(model) for model in self._learned(name)]
        return Result(ErasedOut(erased=True, models=models))

    def _learned(self, name: str) -> list[LearnedModel]:
        return list(self._edge.services.learned(name))

    def _head(self, user_id: str) -> list[str]:
        personal = self._store.personal
        person = PersonOut.of(personal.standing(user_id))
        models = [LearnedModelOut.of(m) for m in self._learned(personal.dataset_name(user_id))]
        return [
            f'"format":{json.dumps(EXPORT_FORMAT)}',
            f'"made_at":{json.dumps(timestamp(time.time()))}',
            f'"person":{person.model_dump_json()}',
            f'"retention_days":{json.dumps(kept_days(self._edge.services.settings))}',
            f'"models":[{",".join(model.model_dump_json() for model in models)}]',
            f'"recent_lines":{json.dumps(personal.recent_lines(user_id))}',
        ]

    def _document(self, user_id: str, head: list[str]) -> Iterator[str]:
        personal = self._store.personal
        end = time.monotonic() + _DOCUMENT_SECONDS
        yield "{" + ",".join(head)
        memories = map(MemoryOut.of, self._store.profile.facts(user_id))
        whole = (
            ExportedConversation.whole(kept, personal.turns(user_id, kept.value.conversation_id))
            for kept in personal.conversations(user_id)
        )
        for piece in chain(
            _list("memories", memories),
            _list("conversations", whole),
            _list("replies", map(ExportedReply.of, personal.replies(user_id))),
            _list("tastes", map(ExportedTaste.of, personal.tastes(user_id))),
            _list("events", map(ExportedEvent.of, personal.events(user_id))),
        ):
            if time.monotonic() > end:
                return
            yield piece
        yield ',"complete":true}'


def kept_days(settings: Settings) -> dict[str, float]:
    """How long each kind of a person's data is kept, in days."""
    return {
        "conversations": settings.retention_days,
        "reactions": settings.kept_reaction_days,
        "exports": settings.kept_export_days,
        "stored_answers": settings.idempotency_hours / 24,
    }


def _list(name: str, items: Iterable[BaseModel]) -> Iterator[str]:
    yield f',"{name}":['
    comma = ""
    for item in items:
        yield comma + item.model_dump_json()
        comma = ","
    yield "]"
