"""What a moderator may do about a person's access."""

from __future__ import annotations

from flask import Blueprint

from app.errors import NotFound
from app.store.access.api_keys import Scope
from app.telemetry import get_logger
from app.web.auth import Auth
from app.web.operation import Answer, Call, Operation, Result
from app.web.routes import Edge, Routes

REVOKE = Operation(
    summary="End every token of a person",
    description="Where a token was stolen. A guest has no other way in: for them it is the end of "
    "the account. Whom an identity provider vouches for comes back with a newer token of it.",
    tag="admin",
    auth=Auth.ADMIN,
    scopes=(Scope.MODERATE,),
    answers={204: Answer("None of their tokens holds any more")},
    problems=(NotFound,),
)


def blueprint(edge: Edge) -> Blueprint:
    """The routes about people."""
    routes = Routes("admin_people", edge)
    views = _People(edge)
    routes.add("POST", "/admin/v1/people/<user_id>/revoke", views.revoke, REVOKE)
    return routes.blueprint


class _People:
    def __init__(self, edge: Edge) -> None:
        self._people = edge.services.store.people
        self._log = get_logger("web")

    def revoke(self, call: Call, user_id: str) -> Result:
        """Raise the generation."""
        self._people.revoke(user_id)
        self._log.info("tokens_revoked", by=call.holder.key)
        return Result(None, 204)
