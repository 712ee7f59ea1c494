"""Texts sealed at rest: AES-256-GCM under a key of the person's own (NIST SP 800-38D).

A sealed value is `version (1 byte) · nonce (12) · ciphertext and tag`. Version 2 was compressed
before sealing. The additional data names the kind and the place (and the version), so that a value
moved elsewhere does not open.
"""

from __future__ import annotations

import hmac
import os
import zlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12
_PLAIN, _DEFLATED = b"\x01", b"\x02"
_DEFLATE_FROM = 1_024  # bytes; shorter texts gain nothing
_INFLATED_MAX = 16 * 1024 * 1024


class Unreadable(Exception):
    """A sealed value that this key does not open: altered, moved, or another key's."""


class Cipher:
    """Seals and opens the values of one owner, and digests names that must not be read."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
        # Two keys from one, so that digests say nothing about the sealing key.
        self._aead = AESGCM(hmac.digest(key, b"kindred seal 1", "sha256"))
        self._index = hmac.digest(key, b"kindred index 1", "sha256")

    def seal(self, plain: bytes, where: str) -> bytes:
        """The sealed value; `where` names its kind and place and must be given to open it."""
        version = _PLAIN
        if len(plain) >= _DEFLATE_FROM:
            version, plain = _DEFLATED, zlib.compress(plain, 1)
        nonce = os.urandom(_NONCE_BYTES)
        return version + nonce + self._aead.encrypt(nonce, plain, version + where.encode())

    def open(self, sealed: bytes, where: str) -> bytes:
        """What was sealed.

        Raises:
            Unreadable: not sealed by this key for this place.
        """
        version, nonce, body = sealed[:1], sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if version not in (_PLAIN, _DEFLATED) or len(nonce) != _NONCE_BYTES:
            raise Unreadable(where)
        try:
            plain = self._aead.decrypt(nonce, body, version + where.encode())
        except InvalidTag:
            raise Unreadable(where) from None
        if version == _PLAIN:
            return plain
        return zlib.decompressobj().decompress(plain, _INFLATED_MAX)

    def digest(self, text: str) -> str:
        """32 hex digits that stand for a text among this owner's, and tell nothing of it."""
        data = text.encode("utf-8", "surrogatepass")
        return hmac.digest(self._index, data, "sha256").hex()[:32]


def estimate_tokens(text: str) -> int:
    """About how many byte-level BPE tokens a text has: one for four bytes of UTF-8, at least 1."""
    return 1 + len(text.encode("utf-8", "surrogatepass")) // 4
