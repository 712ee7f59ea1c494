"""Where the people's data keys are kept: apart from the data, wrapped by a master key.

Erasing a person means deleting their key: without it a copy of the data, wherever it lies, says
nothing ("crypto-shredding"). A line in the erasure ledger goes first (see `ledger`), and the key
store keeps the names of the erasures that were applied to it: a copy of it that was put back lacks
the later ones, and so shows whose keys must go again.

A sqlite file (`var/keys/keys.sqlite`, see `sqlite_keys`) serves one machine; another Redis
(`KINDRED_KEYSTORE_URL`, see `redis_keys`) serves several.
"""

from __future__ import annotations

import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from app.errors import StartupError, StoreUnavailable
from app.store.privacy.ledger import Ledger
from app.store.sealing.codec import KEY_BYTES, Cipher
from app.store.sealing.wrapping import LEDGER_OWNER, Lineage, Signer, Wrapping, WrongMaster

CHECK_OWNER = "#check"  # a key that every master key must be able to unwrap
_CACHE_SECONDS = 30.0
_CACHE_SIZE = 20_000
_NAME = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One owner's wrapped key, and when it was last used (Unix seconds, to about a day)."""

    owner: str
    wrapped: bytes
    used_at: float


class KeyStore(Protocol):
    """Wrapped keys by owner, and the names of the erasures that were applied to them."""

    def add(self, owner: str, wrapped: bytes, now: float) -> bytes:
        """Keep this key, unless the owner has one; the one that is kept."""

    def get(self, owner: str, now: float) -> bytes | None:
        """The owner's wrapped key; keeps it from being pruned, unless `now` is 0."""

    def remove(self, owner: str) -> None:
        """Delete the owner's key, if any."""

    def rows(self) -> Iterator[KeyRow]:
        """Every key there is; those made meanwhile may be missing."""

    def put(self, row: KeyRow, now: float) -> None:
        """Keep this key in the place of any other of its owner, as if used when it was."""

    def scrub(self) -> None:
        """Let what was removed or replaced leave the files too, as far as the store can."""

    def record_erasures(self, names: Mapping[str, float]) -> None:
        """Note erasures by their names in the ledger, once their keys are gone."""

    def erasures(self) -> dict[str, float]:
        """The erasures noted here: name → Unix seconds."""

    def drop_erasures(self, names: Iterable[str]) -> None:
        """Take notes back."""

    def prune(self, now: float) -> None:
        """Delete the keys (and notes of erasures) of which no data can be left."""

    def close(self) -> None:
        """Let go of files and connections."""


