"""What machines read: the problem object (RFC 9457), and how a process is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from app.web.schemas.common import shown


class ProblemField(BaseModel):
    """One bad field."""

    detail: str
    pointer: str = Field(description="RFC 6901 pointer into the body, or /name of a parameter.")


class Problem(BaseModel):
    """An error."""

    model_config = shown(
        type="urn:kindred:problem:invalid-input",
        title="The request is not valid",
        status=422,
        detail="/message: String should have at least 1 character",
        instance="urn:kindred:request:6f1c7d0e4b439a43",
        errors=[{"detail": "String should have at least 1 character", "pointer": "/message"}],
    )
    type: str = Field(description="Stable name of the kind of error.")
    title: str
    status: int
    detail: str
    instance: str = Field(description="Names the request; the id is also in X-Request-Id.")
    errors: list[ProblemField] = Field([], description="The fields that are wrong.")
    retry_after: int | None = Field(None, description="Seconds; also in Retry-After.")


class HealthOut(BaseModel):
    """That this process lives, or is ready."""

    model_config = shown(status="ok", checks={})
    status: Literal["ok", "ready"]
    checks: Mapping[str, Any] = {}
