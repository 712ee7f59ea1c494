"""People as tokens know them: a generation that revocation and erasure change."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from app.errors import Conflict, NotFound, StoreUnavailable, Unauthenticated
from app.store import ids
from app.store.core import Core
from app.store.keys import ERASED, PREFIX, PersonKeys
from app.store.privacy.erasure import erase_data
from app.store.privacy.ledger import LEDGER_SECONDS
from app.telemetry import get_logger

SOURCES_MAX = 1_000  # of judgements; each has a person, a key and a field that stay
_SCANNED = 1_000  # keys of one round trip


@dataclass(frozen=True, slots=True)
class Person:
    """Someone, and the generation that their tokens must carry."""

    user_id: str
    generation: int


class People:
    """Making, checking and erasing people."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._unfinished: dict[str, str] = {}  # erased, but for their data: id → name in the ledger

    def create(self) -> Person:
        """A new person in some partition, with a data key of their own."""
        now = self._core.clock()
        partition = secrets.randbelow(self._core.settings.partitions)
        user_id = ids.make(ids.PERSON, partition, now)
        self._core.ring.create(user_id)
        return Person(user_id, self._register(user_id, now))

    def register(self, user_id: str, ended: float = 0.0) -> Person:
        """The person of an id that has a key; made where there is none.

        `ended`: to them leads no token that an identity provider issued before (Unix seconds).
        """
        return Person(user_id, self._register(user_id, self._core.clock(), ended))

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
            self._core.refused.add(user_id, generation)
            raise Unauthenticated

    def presume(self, user_id: str, generation: int) -> None:
        """As `check`, by what this process knows: for when Redis cannot be asked.

        A revocation that another process made is not known here; an erasure is, for the key is
        gone (within half a minute of the key ring's memory), unless the key store is away too.

        Raises:
            Unauthenticated: the token is known not to hold.
        """
        if not ids.valid(ids.PERSON, user_id) or self._core.refused.holds(user_id, generation):
            raise Unauthenticated
        with suppress(StoreUnavailable):
            self._core.cipher(user_id)

    def revoke(self, user_id: str, generation: int | None = None) -> int:
        """Make every token of the person fail; the generation of the next ones.

        Args:
            generation: of the token that asks, which must still hold; None: another may ask.

        Raises:
            NotFound: no such person.
            Unauthenticated: that token was revoked in the meantime.
        """
        keys = PersonKeys(user_id)
        asking = "" if generation is None else generation
        arguments = [self._core.person_ttl, self._core.clock(), asking]
        following = int(self._core.client.run("person_revoke", [keys.person], arguments))
        if not following:
            raise NotFound
        if following < 0:
            raise Unauthenticated
        self._core.refused.add(user_id, following - 1)
        return following

    def erase(self, user_id: str) -> None:
        """Erase a person for good; doing it again does no harm.

        The ledger comes first: where a crash interrupts the rest, the next start completes it, and
        where Redis went away, `finish_erasures` does.
        Then the data key (from here on nothing can be read), the tombstone (from here on nothing
        can be written), the keys themselves and the entries in the streams, and last the note in
        the data that they have seen this erasure.

        Raises:
            NotFound: the id is malformed.
            StoreUnavailable: something did not answer; the person may ask again.
        """
        if not ids.valid(ids.PERSON, user_id):
            raise NotFound
        self._core.refused.add(user_id, float("inf"))
        self._unfinished[user_id] = self._core.ring.erase(user_id)
        self._tell_unfinished()
        self._erase_data(user_id)

    def finish_erasures(self) -> None:
        """Go on with those that Redis went away from; whoever asked for them has no token any more.

        One that fails in a way that nobody foresaw is counted, and keeps none of the others back.

        Raises:
            StoreUnavailable: it is still away.
        """
        for user_id in list(self._unfinished):
            try:
                self._erase_data(user_id)
            except StoreUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - nobody else would go on with the others
                self._core.metrics.failures.labels("erasure").inc()
                get_logger("store").error("erasure", error=type(error).__name__)

    def _tell_unfinished(self) -> None:
        self._core.metrics.erasures_unfinished.set(len(self._unfinished))

    def _erase_data(self, user_id: str) -> None:
        name = self._unfinished[user_id]
        erase_data(self._core, user_id)
        self._note({name: self._core.clock()})
        self._unfinished.pop(user_id, None)
        self._tell_unfinished()

    def replay_erasures(self) -> int:
        """Erase again whom an older copy of the data brought back; how many that were.

        The data note which erasures they have seen, and a copy that was put back lacks the later
        ones. Only then is every person looked at: the ledger knows no ids, only their hashes.
        """
        ring, lines = self._core.ring, self._core.ring.erased()
        with self._core.client.guard() as connection:
            noted = cast("list[bytes]", connection.zrange(ERASED, 0, -1))
        seen = {name.decode() for name in noted}
        missing = {name: at for name, at in lines.items() if name not in seen}
        if not missing:
            return 0
        again = 0
        for user_id in self.everybody():
            if ring.ledger.name(user_id) in lines and self._is_back(user_id):
                ring.discard(user_id)
                erase_data(self._core, user_id)
                again += 1
        self._note(missing)
        return again

    def _note(self, erased: Mapping[str, float]) -> None:
        """Note in the data that they have seen these erasures: the time of each by its name."""
        pairs = [part for name, at in erased.items() for part in (name, at)]
        self._core.client.run(
            "erasures_note", [ERASED], [self._core.clock() - LEDGER_SECONDS, *pairs]
        )

    def everybody(self) -> Iterator[str]:
        """The ids of all who are known, tombstones too; some may come twice."""
        with self._core.client.guard() as connection:
            for name in connection.scan_iter(f"{PREFIX}{{p*}}:person:*", count=_SCANNED):
                yield name.decode().rpartition(":")[2]

    def lives(self, user_id: str) -> bool:
        """Whether the person is there, and was not erased."""
        with self._core.client.guard() as connection:
            return bool(connection.hget(PersonKeys(user_id).person, "state") == b"live")

    def _is_back(self, user_id: str) -> bool:
        """Whether anything but the tombstone is there."""
        keys = PersonKeys(user_id)
        with self._core.client.pipeline() as pipe:
            pipe.hget(keys.person, "state")
            pipe.exists(keys.owned)
            state, owned = pipe.execute()
        return bool(state == b"live" or owned)

    def create_judge(self, source: str, register: str) -> str:
        """The pseudo-person that holds the judgements of a source; made where there is none.

        Raises:
            Conflict: there are `SOURCES_MAX` others; each stays for good, so this one is not made.
        """
        with self._core.client.guard() as connection:
            known = cast("bytes | None", connection.hget(register, source))
            if known is None and int(connection.hlen(register)) >= SOURCES_MAX:
                raise Conflict(
                    f"There are {SOURCES_MAX} sources of judgements, and no room for more."
                )
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

    def _register(self, user_id: str, now: float, ended: float = 0.0) -> int:
        keys = PersonKeys(user_id)
        arguments: list[float | str] = [now, self._core.person_ttl, ended or ""]
        return int(self._core.client.run("person_create", [keys.person], arguments))
