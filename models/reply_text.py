"""What a generated text must be to count as a reply at all."""

from __future__ import annotations

import re

_SENTENCE_END = re.compile(r"^.*[.!?…](?:[\"')\]]+)?(?=\s|$)", re.S)


def last_sentence(text: str) -> str:
    """`text` up to the end of its last whole sentence; all of it if it has none."""
    match = _SENTENCE_END.match(text)
    return match[0] if match else text


def is_ill(text: str) -> bool:
    """Whether a text is no reply: no word, broken bytes, or the same few words over and over."""
    if "\ufffd" in text or not any(character.isalnum() for character in text):
        return True
    words = text.lower().split()
    longest = max(len(word) for word in words)
    return longest > 40 or (len(words) >= 8 and len(set(words)) / len(words) < 0.4)
