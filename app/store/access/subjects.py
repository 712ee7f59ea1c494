"""People whom an identity provider names: its subject, and who that is here.

A subject (an address, perhaps) is kept only as a digest under a key of the key store. The person
behind it has an id like everybody's, drawn at random: nobody can compute it, or choose a subject
that leads to somebody else's.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import cast

from app.errors import StoreUnavailable, Unauthenticated
from app.store import ids, keys
from app.store.core import Core
from app.store.keys import PersonKeys
from app.store.link.client import Argument
from app.store.people import People, Person

_OWNER = "#subjects"  # owner of the key that digests subjects
_KNOWN_MAX = 20_000


@dataclass(frozen=True, slots=True)
class _Seen:
    """What Redis said of a person: None where they are gone, and when their tokens were ended.

    `ended`: Unix seconds; a token that was issued before holds no longer. 0 for never.
    """

    person: Person | None = None
    ended: float = 0.0


class Subjects:
    """Finds the person of a subject, and makes them at first sight."""

    def __init__(self, core: Core, people: People) -> None:
        self._core = core
        self._people = people
        self._known: OrderedDict[str, _Seen] = OrderedDict()  # by digest; each has a person

    def person(self, issuer: str, subject: str, issued_at: float) -> Person:
        """Who this is, as of a token that was issued then (Unix seconds).

        Someone who was erased and comes again with a newer token is a new person, to whom no older
        token leads. While Redis is away, whoever was seen before is still known by this process:
        a revocation since then is looked at where the answer is stored.

        Raises:
            Unauthenticated: the person revoked their tokens, or was erased, after it was issued.
            StoreUnavailable: Redis or the key store is away, and this process does not know them.
        """
        name = self._core.ring.create_once(_OWNER).digest(f"{len(issuer)} {issuer} {subject}")
        try:
            return self._find(name, issued_at)
        except StoreUnavailable:
            person = _holding(self._known.get(name, _Seen()), issued_at)
            if person is None:
                raise
            return person

    def _find(self, name: str, issued_at: float) -> Person:
        place = keys.subject(self._partition(name), name)
        known = self._known.get(name)
        user_id = known.person.user_id if known and known.person else self._read(place)
        seen = self._look(user_id) if user_id is not None else _Seen()
        self._note(name, seen)
        person = _holding(seen, issued_at)
        if person is None:
            person = self._make(place, self._partition(name), user_id, seen.ended)
            self._note(name, _Seen(person, seen.ended))
        return person

    def _note(self, name: str, seen: _Seen) -> None:
        if seen.person is None:
            self._known.pop(name, None)
            return
        self._known[name] = seen
        self._known.move_to_end(name)
        while len(self._known) > _KNOWN_MAX:
            self._known.popitem(last=False)

    def _look(self, user_id: str) -> _Seen:
        with self._core.client.guard() as connection:
            found = connection.hmget(
                PersonKeys(user_id).person, "state", "generation", "revoked", "erased"
            )
        state, generation, *ends = found
        ended = max(float(end or 0.0) for end in ends)
        if state != b"live" or generation is None or self._core.ring.cipher(user_id) is None:
            return _Seen(ended=ended)
        return _Seen(Person(user_id, int(generation)), ended)

    def _make(self, place: str, partition: int, before: str | None, ended: float) -> Person:
        """A new person in the subject's place; another process's, where it was first.

        `ended`: what was issued before the end of who was there does not lead to them either.
        """
        fresh = ids.make(ids.PERSON, partition, self._core.clock())
        self._core.ring.create(fresh)
        arguments: list[Argument] = [before or "", fresh, self._core.person_ttl]
        user_id = cast("bytes", self._core.client.run("subject_take", [place], arguments)).decode()
        if user_id != fresh:
            self._core.ring.discard(fresh)
        return self._people.register(user_id, ended)

    def _read(self, place: str) -> str | None:
        with self._core.client.guard() as connection:
            # Kept as long as it is used; the person may be gone sooner, and is then made anew.
            found = cast("bytes | None", connection.getex(place, ex=self._core.person_ttl))
        return found.decode() if found else None

    def _partition(self, name: str) -> int:
        return int(name[:8], 16) % self._core.settings.partitions


def _holding(seen: _Seen, issued_at: float) -> Person | None:
    """The person of a token that was issued then; None where they are gone (Unauthenticated)."""
    # What came in the same second as the end is refused with what came before it.
    if issued_at < seen.ended:
        raise Unauthenticated("The token was revoked.")
    return seen.person
