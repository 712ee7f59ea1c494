"""People's keys wrapped by the master key, and what else follows from it (NIST SP 800-38F, § 3.1).

A wrapped key is `nonce (12 bytes) · AES-256-GCM of the key`, bound to its owner's name.
"""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LEDGER_OWNER = "#ledger"  # where a lineage is kept, among the keys
_NONCE_BYTES = 12
_KEY_BYTES, _PRINT_BYTES = 32, 16


class WrongMaster(Exception):
    """Another master key wrapped it, or it was altered or moved."""


class Wrapping:
    """Wraps and unwraps by one master key."""

    def __init__(self, master: bytes) -> None:
        self._aead = AESGCM(master)
        self.ledger_key = ledger_key(master)

    @property
    def fingerprint(self) -> str:
        """32 hex digits that tell this master key from another, and nothing of it."""
        name = b"#fingerprint of the master key"
        return hmac.digest(self.ledger_key, name, "sha256").hex()[:32]

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
    """What outlives a master key: the ledger's key, and the fingerprints of former masters."""

    ledger_key: bytes
    former: tuple[str, ...] = ()

    @classmethod
    def opened(cls, wrapping: Wrapping, wrapped: bytes) -> Lineage:
        """As it was packed (WrongMaster)."""
        plain = wrapping.unwrap(LEDGER_OWNER, wrapped)
        prints = plain[_KEY_BYTES:]
        return cls(
            plain[:_KEY_BYTES],
            tuple(prints[i : i + _PRINT_BYTES].hex() for i in range(0, len(prints), _PRINT_BYTES)),
        )

    def packed(self, wrapping: Wrapping) -> bytes:
        """Wrapped like a key."""
        plain = self.ledger_key + b"".join(map(bytes.fromhex, self.former))
        return wrapping.wrap(LEDGER_OWNER, plain)
