"""Administrators' sessions in the browser: what a key was exchanged for.

The id is 256 random bits that only the cookie holds; Redis knows its digest, so that a copy of the
data opens nothing. A session belongs to one secret of one key (`proof` is that secret's digest):
when the secret ends, so does the session. It ends by itself after half an hour without use, and
after twelve hours in any case.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import cast

from app.store import keys
from app.store.core import Core
from app.store.link.client import Argument

IDLE_SECONDS = 30 * 60
LIFE_SECONDS = 12 * 3_600
_ID_BYTES = 32
_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}")
_SESSIONS_MAX = 20  # of one key; the oldest goes first
_TOUCH_SECONDS = 60  # how often a use is written down: each one would cost an fsync


@dataclass(frozen=True, slots=True)
class Session:
    """A living session: the key that it stands for, and the digest of that key's secret."""

    key: str
    proof: str
    expires_at: float  # Unix seconds, however much it is used


class Sessions:
    """Opening, using and closing sessions."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def open(self, key: str, proof: str) -> tuple[str, Session]:
        """A new session of a key, and its id, which is kept nowhere."""
        now = self._core.clock()
        end = now + LIFE_SECONDS
        session_id = secrets.token_urlsafe(_ID_BYTES)
        name = _digest(session_id)
        places = [keys.session(name), keys.sessions(key)]
        arguments: list[Argument] = [
            key,
            proof,
            now,
            end,
            IDLE_SECONDS,
            LIFE_SECONDS,
            _SESSIONS_MAX,
            name,
        ]
        surplus = cast("list[bytes]", self._core.client.run("session_open", places, arguments))
        self._delete([keys.session(old.decode()) for old in surplus])
        return session_id, Session(key, proof, end)

    def use(self, session_id: str) -> Session | None:
        """The session of an id, if it lives; it then lives on for half an hour more."""
        if not _SHAPE.fullmatch(session_id):
            return None
        arguments = [self._core.clock(), IDLE_SECONDS, _TOUCH_SECONDS]
        found = self._core.client.run("session_use", [keys.session(_digest(session_id))], arguments)
        if not found:
            return None
        key, proof, end = found
        return Session(key.decode(), proof.decode(), float(end))

    def close(self, session_id: str) -> None:
        """End one session."""
        self._delete([keys.session(_digest(session_id))])

    def close_all(self, key: str) -> int:
        """End every session of a key; how many there were."""
        with self._core.client.guard() as connection:
            names = cast("list[bytes]", connection.zrange(keys.sessions(key), 0, -1))
        self._delete([*(keys.session(name.decode()) for name in names), keys.sessions(key)])
        return len(names)

    def _delete(self, names: list[str]) -> None:
        if names:
            with self._core.client.guard() as connection:
                connection.unlink(*names)


def _digest(session_id: str) -> str:
    return hashlib.sha256(f"kindred session\0{session_id}".encode()).hexdigest()
