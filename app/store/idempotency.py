"""Stored responses for any POST (chat turns have theirs inside begin and finish).

IETF draft-ietf-httpapi-idempotency-key-header: same key and body, the stored response again; same
key, other body, 422; the first still in flight, 409.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from app.errors import IdempotencyMismatch, InFlight, StoreUnavailable, Unauthenticated
from app.store import ids, keys, records
from app.store.core import LEASE_SECONDS, Core
from app.store.link.client import Argument
from app.store.sealing.codec import Cipher, Unreadable

_OURS = "#responses"  # owner of the key that seals responses to callers who are no person


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response as it was first given."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Idempotency:
    """Claims keys within a scope: a user id, or any name of a caller."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def begin(
        self, scope: str, key: str, fingerprint: str, attempt: str = ""
    ) -> StoredResponse | None:
        """Claim the key for 30 seconds; None: go on, and `finish` or `abandon` it.

        `attempt` names the claim, so that only it can be abandoned: any fresh random word.

        Raises:
            IdempotencyMismatch, InFlight: see `errors`.
            Unauthenticated: the scope is a person who is unknown or erased.
            StoreUnavailable: Redis or the key store is away.
        """
        cipher, names = self._place(scope, key)
        now = self._core.clock()
        ttl = self._core.idempotency_ttl
        arguments: list[Argument] = [now, cipher.digest(fingerprint), LEASE_SECONDS, ttl, attempt]
        answer = self._core.client.run("claim", names, arguments)
        if answer[0] == b"unauthenticated":
            raise Unauthenticated
        if answer[0] == b"mismatch":
            raise IdempotencyMismatch
        if answer[0] == b"in-flight":
            raise InFlight(retry_after=max(1.0, float(answer[1]) - now))
        return self._open(cipher, scope, answer[1]) if answer[0] == b"stored" else None

    def finish(
        self, scope: str, key: str, fingerprint: str, response: StoredResponse
    ) -> StoredResponse:
        """Store the response; the one that counts (another attempt's, where it was first).

        An attempt that outlived its claim is heard too: what it did has happened, so that the one
        that followed it gives the same response.

        Raises:
            Unauthenticated: the scope is a person who was erased meanwhile.
            StoreUnavailable: Redis or the key store is away.
        """
        cipher, names = self._place(scope, key)
        arguments: list[Argument] = [
            cipher.digest(fingerprint),
            _seal(cipher, scope, response),
            self._core.idempotency_ttl,
            self._core.clock(),
        ]
        answer = self._core.client.run("answer", names, arguments)
        if answer[0] == b"unauthenticated":
            raise Unauthenticated
        return self._open(cipher, scope, answer[1]) if answer[0] == b"stored" else response

    def abandon(self, scope: str, key: str, attempt: str = "") -> None:
        """Let a retry with this key run at once, unless one has claimed the key already."""
        self._core.client.run("abandon", self._place(scope, key)[1][:1], [attempt])

    def _place(self, scope: str, key: str) -> tuple[Cipher, list[str]]:
        """The cipher of the scope, and the KEYS: the record, and a person's own two."""
        if ids.valid(ids.PERSON, scope):
            theirs = keys.PersonKeys(scope)
            names = [theirs.idempotency(f"r:{key}"), theirs.person, theirs.owned]
            return self._core.cipher(scope), names
        spread = int.from_bytes(hashlib.sha256(scope.encode()).digest()[:4], "big")
        partition = spread % self._core.settings.partitions
        record = keys.idempotency(partition, scope, f"r:{key}")
        return self._core.ring.create_once(_OURS), [record]

    def _open(self, cipher: Cipher, scope: str, sealed: bytes) -> StoredResponse:
        try:
            return _response(records.load(cipher.open(sealed, f"response:{scope}")))
        except Unreadable:
            self._core.unreadable()
            raise StoreUnavailable("The stored response cannot be read") from None


def _seal(cipher: Cipher, scope: str, response: StoredResponse) -> bytes:
    record = {
        "status": response.status,
        "headers": dict(response.headers),
        "body": base64.b64encode(response.body).decode("ascii"),
    }
    return cipher.seal(records.dump(record), f"response:{scope}")


@records.reads
def _response(record: records.Record) -> StoredResponse:
    return StoredResponse(record["status"], record["headers"], base64.b64decode(record["body"]))
