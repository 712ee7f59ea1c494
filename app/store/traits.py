"""What is known of a person beside their facts, sealed in one field that everybody has.

That the field is there tells nothing, and neither does its length.
"""

from __future__ import annotations

from app.store.core import Core
from app.store.sealing.codec import Cipher, Unreadable

_MINOR, _NOT_SAID = b"minor=1", b"minor=0"  # of one length


def seal(cipher: Cipher, user_id: str, *, minor: bool) -> bytes:
    """The sealed field; `minor`: the person said that they are under 18."""
    return cipher.seal(_MINOR if minor else _NOT_SAID, _where(user_id))


def minor(core: Core, cipher: Cipher, user_id: str, sealed: bytes) -> bool:
    """Whether the person ever said so; where it cannot be read, they are treated as if."""
    try:
        return cipher.open(sealed, _where(user_id)) != _NOT_SAID
    except Unreadable:
        core.unreadable()
        return True


def _where(user_id: str) -> str:
    return f"traits:{user_id}"
