"""Opaque cursors: what the store says of the next page, signed, so that only ours come back."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from app.errors import FieldError, InputError

_MAC_BYTES = 9


class Cursors:
    """Seals cursors for one listing of one caller each."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"kindred cursor\0" + secret.encode()).digest()

    def seal(self, place: str, cursor: str | None) -> str | None:
        """The cursor as the caller sees it; `place` names the listing and its owner."""
        if cursor is None:
            return None
        data = cursor.encode()
        return base64.urlsafe_b64encode(self._mac(place, data) + data).decode().rstrip("=")

    def open(self, place: str, text: str | None) -> str | None:
        """The store's cursor back (InputError: it is none of ours, or of another listing)."""
        if text is None:
            return None
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise _unknown() from None
        mac, data = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(place, data)):
            raise _unknown()
        return data.decode()

    def _mac(self, place: str, data: bytes) -> bytes:
        message = place.encode() + b"\0" + data
        return hmac.new(self._key, message, hashlib.sha256).digest()[:_MAC_BYTES]


def _unknown() -> InputError:
    return InputError(
        "/cursor: not a cursor of this listing", [FieldError("not a cursor of ours", "/cursor")]
    )
