"""People's keys wrapped by the master key, and what else follows from it (NIST SP 800-38F, § 3.1).

A wrapped key is `nonce (12 bytes) · AES-256-GCM of the key`, bound to its owner's name. Copies of
the data and of the keys are signed by a keyed hash (HMAC-SHA256, RFC 2104) under a key of its own.
"""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LEDGER_OWNER = "#ledger"  # where a lineage is kept, among the keys
_NONCE_BYTES = 12
_KEY_BYTES, _PRINT_BYTES = 32, 16
_SIGNER_BYTES = _PRINT_BYTES + _KEY_BYTES
_WITH_KEYS = b"\x02"


class WrongMaster(Exception):
    """Another master key wrapped it, or it was altered or moved."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs under one master key, and knows its own signatures.

    `fingerprint`: 32 hex digits that tell that master key from another, and nothing of it.
    """

    fingerprint: str
    key: bytes = field(repr=False)

    def sign(self, statement: bytes) -> str:
        """The signature: 64 hex digits."""
        return hmac.digest(self.key, statement, "sha256").hex()

    def signed(self, statement: bytes, signature: str) -> bool:
        """Whether this is its signature of the statement; compared in constant time."""
        given = signature.encode("utf-8", "surrogatepass")
        return hmac.compare_digest(self.sign(statement).encode(), given)


class Wrapping:
    """Wraps and unwraps by one master key."""

    def __init__(self, master: bytes) -> None:
        self._aead = AESGCM(master)
        self.ledger_key = ledger_key(master)
        name = b"#fingerprint of the master key"
        self.signer = Signer(
            hmac.digest(self.ledger_key, name, "sha256").hex()[: 2 * _PRINT_BYTES],
            hmac.digest(master, b"kindred backup signature 1", "sha256"),
        )

    def wrap(self, owner: str, key: bytes) -> bytes:
        """The wrapped key of an owner."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, key, owner.encode())

    def unwrap(self, owner: str, wrapped: bytes) -> bytes:
        """The owner's key (WrongMaster)."""
        try:
            return self._aead.decrypt(
                wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], owner.encode()
            )
        except (InvalidTag, ValueError):
            raise WrongMaster(owner) from None


def ledger_key(master: bytes) -> bytes:
    """What makes the names in the erasure ledger, of the master key under which it was begun."""
    return hmac.digest(master, b"kindred erasure ledger 1", "sha256")


@dataclass(frozen=True, slots=True)
class Lineage:
    """What outlives a master key: the ledger's key, and what knows the copies of former masters.

    Packed it is the ledger's key, fingerprint and key of each former signer, and a last byte. As an
    earlier release wrote it, when copies were not signed, there were fingerprints alone.
    """

    ledger_key: bytes
    former: tuple[Signer, ...] = ()

    @classmethod
    def opened(cls, wrapping: Wrapping, wrapped: bytes) -> Lineage:
        """As it was packed (WrongMaster)."""
        plain = wrapping.unwrap(LEDGER_OWNER, wrapped)
        former = plain[_KEY_BYTES:]
        if len(former) % _PRINT_BYTES == 0:  # no last byte
            prints = (former[i : i + _PRINT_BYTES] for i in range(0, len(former), _PRINT_BYTES))
            # They signed nothing; keys that nobody has keep it so.
            signers = [Signer(each.hex(), os.urandom(_KEY_BYTES)) for each in prints]
        else:
            pairs = (
                former[i : i + _SIGNER_BYTES] for i in range(0, len(former) - 1, _SIGNER_BYTES)
            )
            signers = [Signer(each[:_PRINT_BYTES].hex(), each[_PRINT_BYTES:]) for each in pairs]
        return cls(plain[:_KEY_BYTES], tuple(signers))

    def packed(self, wrapping: Wrapping) -> bytes:
        """Wrapped like a key."""
        former = b"".join(bytes.fromhex(each.fingerprint) + each.key for each in self.former)
        return wrapping.wrap(LEDGER_OWNER, self.ledger_key + former + _WITH_KEYS)
