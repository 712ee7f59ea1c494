"""A person's token, and what is believed of them."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel

from app.domain import Fact
from app.web.schemas.common import WHEN, Projection, Timestamp, shown


class Token(BaseModel):
    """A person's token."""

    model_config = shown(
        token="eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1MWEwMSJ9.c2lnbmF0dXJl",  # nosec B106: of the docs
        user_id="u1a01jcm2k8e4t5v6w7x8y9z0a1b2f",
        expires_at=WHEN,
    )
    token: str
    user_id: str
    expires_at: Timestamp


class MemoryOut(Projection):
    """One thing that Kindred believes of the person, and the sentence it came from."""

    model_config = shown(
        memory_id="f1a01jcm2k8e4t5v6w7x8y9z0a1b2g",
        kind="likes",
        value="hiking",
        text="I like hiking.",
        sentence="I really like hiking in spring.",
        created_at=WHEN,
    )
    memory_id: str
    kind: str
    value: str
    text: str
    sentence: str
    created_at: Timestamp

    @classmethod
    def of(cls, fact: Fact) -> Self:
        """From the domain's value."""
        return cls.like(fact, memory_id=fact.fact_id)


class MemoriesOut(BaseModel):
    """Everything that Kindred believes of the person, the oldest first."""

    items: list[MemoryOut]
