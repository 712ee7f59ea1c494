"""What one message speaks of, read by rules: a danger, abuse, a minor's words, tricks.

Rules need nothing but the words, so they read while everything else is down; a message costs some
hundredths of a millisecond. `reader.InputScreen` adds what a learned reader finds beside them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.dialog.lines import BOUNDARY, KEEPS_ITS_PROMPT, STAYS_AN_AI
from app.dialog.safety.abuse import abusive
from app.dialog.safety.crisis.rules import Danger, danger_of
from app.dialog.safety.minors import minor
from app.dialog.safety.tricks import Trick, tricks_of
from app.dialog.safety.words import normalise

__all__ = ["Danger", "Reading", "Trick", "is_crisis"]

_QUOTED = re.compile(r'"[^"]{1,300}"')


@dataclass(frozen=True, slots=True)
class Reading:
    """What the words of one message speak of; read once, asked often.

    `learned` names what the learned reader alone found ("crisis", "abuse", …), for counting.
    """

    danger: Danger | None
    abusive: bool
    minor: bool = False  # the writer says that they are under 18
    tricks: frozenset[Trick] = frozenset()  # never obeyed; to the models they are plain text
    learned: frozenset[str] = frozenset()

    @classmethod
    def of(cls, message: str) -> Reading:
        """Read a message by rules."""
        return cls.of_words(message, normalise(message))

    @classmethod
    def of_words(cls, message: str, plain: str) -> Reading:
        """The same where the message is normalised already."""
        danger = danger_of(plain)
        own = plain if '"' not in message else normalise(_QUOTED.sub(" ", message))
        return cls(
            danger=danger,
            abusive=danger is None and abusive(plain),
            minor=minor(own),  # of an age in quotes nobody knows whose it is
            tricks=tricks_of(message, plain),
        )

    @property
    def crisis(self) -> bool:
        """Whether it speaks of suicide or self-harm, the person's own or another's."""
        return self.danger is not None

    @property
    def boundary(self) -> str | None:
        """What is said instead of an answer to abuse, or to a wish for the prompt or for a lie."""
        if self.abusive:
            return BOUNDARY
        if Trick.HUMAN in self.tricks:
            return STAYS_AN_AI
        return KEEPS_ITS_PROMPT if Trick.PROMPT in self.tricks else None

    @property
    def categories(self) -> tuple[str, ...]:
        """What is counted of it: crisis, abuse, minor, and each trick by its name."""
        found = {"crisis": self.crisis, "abuse": self.abusive, "minor": self.minor}
        tricks = sorted(f"trick-{trick}" for trick in self.tricks)
        return (*(name for name, is_one in found.items() if is_one), *tricks)


def is_crisis(text: str) -> bool:
    """Whether the words alone speak of suicide or self-harm, the person's own or another's."""
    return danger_of(normalise(text)) is not None
