"""Why a reply was given, and the same choice made again."""

from __future__ import annotations

from flask import Blueprint

from app.errors import NotFound
from app.store.access.api_keys import Scope
from app.web.auth import Auth
from app.web.operation import Answer, Call, Operation, Result
from app.web.routes import Edge, Routes
from app.web.schemas.admin import ExplainOut, ReplayOut

EXPLAIN = Operation(
    summary="Everything behind a reply",
    description="The slate: every candidate with its scores and filters; variants, versions, seed "
    "and stage timings.",
    tag="admin",
    auth=Auth.ADMIN,
    scopes=(Scope.READ_REACTIONS,),
    answers={200: Answer("The slate", ExplainOut)},
    problems=(NotFound,),
)
REPLAY = Operation(
    summary="Make the choice of a reply again from its recorded slate",
    tag="admin",
    auth=Auth.ADMIN,
    scopes=(Scope.READ_REACTIONS,),
    answers={200: Answer("What was chosen now, and then", ReplayOut)},
    problems=(NotFound,),
    secret=True,  # somebody's words, which no key but theirs may seal: it changes nothing anyway
)


def blueprint(edge: Edge) -> Blueprint:
    """The routes that explain replies."""
    routes = Routes("admin_replies", edge)
    views = _Replies(edge)
    routes.add("GET", "/admin/v1/replies/<reply_id>/explain", views.explain, EXPLAIN)
    routes.add("POST", "/admin/v1/replies/<reply_id>/replay", views.replay, REPLAY)
    return routes.blueprint


class _Replies:
    def __init__(self, edge: Edge) -> None:
        self._services = edge.services

    def explain(self, call: Call, reply_id: str) -> Result:
        """The recorded impression."""
        return Result(ExplainOut.of(self._services.store.impressions.find(reply_id)))

    def replay(self, call: Call, reply_id: str) -> Result:
        """The policy once more, over what was recorded."""
        again = self._services.companion.replay(reply_id)
        return Result(
            ReplayOut(
                same=again.same, chosen=again.chosen, text=again.text, recorded=again.recorded
            )
        )
