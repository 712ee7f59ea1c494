"""A person's reaction to a reply: set, replaced, taken back."""

from __future__ import annotations

from flask import Blueprint

from app.errors import NotFound
from app.web.auth import Auth
from app.web.operation import Answer, Call, Operation, Result
from app.web.routes import Edge, Routes
from app.web.schemas import ReactionIn, ReactionOut
from app.web.text import normalised

REACT = Operation(
    summary="React to a reply",
    description="Another reaction replaces the one before; both are kept as events.",
    tag="reactions",
    auth=Auth.PERSON,
    body=ReactionIn,
    answers={200: Answer("The reaction that now stands", ReactionOut)},
    problems=(NotFound,),
)
RETRACT = Operation(
    summary="Take a reaction back",
    tag="reactions",
    auth=Auth.PERSON,
    answers={204: Answer("There is none now")},
    problems=(NotFound,),
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
        event = self._companion.react(call.person.user_id, reply_id, sent.reaction, comment or None)
        return Result(
            ReactionOut(reply_id=reply_id, reaction=sent.reaction, changed=event is not None)
        )

    def retract(self, call: Call, reply_id: str) -> Result:
        """Take it back; where there was none, nothing happens."""
        self._companion.retract(call.person.user_id, reply_id)
        return Result(None, 204)
