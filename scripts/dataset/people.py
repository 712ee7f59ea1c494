"""People in the dataset: a keyed hash to join by, and the sealed id that finds their key.

The dataset has a key of its own in the key store (owner `#dataset`), which makes the hashes and
seals the ids; without the key store a row says nothing of who it is about. Deleting a person's own
key makes every text of theirs in the dataset unreadable, wherever a copy of it lies.
"""

from __future__ import annotations

from app.store.privacy.personal import DATASET as OWNER
from app.store.privacy.personal import dataset_name
from app.store.sealing.codec import Cipher, Unreadable
from app.store.sealing.keystore import KeyRing

_REMEMBERED = 50_000  # people whose cipher is kept while a dataset is read


class People:
    """Hashes, seals and opens the people of a dataset; asks the key store once for each."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._cipher = ring.create_once(OWNER)
        self._sealed: dict[str, bytes] = {}
        self._ciphers: dict[str, Cipher | None] = {}
        self._erased: dict[str, float] = {}

    @property
    def fingerprint(self) -> str:
        """32 hex digits that tell one dataset key from another."""
        return self._cipher.digest("fingerprint")

    def hash(self, user_id: str) -> str:
        """The person's keyed hash: 32 hex digits, the same in every row of this dataset key."""
        return dataset_name(self._cipher, user_id)

    def seal(self, user_id: str) -> bytes:
        """The person's id, sealed by the dataset's key."""
        if user_id not in self._sealed:
            _bound(self._sealed)
            self._sealed[user_id] = self._cipher.seal(user_id.encode(), OWNER)
        return self._sealed[user_id]

    def user_id(self, owner: bytes) -> str:
        """Whose rows carry this sealed id (Unreadable: sealed by another dataset key)."""
        return self._cipher.open(owner, OWNER).decode()

    def key_of(self, user_id: str) -> Cipher | None:
        """The person's cipher; None where it was deleted. Does not lengthen the key's life."""
        if user_id not in self._ciphers:
            _bound(self._ciphers)
            self._ciphers[user_id] = self._ring.peek(user_id)
        return self._ciphers[user_id]

    def key_behind(self, owner: bytes) -> Cipher | None:
        """The cipher of whoever this sealed id names; None where either key is gone."""
        try:
            return self.key_of(self.user_id(owner))
        except Unreadable:
            return None

    def erased_owner(self, owner: bytes) -> bool:
        """Whether this sealed id names somebody whom the erasure ledger knows."""
        try:
            name = self._ring.ledger.name(self.user_id(owner))
        except Unreadable:
            return False
        return name in self._erased

    def read_ledger(self) -> int:
        """Take in who was erased by now; how many those are."""
        self._erased = self._ring.erased()
        return len(self._erased)

    def forget(self) -> None:
        """Ask the key store again from now on: someone may have been erased meanwhile."""
        self._ciphers.clear()


def _bound(kept: dict[str, bytes] | dict[str, Cipher | None]) -> None:
    if len(kept) >= _REMEMBERED:
        kept.clear()
