"""What the admin pages know of their own session."""

from __future__ import annotations

from pydantic import BaseModel, Field

from app.store.access.api_keys import Scope
from app.web.schemas.common import Timestamp, shown


class SessionOut(BaseModel):
    """Whether this browser is logged in, and as what."""

    model_config = shown(
        signed_in=True,
        name="the bootstrap key",
        scopes=["read_reactions", "write_flags"],
        csrf_token="Zm9yZ2VkIGNhbGxzIGhhdmUgbm9uZSBvZiB0aGVzZQ",  # nosec B106: of the docs
        expires_at="2026-03-01T18:04:05.123Z",
    )
    signed_in: bool
    name: str | None = Field(None, description="Of the key that opened it.")
    scopes: list[Scope] = Field([], description="What may be done in it.")
    csrf_token: str | None = Field(None, description="To send in X-CSRF-Token.")
    expires_at: Timestamp | None = Field(None, description="However much it is used.")
