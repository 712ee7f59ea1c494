"""How the rules of the output screen are written: phrases, each behind stems that it must hold."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from dataclasses import dataclass


def folded(text: str) -> str:
    """The spelling that the phrases are written for: lower case, compatible forms as one."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")


@dataclass(frozen=True, slots=True)
class Phrase:
    """An expression, looked for only where one of its stems is there: a tenth of the time."""

    stems: tuple[str, ...]
    pattern: re.Pattern[str]

    def finds(self, lower: str) -> bool:
        """Whether folded text holds it."""
        return any(stem in lower for stem in self.stems) and self.pattern.search(lower) is not None


@dataclass(frozen=True, slots=True)
class Rule:
    """A reason, and the phrases for any of which a text is kept back."""

    reason: str
    phrases: tuple[Phrase, ...]

    @classmethod
    def of(cls, reason: str, lines: str) -> Rule:
        r"""A rule of lines `stem, stem ~ expression`, in lower case, on word borders.

        A line that is indented by two spaces goes on with the one before it; `_` stands for a
        space in a stem.
        """
        phrases = []
        for line in _joined(lines):
            stems, _, pattern = line.partition(" ~ ")
            wanted = tuple(stem.strip(" ").replace("_", " ") for stem in stems.split(","))
            phrases.append(Phrase(wanted, re.compile(rf"\b(?:{pattern})(?!\w)")))
        return cls(reason, tuple(phrases))

    def finds(self, lower: str) -> bool:
        """Whether folded text holds any of the phrases."""
        return any(phrase.finds(lower) for phrase in self.phrases)


def _joined(lines: str) -> list[str]:
    found: list[str] = []
    for line in textwrap.dedent(lines).strip().splitlines():
        if line.startswith("  "):
            found[-1] += line[2:]
        else:
            found.append(line)
    return found
