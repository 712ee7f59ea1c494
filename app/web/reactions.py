"""A person's reaction to a reply: set, replaced, taken back."""

from __future__ import annotations

from flask import Blueprint

from app.domain import ReactionKind
from app.errors import Conflict, NotFound
from app.store.spool.promises import Promise
from app.web.auth import Auth
from app.web.operation import Answer, Call, Operation, Result
from app.web.routes import Edge, Routes
from app.web.schemas.reactions import ReactionIn, ReactionOut, ReactionSpooled
from app.web.text import normalised

_SPOOLED = "It is safe on this machine's disk, and in place once the store is back"
REACT = Operation(
    summary="React to a reply",
    description="Another reaction replaces the one before; both are kept as events.",
    tag="reactions",
    auth=Auth.ACT,
    body=ReactionIn,
    answers={
        200: Answer("The reaction that now stands", ReactionOut),
        202: Answer(_SPOOLED, ReactionSpooled),
    },
    problems=(NotFound, Conflict),
)
RETRACT = Operation(
    summary="Take a reaction back",
    tag="reactions",
    auth=Auth.ACT,
    answers={204: Answer("There is none now"), 202: Answer(_SPOOLED, ReactionSpooled)},
    problems=(NotFound, Conflict),
)


def blueprint(edge: Edge) -> Blueprint:
    """The reaction routes."""
    routes = Routes("reactions", edge)
    views = _Reactions(edge)
    routes.add("PUT", "/v1/replies/<reply_id>/reaction", views.react, REACT)
    routes.add("DELETE", "/v1/replies/<reply_id>/reaction", views.retract, RETRACT)
    return routes.blueprint


class _Reactions:
    def __init__(self, edge: Edge) -> None:
        self._companion = edge.services.companion

    def react(self, call: Call, reply_id: str) -> Result:
        """Set or replace it."""
        sent = call.body(ReactionIn)
        comment = normalised(sent.comment) if sent.comment else None
        person = call.person
        outcome = self._companion.react(
            person.user_id, reply_id, sent.reaction, comment or None, person.generation
        )
        if isinstance(outcome, Promise):
            return _spooled(reply_id, sent.reaction)
        changed = outcome is not None
        return Result(ReactionOut(reply_id=reply_id, reaction=sent.reaction, changed=changed))

    def retract(self, call: Call, reply_id: str) -> Result:
        """Take it back; where there was none, nothing happens."""
        person = call.person
        outcome = self._companion.retract(person.user_id, reply_id, person.generation)
        if isinstance(outcome, Promise):
            return _spooled(reply_id, None)
        return Result(None, 204)


def _spooled(reply_id: str, reaction: ReactionKind | None) -> Result:
    return Result(ReactionSpooled(reply_id=reply_id, reaction=reaction), 202)
