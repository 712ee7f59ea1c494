"""People as tokens know them: a generation that revocation and erasure change."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import cast

from app.errors import NotFound, Unauthenticated
from app.store import ids
from app.store.core import Core
from app.store.keys import PersonKeys
from app.store.keystore import LEDGER_SECONDS

_BATCH = 500  # keys deleted at once
_TOMBSTONE_SECONDS = int(LEDGER_SECONDS)


@dataclass(frozen=True, slots=True)
class Person:
    """Someone, and the generation that their tokens must carry."""

    user_id: str
    generation: int


class People:
    """Making, checking and erasing people."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def create(self) -> Person:
        """A new person in some partition, with a data key of their own."""
        now = self._core.clock()
        partition = secrets.randbelow(self._core.settings.partitions)
        user_id = ids.make(ids.PERSON, partition, now)
        self._core.ring.create(user_id)
        return Person(user_id, self._register(user_id, now))

    def register(self, user_id: str) -> Person:
        """The person of an id that has a key; made where there is none."""
        return Person(user_id, self._register(user_id, self._core.clock()))

    def check(self, user_id: str, generation: int) -> None:
        """Whether a token of this generation still holds.

        Raises:
            Unauthenticated: the person is unknown or erased, or the generation was revoked.
            StoreUnavailable: Redis or the key store is away.
        """
        if not ids.valid(ids.PERSON, user_id):
            raise Unauthenticated
        self._core.cipher(user_id)
        with self._core.client.guard() as connection:
            found = connection.hmget(PersonKeys(user_id).person, "state", "generation")
        if found != [b"live", str(generation).encode()]:
            raise Unauthenticated

    def revoke(self, user_id: str) -> int:
        """Make every token of the person fail; the generation of the next ones.

        Raises:
            NotFound: no such person.
        """
        keys = PersonKeys(user_id)
        arguments = [self._core.person_ttl, self._core.clock()]
        generation = int(self._core.client.run("person_revoke", [keys.person], arguments))
        if not generation:
            raise NotFound
        return generation

    def erase(self, user_id: str) -> None:
        """Erase a person for good; doing it again does no harm.

        The ledger comes first: where a crash interrupts the rest, the next start completes it.
        Then the data key (from here on nothing can be read), the tombstone (from here on nothing
        can be written), and the keys themselves.

        Raises:
            NotFound: the id is malformed.
            StoreUnavailable: something did not answer; the person may ask again.
        """
        if not ids.valid(ids.PERSON, user_id):
            raise NotFound
        self._core.ring.store.record_erasure(user_id, self._core.clock())
        self._apply(user_id)

    def replay_erasures(self) -> int:
        """Erase again whom a restored backup brought back; how many that were."""
        since = self._core.clock() - LEDGER_SECONDS
        erased = self._core.ring.store.erasures(since)
        again = 0
        for start in range(0, len(erased), _BATCH):
            batch = erased[start : start + _BATCH]
            with self._core.client.pipeline() as pipe:
                for user_id in batch:
                    pipe.hget(PersonKeys(user_id).person, "state")
                    pipe.exists(PersonKeys(user_id).owned)
                answers = pipe.execute()
            for i, user_id in enumerate(batch):
                state, owned = answers[2 * i], answers[2 * i + 1]
                if state == b"live" or owned or self._core.ring.store.get(user_id, 0.0):
                    self._apply(user_id)
                    again += 1
        return again

    def create_judge(self, source: str, register: str) -> str:
        """The pseudo-person that holds the judgements of a source; made where there is none."""
        with self._core.client.guard() as connection:
            known = cast("bytes | None", connection.hget(register, source))
        if known and self._core.ring.cipher(known.decode()) is not None:
            self._register(known.decode(), self._core.clock())
            return known.decode()
        person = self.create()
        with self._core.client.guard() as connection:
            if known:  # its key was pruned, so were its judgements
                connection.hset(register, source, person.user_id)
            elif not connection.hsetnx(register, source, person.user_id):
                return self.create_judge(source, register)  # another process was first
        return person.user_id

    def _register(self, user_id: str, now: float) -> int:
        keys = PersonKeys(user_id)
        arguments = [now, self._core.person_ttl]
        return int(self._core.client.run("person_create", [keys.person], arguments))

    def _apply(self, user_id: str) -> None:
        core, keys = self._core, PersonKeys(user_id)
        core.ring.erase(user_id)
        core.client.run("person_erase", [keys.person], [core.clock(), _TOMBSTONE_SECONDS])
        with core.client.guard() as connection:
            owned = connection.zrange(keys.owned, 0, -1)
        with core.client.pipeline() as pipe:
            for start in range(0, len(owned), _BATCH):
                pipe.unlink(*owned[start : start + _BATCH])
            # The list of what is owned goes last, so that an interrupted erasure can go on.
            pipe.unlink(keys.conversations, keys.facts, keys.tastes, keys.recent)
            pipe.unlink(keys.owned)
            pipe.execute()
