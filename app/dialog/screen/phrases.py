"""How the rules of the output screen are written, and how they are looked for together."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.dialog.screen.stems import stems_of

_HEAD = 3  # characters by which stems are found in a text


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


class Lexicon:
    """The phrases of many rules: one pass over a text tells which of them are worth a look."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._phrases = [(rule.reason, phrase) for rule in rules for phrase in rule.phrases]
        self._heads: dict[str, list[tuple[str, int]]] = {}
        self._short: list[tuple[str, int]] = []  # stems that are shorter than a head
        self._always: set[int] = set()
        for place, (_, phrase) in enumerate(self._phrases):
            if not phrase.stems:
                self._always.add(place)
            for stem in phrase.stems:
                long = len(stem) >= _HEAD
                known = self._heads.setdefault(stem[:_HEAD], []) if long else self._short
                known.append((stem, place))

    def reasons(self, lower: str) -> Iterator[str]:
        """Each reason of which folded text holds a phrase, once."""
        found: set[str] = set()
        for place in sorted(self._worth_a_look(lower)):
            reason, phrase = self._phrases[place]
            if reason not in found and phrase.pattern.search(lower) is not None:
                found.add(reason)
                yield reason

    def _worth_a_look(self, lower: str) -> set[int]:
        places = set(self._always)
        for stem, place in self._short:
            if stem in lower:
                places.add(place)
        heads = {lower[i : i + _HEAD] for i in range(len(lower) - _HEAD + 1)}
        for head in heads & self._heads.keys():
            for stem, place in self._heads[head]:
                if place not in places and stem in lower:
                    places.add(place)
        return places


def _joined(lines: str) -> list[str]:
    found: list[str] = []
    for line in textwrap.dedent(lines).strip("\n").rstrip().splitlines():
        if line.startswith("  "):
            found[-1] += line[2:]
        else:
            found.append(line)
    return found
