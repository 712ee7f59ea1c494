"""What all that goes in and out over HTTP has in common: times, ids, examples, pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

REPLY_ID = "r1a01jcm2k8e4t5v6w7x8y9z0a1b2c"
CONVERSATION_ID = "c1a01jcm2k8e4t5v6w7x8y9z0a1b2d"
TURN_ID = "t1a01jcm2k8e4t5v6w7x8y9z0a1b2e"
WHEN = "2026-03-01T18:04:05.123Z"
SAID = "My sister and I hiked all day."
ANSWER = "That sounds lovely. Which trail did you two take?"


def timestamp(seconds: float) -> str:
    """Unix seconds as RFC 3339 in UTC, to the millisecond."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _written(value: object) -> object:
    return timestamp(value) if isinstance(value, int | float) else value


Timestamp = Annotated[
    str,
    Field(description="RFC 3339, UTC", json_schema_extra={"format": "date-time"}),
    BeforeValidator(_written),
]
Id = Annotated[str, Field(min_length=1, max_length=64)]


def example(**values: Any) -> ConfigDict:
    """The configuration of a request: unknown fields are refused, one example is shown."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [values]})


def shown(**values: Any) -> ConfigDict:
    """The configuration of a response, with one example."""
    return ConfigDict(json_schema_extra={"examples": [values]})


class Projection(BaseModel):
    """What is shown of values of the domain or the store; nothing that is not named here leaves."""

    @classmethod
    def like(cls, *values: object, **others: Any) -> Self:
        """The fields that the values have by the same name; `others` are made, or named otherwise.

        Times may be Unix seconds. Raises pydantic's ValidationError where a field is in neither.
        """
        taken = {
            name: getattr(value, name)
            for value in values
            for name in cls.model_fields.keys() - others.keys()
            if hasattr(value, name)
        }
        return cls(**taken, **others)


class PageQuery(BaseModel):
    """Which page of a listing."""

    model_config = ConfigDict(extra="forbid")
    cursor: str | None = Field(None, max_length=512, description="`next_cursor` of a page before.")
    limit: int = Field(50, ge=1, le=100)
