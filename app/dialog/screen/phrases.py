"""How the rules of the output screen are written: a reason and the phrases that give it."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from dataclasses import dataclass

from app.dialog.screen.stems import stems_of


def folded(text: str) -> str:
    """The spelling that the phrases are written for: lower case, compatible forms as one."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")


@dataclass(frozen=True, slots=True)
class Phrase:
    """An expression, looked for only where one of the stems is there that any match holds."""

    stems: tuple[str, ...]  # empty: it is always looked for
    pattern: re.Pattern[str]

    @classmethod
    def of(cls, expression: str) -> Phrase:
        """A phrase of whole words, in lower case."""
        whole = rf"\b(?:{expression})(?!\w)"
        return cls(stems_of(whole), re.compile(whole))

    def finds(self, lower: str) -> bool:
        """Whether folded text holds it."""
        if self.stems and not any(stem in lower for stem in self.stems):
            return False
        return self.pattern.search(lower) is not None


@dataclass(frozen=True, slots=True)
class Rule:
    """A reason, and the phrases for any of which a text is kept back."""

    reason: str
    phrases: tuple[Phrase, ...]

    @classmethod
    def of(cls, reason: str, lines: str) -> Rule:
        """A rule of expressions, one a line; a line that is indented goes on with the one before.

        Two spaces of the indent fall away, so that a third one is a space of the expression.
        """
        return cls(reason, tuple(map(Phrase.of, _joined(lines))))

    def finds(self, lower: str) -> bool:
        """Whether folded text holds any of the phrases."""
        return any(phrase.finds(lower) for phrase in self.phrases)


def _joined(lines: str) -> list[str]:
    found: list[str] = []
    for line in textwrap.dedent(lines).strip("\n").rstrip().splitlines():
        if line.startswith("  "):
            found[-1] += line[2:]
        else:
            found.append(line)
    return found