class KeyRing:
    """Unwraps keys into ciphers and keeps the lately used ones for half a minute.

    Another worker may thus hold an erased person's cipher that long; the scripts refuse the
    person's state all the same.
    """

    def __init__(
        self,
        store: KeyStore,
        ledger: Ledger,
        master: bytes,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.ledger = ledger
        self._wrapping = Wrapping(master)
        self._clock = clock
        self._cache: OrderedDict[str, tuple[float, Cipher]] = OrderedDict()
        self._check_master()
        self._follow(self.store.get(LEDGER_OWNER, 0.0))
        self.replay()

    @property
    def signer(self) -> Signer:
        """Signs copies under the master key, and tells it from another by its fingerprint."""
        return self._wrapping.signer

    def create(self, owner: str) -> Cipher:
        """The owner's cipher; its key is made where there is none."""
        fresh = self._wrapping.wrap(owner, secrets.token_bytes(KEY_BYTES))
        return self._remember(owner, self.store.add(owner, fresh, self._clock()))

    def cipher(self, owner: str) -> Cipher | None:
        """The owner's cipher, or None: never made, erased, or too long unused."""
        cached = self._cache.get(owner)
        if cached is not None and cached[0] > time.monotonic():
            return cached[1]
        wrapped = self.store.get(owner, self._clock())
        if wrapped is None:
            self._cache.pop(owner, None)
            return None
        return self._remember(owner, wrapped)

    def peek(self, owner: str) -> Cipher | None:
        """As `cipher`, asked anew and without keeping the key from being pruned.

        For reading what was exported: training on somebody's texts must not lengthen the time
        for which they are kept.
        """
        wrapped = self.store.get(owner, 0.0)
        return None if wrapped is None else self._opened(owner, wrapped)

    def create_once(self, owner: str) -> Cipher:
        """The owner's cipher, made at the first question; for owners who are no people."""
        return self.cipher(owner) or self.create(owner)

    def erase(self, owner: str) -> str:
        """Delete the owner's key for good; the name of the erasure in the ledger.

        The ledger's line comes first and the key store's note last: whatever is interrupted in
        between is completed by the next `replay`. What the key sealed is unreadable from now on.
        """
        now = self._clock()
        name = self.ledger.record(owner, now)
        self.discard(owner)
        self.store.record_erasures({name: now})
        return name

    def discard(self, owner: str) -> None:
        """Delete the owner's key and nothing else; a backup of the keys would bring it back."""
        self.store.remove(owner)
        self._cache.pop(owner, None)

    def erased(self) -> dict[str, float]:
        """Every erasure: its name in the ledger, and when (Unix seconds)."""
        return self.ledger.lines()

    def replay(self) -> int:
        """Delete again the keys of the erased that an older copy of the key store brought back.

        Returns how many they were. Where the key store's notes say that every line of the ledger
        was applied, nothing is looked at.
        """
        noted = self.store.erasures()
        # What an earlier release noted were the ids themselves.
        clear = {owner: at for owner, at in noted.items() if not _NAME.fullmatch(owner)}
        theirs = {name: at for name, at in noted.items() if name not in clear}
        self.ledger.merge(theirs | {self.ledger.name(owner): at for owner, at in clear.items()})
        lines = self.ledger.lines()
        missing = {name: at for name, at in lines.items() if name not in theirs}
        back = 0
        if missing:
            for owner in [row.owner for row in self.store.rows()]:
                if self.ledger.name(owner) in lines:
                    self.discard(owner)
                    back += 1
            self.store.record_erasures(missing)
        self.store.drop_erasures(clear)
        return back

    def restore(self, rows: Iterable[KeyRow]) -> int:
        """Take keys from a backup, but for those of people erased since; how many were left out.

        Raises:
            StartupError: they were wrapped by another master key; none is taken.
        """
        rows = list(rows)
        self.require_ours(rows)
        self._follow(next((row.wrapped for row in rows if row.owner == LEDGER_OWNER), None))
        lines = self.erased()
        wanted = [row for row in rows if self.ledger.name(row.owner) not in lines]
        for row in wanted:
            self.store.put(row, self._clock())
        self._cache.clear()
        return len(rows) - len(wanted)

    def require_ours(self, rows: Iterable[KeyRow]) -> None:
        """Refuse keys that another master key wrapped (StartupError)."""
        try:
            for row in rows:
                self._wrapping.unwrap(row.owner, row.wrapped)
        except WrongMaster:
            raise StartupError(
                "KINDRED_MASTER_KEY (or var/master_key) is not the key that wrapped these keys"
            ) from None

    def signers(self, rows: Iterable[KeyRow] = ()) -> dict[str, Signer]:
        """By fingerprint, who signed copies under this master key or one that it replaced.

        Args:
            rows: keys about to be restored, which may tell of masters that this store forgot.
        """
        told = [row.wrapped for row in rows if row.owner == LEDGER_OWNER]
        told += [wrapped for wrapped in [self.store.get(LEDGER_OWNER, 0.0)] if wrapped]
        former = [each for one in told for each in Lineage.opened(self._wrapping, one).former]
        return {each.fingerprint: each for each in (*former, self.signer)}

    def _follow(self, lineage: bytes | None) -> None:
        """Name the erased as ever: where the master was replaced, its first one named them."""
        if lineage is not None:
            self.ledger.rekey(Lineage.opened(self._wrapping, lineage).ledger_key)

    def _remember(self, owner: str, wrapped: bytes) -> Cipher:
        cipher = self._opened(owner, wrapped)
        self._cache[owner] = (time.monotonic() + _CACHE_SECONDS, cipher)
        self._cache.move_to_end(owner)
        while len(self._cache) > _CACHE_SIZE:
            self._cache.popitem(last=False)
        return cipher

    def _opened(self, owner: str, wrapped: bytes) -> Cipher:
        try:
            return Cipher(self._wrapping.unwrap(owner, wrapped))
        except WrongMaster:  # replaced while this process ran, or the row was altered
            raise StoreUnavailable("A key does not open under this master key") from None

    def _check_master(self) -> None:
        wrapped = self.store.get(CHECK_OWNER, self._clock())
        try:
            if wrapped is None:
                self.create(CHECK_OWNER)
            else:
                self._wrapping.unwrap(CHECK_OWNER, wrapped)
        except WrongMaster:
            raise StartupError(
                "KINDRED_MASTER_KEY (or var/master_key) is not the key that this key store was "
                "made with; put the right one back"
            ) from None
