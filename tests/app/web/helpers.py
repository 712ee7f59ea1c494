"""Shared by the tests of the HTTP edge: callers, a scripted companion, a look at problems."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.dialog.pipeline import ChatRequest
from app.dialog.safety import is_crisis
from app.domain import Reply, Source
from app.web.services import Services

JWT_SECRET = "a-secret-of-this-test-suite-and-of-nobody-else-long-enough-for-sha512"
ADMIN_KEY = "an-admin-key-of-this-test-suite"


@dataclass
class Script:
    """A companion that fails as it is told, or says one line; for the edge's own behaviour."""

    error: BaseException | None = None
    asked: list[ChatRequest] = field(default_factory=list)

    def is_crisis(self, message: str) -> bool:
        """The real screen."""
        return is_crisis(message)

    def reply(self, request: ChatRequest) -> Reply:
        """Fail, or say the line."""
        self.asked.append(request)
        if self.error is not None:
            raise self.error
        conversation = request.conversation_id or "c00" + "0" * 26
        return Reply("r00" + "0" * 26, conversation, "Hello.", Source.RETRIEVAL, False, {}, 2e9)


@dataclass
class FixedHealth:
    """What the engine would say of itself."""

    ready: bool = True
    detail: dict[str, Any] = field(default_factory=lambda: {"models": {}})


@dataclass
class Edge:
    """One app and what it stands on."""

    app: Flask
    services: Services

    @property
    def client(self) -> FlaskClient:
        """A new client."""
        return self.app.test_client()


class Person:
    """A guest and their calls."""

    def __init__(self, edge: Edge) -> None:
        self.client = edge.client
        made = self.client.post("/v1/auth/guest")
        assert made.status_code == 201, made.text
        assert made.json is not None
        self.user_id: str = made.json["user_id"]
        self.token: str = made.json["token"]

    def __call__(
        self, method: str, path: str, json: Any = None, headers: dict[str, str] | None = None
    ) -> TestResponse:
        """One call with the person's token."""
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        return self.client.open(path, method=method, json=json, headers=sent)

    def say(self, message: str, **more: Any) -> dict[str, Any]:
        """Chat; the reply."""
        answer = self("POST", "/v1/chat", {"message": message, **more})
        assert answer.status_code == 200, answer.text
        assert answer.json is not None
        return dict(answer.json)


class Admin:
    """An administrator's calls."""

    def __init__(self, edge: Edge) -> None:
        self.client = edge.client

    def __call__(self, method: str, path: str, json: Any = None, **headers: str) -> TestResponse:
        """One call with the admin key."""
        sent = {"X-API-Key": ADMIN_KEY, **headers}
        return self.client.open(path, method=method, json=json, headers=sent)


def assert_problem(response: TestResponse, status: int, code: str = "", pointer: str = "") -> Any:
    """It is problem+json with this status (and code, and a field at the pointer)."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    problem = response.json
    assert problem is not None
    assert set(problem) >= {"type", "title", "status", "detail", "instance"}
    assert problem["status"] == status
    assert problem["instance"].endswith(response.headers["X-Request-Id"])
    if code:
        assert problem["type"] == f"urn:kindred:problem:{code}"
    if pointer:
        assert pointer in [item["pointer"] for item in problem["errors"]], problem
    return problem
