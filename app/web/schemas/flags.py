"""Flag definitions as they go in and out over HTTP."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.experiments.schema import NAME_MAX
from app.web.schemas.common import example


class FlagDefinition(BaseModel):
    """A flag in flagd's JSON schema (https://flagd.dev/schema/v0/flags.json)."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "state": "ENABLED",
                    "variants": {"on": True, "off": False},
                    "defaultVariant": "on",
                    "targeting": {"fractional": [["on", 90], ["off", 10]]},
                }
            ]
        },
    )
    state: Literal["ENABLED", "DISABLED"]
    variants: dict[str, Any] = Field(
        description=f"Name, of at most {NAME_MAX} characters, to value; all values of one type."
    )
    defaultVariant: str | None = None  # noqa: N815 - flagd's name
    targeting: dict[str, Any] = Field({}, description="JSON Logic with flagd's operators.")
    metadata: dict[str, Any] = {}


class FlagsOut(BaseModel):
    """All flags, as a flagd file has them, and the version that every change raises."""

    version: int
    flags: dict[str, FlagDefinition]


class ToggleIn(BaseModel):
    """The state that a flag shall have."""

    model_config = example(state="DISABLED")
    state: Literal["ENABLED", "DISABLED"]
