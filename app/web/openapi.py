"""The OpenAPI 3.1 document, built from the declarations that the routes themselves are run by."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flask import Blueprint, Flask, Response, current_app
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.errors import (
    BodyTimeout,
    BodyTooLarge,
    Forbidden,
    IdempotencyMismatch,
    InFlight,
    InputError,
    KindredError,
    LengthRequired,
    MalformedBody,
    QuotaExceeded,
    StoreUnavailable,
    Unauthenticated,
    WrongMediaType,
)
from app.web.access.browser import COOKIE, CSRF_HEADER
from app.web.auth import Auth
from app.web.idempotency import pattern
from app.web.operation import Answer, Call, Operation
from app.web.problems import MEDIA_TYPE
from app.web.routes import Edge, Routes, declared
from app.web.schemas.admin import JudgementIn
from app.web.schemas.machines import Problem

VERSION = "1.0.0"
_METHODS = ("GET", "PUT", "POST", "DELETE")
# What the server answers before any route is asked (`app.worker`).
_UNREAD = {
    400: "This is not valid HTTP",
    414: "The address is too long",
    417: "An Expect that nobody fulfils",
    431: "The headers are too long",
    501: "A transfer coding that nobody knows",
}
_REF = "#/components/schemas/{model}"
_BODY_PROBLEMS = (
    MalformedBody,
    BodyTimeout,
    LengthRequired,
    BodyTooLarge,
    WrongMediaType,
    InputError,
)
_SCHEMES: Mapping[Auth, tuple[str, ...]] = {
    Auth.PERSON: ("person",),
    Auth.CHAT: ("person",),
    Auth.ACT: ("person",),
    Auth.ADMIN: ("key", "session"),
    Auth.KEY: ("key",),
    Auth.SESSION: ("session",),
    Auth.NONE: (),
}
_SECURITY_SCHEMES = {
    "person": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of this service, or of the identity provider it trusts.",
    },
    "key": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "`prefix.secret`; `Authorization: Bearer` is read as well. Routes name the "
        "scopes of which one is enough.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": f"Of the admin pages; over https its name begins with `__Secure-`. What "
        f"changes something also needs the session's token in `{CSRF_HEADER}`.",
    },
}
# By requests, of a person or an address, or by wrong keys; messages say it themselves.
_LIMITED = (Auth.NONE, Auth.PERSON, Auth.ACT, Auth.ADMIN, Auth.KEY, Auth.SESSION)

DOCUMENT = Operation(
    summary="This document",
    tag="machines",
    auth=Auth.NONE,
    answers={200: Answer("OpenAPI 3.1", media_type="application/json")},
    stored=False,
)

Json = dict[str, Any]


def blueprint(edge: Edge) -> Blueprint:
    """The route of the document."""
    routes = Routes("openapi", edge)
    cache: list[str] = []

    def openapi(call: Call) -> Response:
        if not cache:
            cache.append(json.dumps(document(current_app), ensure_ascii=False))
        return Response(cache[0], content_type="application/json")

    routes.add("GET", "/openapi.json", openapi, DOCUMENT)
    return routes.blueprint


def document(app: Flask) -> Json:
    """The document of all routes of an app."""
    routes = list(_routes(app))
    paths: dict[str, Json] = {}
    for path, method, name, operation in routes:
        paths.setdefault(path, {})[method.lower()] = _operation(path, method, name, operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Kindred",
            "version": VERSION,
            "summary": "A companion to talk with: chat, reactions, and what stands behind a reply.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in sorted({item[3].tag for item in routes})],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": _schemas(item[3] for item in routes),
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


def _routes(app: Flask) -> Iterator[tuple[str, str, str, Operation]]:
    for rule in app.url_map.iter_rules():
        operation = declared(app.view_functions[rule.endpoint])
        if operation is None:
            continue
        path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
        for method in sorted(set(_METHODS) & (rule.methods or set())):
            yield path, method, rule.endpoint, operation


def _operation(path: str, method: str, name: str, operation: Operation) -> Json:
    described: Json = {
        "operationId": name.replace(".", "_"),
        "summary": operation.summary,
        "tags": [operation.tag],
        "security": _security(operation),
        "responses": _responses(path, method, operation),
    }
    if operation.description:
        described["description"] = operation.description
    parameters = [*_path_parameters(path), *_query_parameters(operation)]
    if method == "POST" and not operation.secret:
        stranger = operation.auth is Auth.NONE
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "The same key and request again: the same response, not run twice.",
                "schema": {"type": "string", "pattern": f"^{pattern(stranger)}$"},
            }
        )
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        content = {"application/json": {"schema": _ref(operation.body)}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    """The alternatives that each suffice; a scope is a role of OpenAPI 3.1."""
    schemes = _SCHEMES[operation.auth]
    if not operation.scopes:
        return [{scheme: []} for scheme in schemes]
    return [{scheme: [scope.value]} for scheme in schemes for scope in operation.scopes]


def _path_parameters(path: str) -> Iterator[Json]:
    for name in re.findall(r"{([^}]+)}", path):
        schema = {"type": "string", "minLength": 1}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(operation: Operation) -> Iterator[Json]:
    if operation.query is None:
        return
    schema = operation.query.model_json_schema(ref_template=_REF)
    required = schema.get("required", [])
    for name, field in schema["properties"].items():
        described = {k: v for k, v in field.items() if k != "title"}
        parameter: Json = {"name": name, "in": "query", "required": name in required}
        if "description" in described:
            parameter["description"] = described.pop("description")
        yield {**parameter, "schema": _present(described)}


def _present(schema: Json) -> Json:
    """Without null: a parameter that is not there is left out, never null."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    rest = {k: v for k, v in schema.items() if k not in ("anyOf", "default")}
    if len(kinds) == 1:
        return {**rest, **kinds[0]}
    return schema


