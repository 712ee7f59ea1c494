"""People whom an identity provider names: its subject, and who that is here.

A subject (an address, perhaps) is kept only as a digest under a key of the key store. The person
behind it has an id like everybody's, drawn at random: nobody can compute it, or choose a subject
that leads to somebody else's.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import cast

from app.errors import StoreUnavailable, Unauthenticated
from app.store import ids, keys
from app.store.core import Core
from app.store.keys import PersonKeys
from app.store.link.client import Argument
from app.store.people import People, Person

_OWNER = "#subjects"  # owner of the key that digests subjects
_KNOWN_MAX = 20_000


class Subjects:
    """Finds the person of a subject, and makes them at first sight."""

    def __init__(self, core: Core, people: People) -> None:
        self._core = core
        self._people = people
        self._known: OrderedDict[str, Person] = OrderedDict()  # by digest, as they were last seen

    def person(self, issuer: str, subject: str, issued_at: float) -> Person:
        """Who this is, as of a token that was issued then (Unix seconds).

        Someone who was erased and comes again with a newer token is a new person. While Redis is
        away, whoever was seen before is still known by this process: revocation is then looked at
        where the answer is stored.

        Raises:
            Unauthenticated: the person revoked their tokens, or was erased, after it was issued.
            StoreUnavailable: Redis or the key store is away, and this process does not know them.
        """
        name = self._core.ring.create_once(_OWNER).digest(f"{len(issuer)} {issuer} {subject}")
        try:
            person = self._find(name, issued_at)
        except StoreUnavailable:
            if name in self._known:
                return self._known[name]
            raise
        self._known[name] = person
        self._known.move_to_end(name)
        while len(self._known) > _KNOWN_MAX:
            self._known.popitem(last=False)
        return person

    def _find(self, name: str, issued_at: float) -> Person:
        place = keys.subject(self._partition(name), name)
        known = self._known.get(name)
        user_id = known.user_id if known else self._read(place)
        if user_id is not None:
            person = self._living(user_id, issued_at)
            if person is not None:
                return person
            self._known.pop(name, None)
        return self._make(place, self._partition(name), user_id)

    def _living(self, user_id: str, issued_at: float) -> Person | None:
        """The person; None where there is none (any more). Unauthenticated: the token is older."""
        with self._core.client.guard() as connection:
            found = connection.hmget(
                PersonKeys(user_id).person, "state", "generation", "revoked", "erased"
            )
        state, generation, *ends = found
        # What came in the same second as the end is refused with what came before it.
        if any(end is not None and issued_at < float(end) for end in ends):
            raise Unauthenticated("The token was revoked.")
        if state != b"live" or generation is None or self._core.ring.cipher(user_id) is None:
            return None
        return Person(user_id, int(generation))

    def _make(self, place: str, partition: int, before: str | None) -> Person:
        """A new person in the subject's place; another process's, where it was first."""
        fresh = ids.make(ids.PERSON, partition, self._core.clock())
        self._core.ring.create(fresh)
        arguments: list[Argument] = [before or "", fresh, self._core.person_ttl]
        user_id = cast("bytes", self._core.client.run("subject_take", [place], arguments)).decode()
        if user_id != fresh:
            self._core.ring.discard(fresh)
        return self._people.register(user_id)

    def _read(self, place: str) -> str | None:
        with self._core.client.guard() as connection:
            # Kept as long as it is used; the person may be gone sooner, and is then made anew.
            found = cast("bytes | None", connection.getex(place, ex=self._core.person_ttl))
        return found.decode() if found else None

    def _partition(self, name: str) -> int:
        return int(name[:8], 16) % self._core.settings.partitions
