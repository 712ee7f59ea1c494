"""Who holds an API key. Wrong ones are counted per address, and then not even looked at.

Records are kept in this process for two seconds, so that a revoked key stops everywhere within that
time. While Redis is away a key that was good goes on for ten minutes: nobody can revoke it then,
and whoever watches the outage needs the metrics.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass

from app.errors import NotFound, StartupError, StoreUnavailable, Unauthenticated
from app.store.access.api_keys import ApiKey, Scope, split
from app.store.access.sessions import Session
from app.store.store import Store
from app.web.auth import Holder
from app.web.limits import Quota

BOOTSTRAP = "bootstrap"  # the key of KINDRED_ADMIN_KEY or var/admin_key: it may do everything
_KEY_CHARS_MIN = 20
_FRESH_SECONDS = 2.0
_STALE_SECONDS = 600.0
_PROVEN_SECONDS = 600.0  # a key that was good is not refused for others' wrong ones
_MOST = 4_096


@dataclass(frozen=True, slots=True)
class _Kept:
    record: ApiKey | None
    read_at: float


class KeyHolders:
    """Checks keys; `wrong` counts the wrong ones by address."""

    def __init__(
        self,
        store: Store,
        admin_key: str,
        secret: str,
        wrong: Quota,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if len(admin_key) < _KEY_CHARS_MIN:
            raise StartupError(
                f"KINDRED_ADMIN_KEY: at least {_KEY_CHARS_MIN} characters, hard to guess"
            )
        self._store = store
        self._admin = _digest(admin_key)
        # What sessions keep of it: with the secret, since people may have chosen the key.
        self._admin_proof = hmac.new(secret.encode(), self._admin, hashlib.sha256).hexdigest()
        self._wrong = wrong
        self._clock = clock
        self._records: dict[str, _Kept] = {}
        self._proven: dict[bytes, float] = {}
        self._asked: dict[str, Counter[bytes]] = {}  # by address, the keys that are being looked up
        self._days: dict[str, str] = {}  # the day on which this process noted a key's use

    def holder(self, text: str, address: str) -> Holder:
        """Who shows this key.

        Raises:
            Unauthenticated: it does not hold.
            Exceeded: too many wrong ones came from this address.
            StoreUnavailable: Redis is away.
        """
        name = _digest(text)
        proven = self._proven.get(name, float("-inf")) > self._clock()
        with nullcontext(0) if proven else self._unproven(name, address) as others:
            if not proven:
                self._wrong.check(address, others)
            found = self._look_up(text, name)
            if found is None:
                self._proven.pop(name, None)
                self._wrong.take(address)
                raise Unauthenticated("This key does not hold.")
        _bound(self._proven)
        self._proven[name] = self._clock() + _PROVEN_SECONDS
        return found

    @contextmanager
    def _unproven(self, name: bytes, address: str) -> Iterator[int]:
        """While a key is looked up: how many other ones of this address are at that moment.

        They may all be wrong, and are counted only then: many that come at once would each find
        the quota untouched. A program that shows its one key in many requests is one.
        """
        here = self._asked.setdefault(address, Counter())
        here[name] += 1
        try:
            yield len(here) - 1
        finally:
            here[name] -= 1
            if not here[name]:
                del here[name]
            if not here:
                self._asked.pop(address, None)

    def of_session(self, session: Session) -> Holder | None:
        """Who opened a session; None where the secret that opened it holds no longer."""
        if session.key == BOOTSTRAP:
            same = hmac.compare_digest(session.proof, self._admin_proof)
            return self._bootstrap() if same else None
        record = self._record(session.key)
        if record is None or not record.holds(session.proof, time.time()):
            return None
        return _holder(record, session.proof)

    def _look_up(self, text: str, name: bytes) -> Holder | None:
        if hmac.compare_digest(name, self._admin):
            return self._bootstrap()
        parts = split(text)
        if parts is None:
            return None
        prefix, proof = parts
        record = self._record(prefix)
        if record is None or not record.holds(proof, time.time()):
            return None
        self._note(record)
        return _holder(record, proof)

    def _record(self, prefix: str) -> ApiKey | None:
        now = self._clock()
        kept = self._records.get(prefix)
        if kept is not None and now - kept.read_at < _FRESH_SECONDS:
            return kept.record
        try:
            record = self._store.api_keys.find(prefix)
        except NotFound:
            record = None
        except StoreUnavailable:
            if kept is not None and kept.record and now - kept.read_at < _STALE_SECONDS:
                return kept.record
            raise
        _bound(self._records)
        self._records[prefix] = _Kept(record, now)
        return record

    def _note(self, record: ApiKey) -> None:
        """Its last day of use: written once a day, and not worth a failure."""
        today = time.strftime("%Y-%m-%d", time.gmtime())
        if self._days.get(record.prefix) != today:
            self._days[record.prefix] = today
            with suppress(StoreUnavailable):
                self._store.api_keys.used(record)

    def _bootstrap(self) -> Holder:
        return Holder(BOOTSTRAP, "the bootstrap key", frozenset(Scope), self._admin_proof)


def _holder(record: ApiKey, proof: str) -> Holder:
    return Holder(record.prefix, record.name, record.scopes, proof)


def _bound(kept: dict[str, _Kept] | dict[bytes, float]) -> None:
    if len(kept) >= _MOST:
        del kept[next(iter(kept))]  # type: ignore[arg-type]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
