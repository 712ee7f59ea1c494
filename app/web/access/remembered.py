"""Tokens that passed every check: whether the same one is still in time is all that can change."""

from __future__ import annotations

import hashlib
import time
from typing import Generic, TypeVar

_MOST = 8_192
T = TypeVar("T")


class Remembered(Generic[T]):
    """What verified tokens said, by their digest, until they end; the oldest leave first."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[T, float]] = {}

    def get(self, token: str) -> T | None:
        """What the token said; None where it is new here, or over."""
        known = self._known.get(_digest(token))
        return known[0] if known is not None and known[1] > time.time() else None

    def keep(self, token: str, said: T, end: float) -> T:
        """Keep what a token said until its end (Unix seconds), and give it back."""
        if len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        self._known[_digest(token)] = (said, end)
        return said


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
