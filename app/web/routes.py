"""Registering routes: each declares an operation, and passes the same checks in the same order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Request, Response, request
from pydantic import BaseModel, ValidationError

from app.errors import FieldError, InputError, NotFound
from app.web import body, idempotency
from app.web.access.authenticator import Authenticator
from app.web.access.browser import AdminSessions
from app.web.access.events import SecurityEvents
from app.web.access.own_tokens import Tokens
from app.web.auth import Auth, Identity, address
from app.web.cursors import Cursors
from app.web.limits import Quotas
from app.web.operation import Call, Operation, Result
from app.web.services import Services

View = Callable[..., Result | Response]
Guard = Callable[[Request], Mapping[str, str]]  # gives headers; raises QuotaExceeded

DECLARED = "__kindred_operation__"


@dataclass(frozen=True, slots=True)
class Edge:
    """What all blueprints share: the services, and the edge's own parts."""

    services: Services
    tokens: Tokens
    authenticator: Authenticator
    sessions: AdminSessions
    events: SecurityEvents
    cursors: Cursors
    quotas: Quotas


class Routes:
    """One blueprint in the making."""

    def __init__(self, name: str, edge: Edge) -> None:
        self.blueprint = Blueprint(name, __name__, template_folder="templates")
        self._edge = edge

    def add(
        self, method: str, rule: str, view: View, operation: Operation, guard: Guard | None = None
    ) -> None:
        """Serve `method rule` by the view; `guard` counts a quota before anything is stored.

        Raises:
            RuntimeError: an administrators' route names no scope, or another one does.
        """
        if (operation.auth is Auth.ADMIN) != bool(operation.scopes):
            raise RuntimeError(f"{method} {rule}: scopes belong to Auth.ADMIN, and it to them")

        def endpoint(**path: str) -> Response:
            headers = guard(request) if guard else {}
            response = _answer(self._edge, view, operation, path)
            response.headers.update(headers)
            return response

        setattr(endpoint, DECLARED, operation)
        name = f"{view.__name__.strip('_')}_{method.lower()}"
        self.blueprint.add_url_rule(rule, name, endpoint, methods=[method])


def declared(endpoint: Callable[..., Any]) -> Operation | None:
    """The operation that an endpoint declares; None for one that declares nothing."""
    operation = getattr(endpoint, DECLARED, None)
    return operation if isinstance(operation, Operation) else None


def _answer(edge: Edge, view: View, operation: Operation, path: Mapping[str, str]) -> Response:
    """Authenticate, read, check, then run the view (once for each idempotency key)."""
    identity = edge.authenticator.identify(request, operation.auth, operation.scopes)
    limits = _counted(edge, operation, identity)
    query = _query(operation.query) if operation.query else None
    posts = request.method == "POST" and not operation.secret
    try:
        raw = body.read(request, edge.services) if request.method in ("POST", "PUT") else b""
        sent = _body(operation, raw)
        key = idempotency.key_of(request, operation.auth is Auth.NONE) if posts else None
    except InputError:
        if operation.auth is Auth.CHAT:
            edge.quotas.message(identity.scope, address(request))
        raise
    call = Call(identity, key, sent, query)

    def run() -> Response:
        try:
            result = view(call, **path)
        except NotFound:
            if identity.person is not None:
                # Nothing there, or somebody else's: the answer is the same, the log is not silent.
                edge.events.note("not-theirs", identity.person.user_id)
            raise
        return result if isinstance(result, Response) else result.response()

    if operation.keeps_keys or key is None:
        response = run()
    else:
        print_ = idempotency.fingerprint(request.method, request.full_path, raw)
        response = idempotency.once(edge.services.store, identity.scope, key, print_, run)
    response.headers.update(limits)
    return response


def _counted(edge: Edge, operation: Operation, identity: Identity) -> Mapping[str, str]:
    """Count a request; messages have quotas of their own, which know those that none refuses.

    Programs and administrators are not counted: their wrong keys are.
    """
    quotas = edge.quotas
    if operation.auth is Auth.NONE and operation.counted:
        return quotas.visits.take(address(request))
    if operation.auth in (Auth.PERSON, Auth.ACT):
        headers = quotas.requests.take(identity.scope)
        quotas.visits.take(address(request))
        return headers
    return {}


def _body(operation: Operation, raw: bytes) -> BaseModel | None:
    if operation.body is not None:
        return body.parse(operation.body, raw, request)
    if raw and raw.strip() != b"{}":
        raise InputError("This request takes no body.")
    return None


def _query(model: type[BaseModel]) -> BaseModel:
    twice = [name for name, values in request.args.lists() if len(values) > 1]
    if twice:
        errors = [FieldError("is given twice", body.pointer([name])) for name in twice]
        raise InputError(f"{errors[0].pointer}: is given twice", errors)
    try:
        return model.model_validate(request.args.to_dict())
    except ValidationError as error:
        raise body.invalid(error) from None


__all__ = ["DECLARED", "Edge", "Routes", "declared"]
