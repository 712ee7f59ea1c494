"""What kind of trouble an error of Redis tells of: for alerts, and for the breaker."""

from __future__ import annotations

from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import TimeoutError as TimedOut

from app.store.link.breaker import Outcome

OPEN = "open"  # not asked: the breaker is open
UNREPLICATED = "unreplicated"  # written, but too few replicas have it
_CLASSES: tuple[tuple[type[RedisError], str], ...] = (
    (BusyLoadingError, "loading"),
    (TimedOut, "timeout"),
    (AuthenticationError, "denied"),  # before the class that it is of
    (Disconnected, "connection"),
    (NoPermissionError, "denied"),
    (OutOfMemoryError, "memory"),
    (ReadOnlyError, "readonly"),
    (MasterDownError, "replicas"),
    (ClusterDownError, "cluster"),
    (AskError, "cluster"),  # MOVED too: the slot is elsewhere, or on its way
    (TryAgainError, "cluster"),
)
# Where redis-py has no class: words by which a server refuses to write, the first one counts.
_WORDS = (
    ("No space left", "disk-full"),
    ("MISCONF", "disk"),
    ("OOM ", "memory"),
    ("NOREPLICAS", "replicas"),
    ("READONLY", "readonly"),
    ("MASTERDOWN", "replicas"),
    ("BUSY ", "busy"),  # with a script, or a function, of whoever else's
    ("UNKILLABLE", "busy"),
)
REFUSED = "refused"  # for any other reason: by what was sent, as far as anybody can tell
KINDS = tuple(
    dict.fromkeys([OPEN, UNREPLICATED, *(k for _, k in _CLASSES), *(k for _, k in _WORDS), REFUSED])
)


def kind_of(error: RedisError) -> str:
    """One of KINDS; never the server's own words, which may hold what was sent."""
    for class_, kind in _CLASSES:
        if isinstance(error, class_):
            return kind
    text = str(error)
    return next((kind for word, kind in _WORDS if word in text), REFUSED)


def outcome_of(kind: str) -> Outcome:
    """What it tells of the server: one that refuses by words is there, and quick."""
    if kind == "timeout":
        return Outcome.SLOW
    return Outcome.FAILED if kind in ("connection", "loading") else Outcome.FINE
