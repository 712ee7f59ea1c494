"""A/B flags for administrators: definitions in flagd's schema, seen by every worker within 1 s."""

from __future__ import annotations

from flask import Blueprint

from app.errors import Conflict, FieldError, InputError, NotFound
from app.experiments.schema import BYTES_MAX, NAME_MAX, is_key, validate
from app.store.access.api_keys import Scope
from app.store.flags import FLAGS_MAX
from app.telemetry import get_logger
from app.web.auth import Auth
from app.web.operation import Answer, Call, Operation, Result
from app.web.routes import Edge, Routes
from app.web.schemas.flags import FlagDefinition, FlagsOut, ToggleIn

LIST = Operation(
    summary="All flags",
    tag="flags",
    auth=Auth.ADMIN,
    scopes=(Scope.EVALUATE_FLAGS, Scope.WRITE_FLAGS),
    answers={200: Answer("The flags and their version", FlagsOut)},
)
READ = Operation(
    summary="One flag",
    tag="flags",
    auth=Auth.ADMIN,
    scopes=(Scope.EVALUATE_FLAGS, Scope.WRITE_FLAGS),
    answers={200: Answer("Its definition", FlagDefinition)},
    problems=(NotFound,),
)
PUT = Operation(
    summary="Make or replace a flag",
    description=(
        f"A key has at most {NAME_MAX} letters, digits, dots, dashes and underscores, a definition "
        f"at most {BYTES_MAX:,} bytes as JSON (422). There are at most {FLAGS_MAX} flags: another "
        "new one is 409, replacing one never is."
    ),
    tag="flags",
    auth=Auth.ADMIN,
    scopes=(Scope.WRITE_FLAGS,),
    body=FlagDefinition,
    answers={
        200: Answer("The definition that now stands", FlagDefinition),
        201: Answer("The flag is new", FlagDefinition),
    },
    problems=(Conflict,),
)
DELETE = Operation(
    summary="Delete a flag",
    description="What it switched goes back to the code's own default.",
    tag="flags",
    auth=Auth.ADMIN,
    scopes=(Scope.WRITE_FLAGS,),
    answers={204: Answer("It is gone")},
    problems=(NotFound, Conflict),
)
TOGGLE = Operation(
    summary="Enable or disable a flag",
    tag="flags",
    auth=Auth.ADMIN,
    scopes=(Scope.WRITE_FLAGS,),
    body=ToggleIn,
    answers={200: Answer("The definition that now stands", FlagDefinition)},
    problems=(NotFound,),
)


def blueprint(edge: Edge) -> Blueprint:
    """The flag routes."""
    routes = Routes("admin_flags", edge)
    views = _Flags(edge)
    routes.add("GET", "/admin/v1/flags", views.flags, LIST)
    routes.add("GET", "/admin/v1/flags/<key>", views.flag, READ)
    routes.add("PUT", "/admin/v1/flags/<key>", views.put, PUT)
    routes.add("DELETE", "/admin/v1/flags/<key>", views.delete, DELETE)
    routes.add("POST", "/admin/v1/flags/<key>/toggle", views.toggle, TOGGLE)
    return routes.blueprint


class _Flags:
    def __init__(self, edge: Edge) -> None:
        self._flags = edge.services.store.flags
        self._log = get_logger("web")

    def flags(self, call: Call) -> Result:
        """All of them."""
        found = self._flags.all()
        definitions = {
            key: FlagDefinition.model_construct(**definition)
            for key, definition in found.definitions.items()
        }
        return Result(FlagsOut(version=found.version, flags=definitions), as_sent=True)

    def flag(self, call: Call, key: str) -> Result:
        """One of them."""
        return self._shown(key)

    def put(self, call: Call, key: str) -> Result:
        """Check it against the schema, then store it."""
        if not is_key(key):
            detail = f"must be letters, digits, dots, dashes and underscores, at most {NAME_MAX}"
            raise InputError(f"/key: {detail}", [FieldError(detail, "/key")])
        definition = call.body(FlagDefinition).model_dump(exclude_unset=True)
        problems = [FieldError(item.detail, item.pointer) for item in validate(definition)]
        if problems:
            first = problems[0]
            raise InputError(f"{first.pointer or 'the flag'}: {first.detail}", problems[:20])
        new = key not in self._flags.all().definitions
        version = self._flags.put(key, definition)
        self._log.info("flag_changed", flag=key, change="put", version=version)
        return self._shown(key, 201 if new else 200)

    def delete(self, call: Call, key: str) -> Result:
        """Remove it."""
        version = self._flags.delete(key)
        self._log.info("flag_changed", flag=key, change="deleted", version=version)
        return Result(None, 204)

    def toggle(self, call: Call, key: str) -> Result:
        """Set its state."""
        state = call.body(ToggleIn).state
        version = self._flags.toggle(key, state)
        self._log.info("flag_changed", flag=key, change=state, version=version)
        return self._shown(key)

    def _shown(self, key: str, status: int = 200) -> Result:
        definition = self._flags.get(key)
        return Result(FlagDefinition.model_construct(**definition), status, as_sent=True)
