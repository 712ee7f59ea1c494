"""What a route declares of itself: the one source of its checks and of its documentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from flask import Response
from pydantic import BaseModel

from app.errors import KindredError
from app.store.access.api_keys import Scope
from app.web.auth import Auth, Caller, Holder, Identity

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Answer:
    """One successful answer: its model (None: no body, or one that is not JSON) and media type."""

    description: str
    model: type[BaseModel] | None = None
    media_type: str = "application/json"
    also: tuple[str, ...] = ()  # other media types that the same route can answer with


@dataclass(frozen=True, slots=True)
class Operation:
    """A route: summary, who may call it, what it takes, what it answers, how it may fail.

    Failures that follow from the rest (401 where there is a caller to check, 400 and 422 where
    there is a body, …) are added by the documentation, and need not be named.
    """

    summary: str
    tag: str
    auth: Auth
    answers: Mapping[int, Answer]
    scopes: tuple[Scope, ...] = ()  # of an API key, one of them; `Auth.ADMIN` alone has them
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    problems: tuple[type[KindredError], ...] = ()
    keeps_keys: bool = False  # the view itself keeps Idempotency-Key (chat: the store does)
    secret: bool = False  # its answer is one, and is not kept for an Idempotency-Key
    stored: bool = True  # it needs the store, so it can answer 503
    counted: bool = True  # False: not in the quota of visits (a route whose caller is `Auth.NONE`)
    description: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a route, checked: who, and what was sent."""

    identity: Identity
    idempotency_key: str | None = None
    _body: BaseModel | None = None
    _query: BaseModel | None = None

    @property
    def person(self) -> Caller:
        """The person who calls; only on routes that ask for one."""
        if self.identity.person is None:
            raise TypeError("this route does not ask for a person")
        return self.identity.person

    @property
    def holder(self) -> Holder:
        """Who holds the key; only on routes that ask for a key or a session."""
        if self.identity.holder is None:
            raise TypeError("this route does not ask for a key")
        return self.identity.holder

    def body(self, model: type[M]) -> M:
        """The body, as the operation declares it."""
        return _as(model, self._body)

    def query(self, model: type[M]) -> M:
        """The parameters, as the operation declares them."""
        return _as(model, self._query)


def _as(model: type[M], value: BaseModel | None) -> M:
    if not isinstance(value, model):
        raise TypeError(f"the operation does not declare {model.__name__}")
    return value


@dataclass(frozen=True, slots=True)
class Result:
    """What a view gives back: a model as JSON, or nothing, with a status and headers."""

    model: BaseModel | None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    as_sent: bool = False  # leave out what was not set: someone else's JSON stays as it came

    def response(self) -> Response:
        """The HTTP response."""
        if self.model is None:
            response = Response(status=self.status)
            response.headers.pop("Content-Type", None)
        else:
            text = self.model.model_dump_json(exclude_unset=self.as_sent)
            response = Response(text, self.status, content_type="application/json")
        response.headers.update(self.headers)
        return response


Headers = dict[str, str]