def _responses(path: str, method: str, operation: Operation) -> Json:
    found: dict[int, Json] = {
        status: _success(answer, status) for status, answer in operation.answers.items()
    }
    told = {status: [title] for status, title in _UNREAD.items()}
    for kind in _problems(path, method, operation):
        told.setdefault(kind.status, []).append(kind.title)
    for status, titles in told.items():
        found[status] = {
            "description": "; ".join(dict.fromkeys(titles)),
            "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}},
        }
    return {str(status): found[status] for status in sorted(found)}


def _success(answer: Answer, status: int) -> Json:
    described: Json = {
        "description": answer.description,
        "headers": {"X-Request-Id": {"schema": {"type": "string"}}},
    }
    if answer.model is not None:
        described["content"] = {answer.media_type: {"schema": _ref(answer.model)}}
    elif status not in (204, 304):
        described["content"] = {answer.media_type: {"schema": {}}}
    for media_type in answer.also:
        described["content"][media_type] = {"schema": {"type": "string"}}
    return described


def _problems(path: str, method: str, operation: Operation) -> Iterator[type[KindredError]]:
    yield from operation.problems
    yield KindredError
    if operation.auth is not Auth.NONE:
        yield Unauthenticated
    if operation.auth in _LIMITED and operation.counted:
        yield QuotaExceeded
    if operation.auth in (Auth.ADMIN, Auth.SESSION):
        yield Forbidden
    if operation.stored:
        yield StoreUnavailable
    if method in ("POST", "PUT"):
        yield from _BODY_PROBLEMS
    if method == "POST" and operation.stored and not operation.secret:
        yield from (InFlight, IdempotencyMismatch)
    if operation.query is not None:
        yield InputError


def _schemas(operations: Iterable[Operation]) -> Json:
    models: dict[tuple[type[BaseModel], str], None] = {
        (Problem, "serialization"): None,
        (JudgementIn, "validation"): None,
    }
    for operation in operations:
        if operation.body is not None:
            models[operation.body, "validation"] = None
        if operation.query is not None:
            models[operation.query, "validation"] = None
        for answer in operation.answers.values():
            if answer.model is not None:
                mode = "validation" if answer.model is operation.body else "serialization"
                models[answer.model, mode] = None
    _, schema = models_json_schema(list(models), ref_template=_REF)  # type: ignore[arg-type]
    return dict(sorted(schema["$defs"].items()))


def _ref(model: type[BaseModel]) -> Json:
    return {"$ref": _REF.format(model=model.__name__)}
