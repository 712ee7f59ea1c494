"""What people were promised while Redis was away: sealed, kept on the disk, told later."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain import Feeling, ReactionKind
from app.errors import StoreUnavailable
from app.store import ids, records
from app.store.asked import Asked
from app.store.core import Core
from app.store.spool.frames import Entry
from app.store.spool.spool import Spool


@dataclass(frozen=True, slots=True)
class Promise:
    """A reaction to a reply (None: taken back), or a feeling after a conversation."""

    user_id: str
    target: str  # a reply id, or the conversation id of a feeling
    asked: Asked
    reaction: ReactionKind | None = None
    comment: str | None = None
    feeling: Feeling | None = None


class Promises:
    """The door of the spool. Closed (in scripts, which keep no spool), nothing is promised."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.spool: Spool | None = None

    def must_wait(self, target: str) -> bool:
        """Whether promises about this reply or conversation wait: later ones queue behind them."""
        return self.spool is not None and self.spool.holds(target)

    def keep(self, promise: Promise) -> None:
        """Keep it on this machine's disk; it is there when this returns.

        Raises:
            NotFound: the target is malformed, or cannot be this person's.
            Unauthenticated: the person was erased.
            StoreUnavailable: it cannot be kept: no spool, no room, or no key to seal it with.
        """
        if self.spool is None:
            raise StoreUnavailable(retry_after=1.0)
        kind = ids.CONVERSATION if promise.feeling else ids.REPLY
        ids.require(kind, promise.target, promise.user_id)
        now = self._core.clock()
        asked = promise.asked.as_promise(now)
        body = {
            "generation": asked.generation,
            "reaction": promise.reaction,
            "comment": promise.comment,
            "feeling": promise.feeling,
        }
        cipher = self._core.cipher(promise.user_id)
        sealed = cipher.seal(records.dump(body), _place(asked.op, promise.target))
        self.spool.put(Entry(asked.op, promise.user_id, promise.target, asked.at or now, sealed))

    def is_of_nobody(self, entry: Entry) -> bool:
        """Whether the person's key is gone, so that nobody can ever open it (asked anew)."""
        try:
            return self._core.ring.peek(entry.user_id) is None
        except StoreUnavailable:
            return False

    def read(self, entry: Entry) -> Promise:
        """A promise back.

        Raises:
            Unauthenticated: the person was erased meanwhile.
            Unreadable: altered, or of a version that this code does not know.
            StoreUnavailable: the key store is away.
        """
        cipher = self._core.cipher(entry.user_id)
        plain = cipher.open(entry.sealed, _place(entry.op, entry.target))
        return _promise(records.load(plain), entry)


@records.reads
def _promise(record: records.Record, entry: Entry) -> Promise:
    reaction, feeling = record["reaction"], record["feeling"]
    return Promise(
        user_id=entry.user_id,
        target=entry.target,
        asked=Asked(entry.op, entry.at, record["generation"], promised=True),
        reaction=ReactionKind(reaction) if reaction else None,
        comment=record["comment"],
        feeling=Feeling(feeling) if feeling else None,
    )


def _place(op: str, target: str) -> str:
    return f"promise:{op}:{target}"
