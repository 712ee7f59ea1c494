"""How people felt after a conversation: a word that only their key tells from the others.

It is kept as a keyed digest of the conversation and the word: of one length whatever it says, and
the same for the same word, so that a script sees whether it has changed without knowing what it is.
"""

from __future__ import annotations

from app.domain import Feeling
from app.store.sealing.codec import Cipher, Unreadable


def hidden(cipher: Cipher, conversation_id: str, word: str) -> str:
    """The word as it is kept: 32 hex digits."""
    return cipher.digest(f"feeling:{conversation_id}:{word}")


def shown(cipher: Cipher, conversation_id: str, kept: bytes | None) -> Feeling | None:
    """What was felt; None for nothing. Earlier releases kept the word itself.

    Raises:
        Unreadable: another key's, another conversation's, or of a release that knows more words.
    """
    if not kept:
        return None
    for feeling in Feeling:
        if kept in (feeling.encode(), hidden(cipher, conversation_id, feeling).encode()):
            return feeling
    raise Unreadable(f"feeling:{conversation_id}")
