"""Small changes to a text that leave its meaning: slips of the finger, lost marks, joined lines.

Texts of few authors are read again and again in training; changed a little each time, they teach
the words and not the exact line.
"""

from __future__ import annotations

import random

_NEIGHBOURS = {
    here: f"{left}{right}".strip()
    for row in (" qwertyuiop ", " asdfghjkl ", " zxcvbnm ")
    for left, here, right in zip(row, row[1:], row[2:], strict=False)
}
_SHORT = 3  # letters: shorter words are left as they are
_MARKS = str.maketrans("", "", ".,!?;:'\"")


def slipped(text: str, chance: random.Random, share: float) -> str:
    """The text with about `share` of its words mistyped, each by one letter."""
    words = text.split(" ")
    for place, word in enumerate(words):
        if len(word) > _SHORT and word.isalpha() and chance.random() < share:
            words[place] = _mistyped(word, chance)
    return " ".join(words)


def plainer(text: str, chance: random.Random) -> str:
    """The text without its marks, or with single ones lost."""
    if chance.random() < 0.5:
        return text.translate(_MARKS)
    return "".join(c for c in text if c.isalnum() or c.isspace() or chance.random() < 0.5)


def fewer_words(text: str, chance: random.Random, share: float) -> str:
    """The text with about `share` of its words left out; a short one stays whole."""
    words = text.split(" ")
    if len(words) <= 2 * _SHORT:
        return text
    return " ".join(word for word in words if chance.random() >= share) or text


def _mistyped(word: str, chance: random.Random) -> str:
    place = chance.randrange(1, len(word) - 1)
    how = chance.randrange(4)
    if how == 0:  # two letters change places
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    if how == 1:  # one is lost
        return word[:place] + word[place + 1 :]
    if how == 2:  # one comes twice
        return word[:place] + word[place] + word[place:]
    near = _NEIGHBOURS.get(word[place].lower())
    return word if not near else word[:place] + chance.choice(near) + word[place + 1 :]
