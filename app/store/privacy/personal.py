"""All that is known of one person, for them to take along; read in pages, changing nothing.

What is read here is opened with the person's own key. What does not open is left out and counted,
as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from app.domain import Conversation, Impression, Taste
from app.errors import NotFound, Unauthenticated
from app.store import feelings, impressions, profile, traits
from app.store.contexts import Contexts, TurnView
from app.store.core import Core
from app.store.keys import PersonKeys
from app.store.privacy.erasure import Fields, entries_of, owned_by
from app.store.sealing.codec import Cipher, Unreadable

_PAGE = 50  # conversations or turns of one round trip
_REPLIES = 20  # impressions of one round trip, some kB each
_Value = TypeVar("_Value")
DATASET = "#dataset"  # owner of the key under which the exported dataset knows people


@dataclass(frozen=True, slots=True)
class Standing:
    """What is kept of the person beside what was said; times are Unix seconds.

    `kept_until`: when all of it ends, unless the person comes back. `minor`: they said that they
    are under 18. `answers`: stored answers to requests that may be repeated.
    """

    user_id: str
    generation: int
    created_at: float
    last_seen_at: float | None
    kept_until: float | None
    minor: bool
    answers: int


@dataclass(frozen=True, slots=True)
class Kept(Generic[_Value]):
    """A conversation or an impression, and when it ends (Unix seconds)."""

    value: _Value
    kept_until: float | None


@dataclass(frozen=True, slots=True)
class Entry:
    """An event of the person: reactions, replies shown, feelings; `fields` carry no text."""

    at: float
    fields: Mapping[str, str]


def dataset_name(cipher: Cipher, user_id: str) -> str:
    """The same, for whoever holds the dataset's cipher."""
    return cipher.digest(f"person:{user_id}")


class Personal:
    """Reads everything of one person."""

    def __init__(self, core: Core, contexts: Contexts) -> None:
        self._core = core
        self._contexts = contexts

    def standing(self, user_id: str) -> Standing:
        """The person (Unauthenticated: unknown or erased)."""
        cipher, names = self._core.cipher(user_id), PersonKeys(user_id)
        with self._core.client.pipeline() as pipe:
            pipe.hgetall(names.person)
            pipe.pttl(names.person)
            fields, left = pipe.execute()
        if fields.get(b"state") != b"live":
            raise Unauthenticated
        seen, sealed = fields.get(b"seen"), fields.get(b"traits")
        return Standing(
            user_id=user_id,
            generation=int(fields[b"generation"]),
            created_at=float(fields[b"created"]),
            last_seen_at=float(seen) if seen else None,
            kept_until=self._until(left),
            minor=bool(sealed) and traits.minor(self._core, cipher, user_id, sealed),
            answers=len(self._owned(user_id, b":idempotency:")),
        )

    def conversations(self, user_id: str) -> Iterator[Kept[Conversation]]:
        """The person's conversations (`Conversation`), the last used first."""
        names, cursor = PersonKeys(user_id), None
        while True:
            page = self._contexts.conversations(user_id, cursor, _PAGE)
            with self._core.client.pipeline() as pipe:
                for item in page.items:
                    pipe.pttl(names.conversation(item.conversation_id))
                lives = pipe.execute() if page.items else []
            for item, left in zip(page.items, lives, strict=True):
                yield Kept(item, self._until(left))
            cursor = page.next_cursor
            if cursor is None:
                return

    def turns(self, user_id: str, conversation_id: str) -> list[TurnView]:
        """Every turn of a conversation that is kept, in order; none where it has just expired."""
        found: list[TurnView] = []
        cursor: str | None = None
        while True:
            try:
                _, page = self._contexts.conversation(user_id, conversation_id, cursor, _PAGE)
            except NotFound:
                return found
            found[:0] = page.items
            cursor = page.next_cursor
            if cursor is None:
                return found

    def replies(self, user_id: str) -> Iterator[Kept[Impression]]:
        """Every reply (`Impression`) shown to the person that is kept, the oldest first."""
        prefix = PersonKeys(user_id).impression("").encode()
        shown = sorted(self._owned(user_id, b":impression:"))  # ids sort by time
        for start in range(0, len(shown), _REPLIES):
            batch = shown[start : start + _REPLIES]
            with self._core.client.pipeline() as pipe:
                for name in batch:
                    pipe.hgetall(name)
                    pipe.pttl(name)
                answers = pipe.execute()
            for name, fields, left in zip(batch, answers[::2], answers[1::2], strict=True):
                impression = impressions.read(
                    self._core, name.removeprefix(prefix).decode(), fields
                )
                if impression is not None:
                    yield Kept(impression, self._until(left))
                elif fields:
                    self._core.unreadable()

    def tastes(self, user_id: str) -> list[Taste]:
        """What reactions told of the person's taste, the oldest first."""
        cipher = self._core.cipher(user_id)
        with self._core.client.guard() as connection:
            found = cast("dict[bytes, bytes]", connection.hgetall(PersonKeys(user_id).tastes))
        flat = [part for item in found.items() for part in item]
        return profile.open_tastes(self._core, cipher, user_id, flat)

    def recent_lines(self, user_id: str) -> list[str]:
        """Kindred's own last lines to the person, the latest first."""
        cipher = self._core.cipher(user_id)
        with self._core.client.guard() as connection:
            lines = cast("list[bytes]", connection.lrange(PersonKeys(user_id).recent, 0, -1))
        return profile.open_lines(self._core, cipher, user_id, lines)

    def events(self, user_id: str) -> Iterator[Entry]:
        """The person's entries in the stream of events, the oldest first."""
        cipher = self._core.cipher(user_id)
        for entry_id, fields in entries_of(self._core, user_id, PersonKeys(user_id).events):
            told = {
                name.decode(): value.decode("utf-8", "replace")
                for name, value in fields.items()
                if name != b"user" and value
            }
            if b"feeling" in fields:
                self._show_feelings(cipher, fields, told)
            yield Entry(int(entry_id.partition("-")[0]) / 1000, told)

    def _show_feelings(self, cipher: Cipher, fields: Fields, told: dict[str, str]) -> None:
        for name in ("feeling", "previous"):
            told.pop(name, None)
            try:
                kept = fields.get(name.encode())
                feeling = feelings.shown(cipher, fields[b"conversation"].decode(), kept)
            except Unreadable:
                self._core.unreadable()
                continue
            if feeling is not None:
                told[name] = feeling.value

    def dataset_name(self, user_id: str) -> str:
        """The keyed hash of the person in the exported dataset; empty: nothing was exported yet."""
        cipher = self._core.ring.cipher(DATASET)
        return "" if cipher is None else dataset_name(cipher, user_id)

    def _owned(self, user_id: str, kind: bytes) -> set[bytes]:
        """The names of the person's keys of a kind (as it stands in them)."""
        pages = owned_by(self._core, user_id)
        return {name for page in pages for name in page if kind in name}

    def _until(self, left: int) -> float | None:
        return self._core.clock() + left / 1000 if left >= 0 else None
