"""How tests of the dialog send messages."""

from __future__ import annotations

from collections.abc import Callable

from app.domain import Reply

Say = Callable[..., Reply]
"""A person's text, perhaps in a conversation and with keys, to its reply."""
