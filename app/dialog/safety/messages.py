"""The input screen: crisis and abuse are answered first, by words alone, in microseconds.

It errs on the side of care: a message that may speak of suicide or self-harm is answered with
where to find help, also where it jokes or quotes. A message without a single stem of the rules is
let through at once; the phrases are in `means`, `despair` (danger)
and `phrases` (what turns an alarm aside).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from app.dialog.lines import BOUNDARY, CRISIS, CRISIS_CONTINUED, CRISIS_LOSS, CRISIS_OTHER
from app.dialog.safety import phrases as rules
from app.dialog.safety.despair import DESPAIR
from app.dialog.safety.means import MEANS
from app.dialog.safety.words import normalise

_WORDS_BEFORE = 8  # a subject is looked for so many words before a phrase
_NEAR = 120  # characters that hold those words
_LOSS_BEFORE = 40  # characters: "lost my best friend to" stands before "suicide"
_LOSS_AFTER = 12  # and "note" after it
_INTENTS = frozenset({"wants", "tries", "hopes", "prays", "plans", "deserves", "wishes"})
_LOOSE = frozenset({"ready", "going", "trying", "about", "supposed", "meant", "planning"})
_FAMILIES = (*MEANS, *DESPAIR)
_OTHERS = rules.THIRD_WORDS | rules.KIN_WORDS


def _by_head(families: tuple[rules.Family, ...]) -> dict[str, list[tuple[str, int]]]:
    """Every stem, with the place of its family, under the two letters that it begins with."""
    found: dict[str, list[tuple[str, int]]] = {}
    for number, family in enumerate(families):
        for stem in family.stems:
            found.setdefault(stem[1:3], []).append((stem, number))
    return found


_STEMS = _by_head(_FAMILIES)


class Danger(IntEnum):
    """Who a crisis is about; the greatest of a message is answered."""

    LOSS = 1  # someone close has died
    OTHER = 2  # someone close may be at risk now
    SELF = 3


_TEXTS = {Danger.SELF: CRISIS, Danger.OTHER: CRISIS_OTHER, Danger.LOSS: CRISIS_LOSS}


@dataclass(frozen=True, slots=True)
class Setting:
    """What a whole message tells of a third person in it."""

    fiction: bool  # of a film, a book or a life long past, not of someone close
    known: bool  # someone whom the writer knows, or speaks of as "he", "she" or "they"
    intended: bool  # wanted, tried or threatened rather than done

    @classmethod
    def of(cls, plain: str) -> Setting:
        """Read a message once for all its phrases."""
        words = set(plain.split())
        kin = not rules.KIN_WORDS.isdisjoint(words)
        real = (kin and "my" in words) or rules.REAL.search(plain) is not None
        return cls(
            fiction=not real and rules.FICTION.search(plain) is not None,
            known=kin or not rules.THIRD_WORDS.isdisjoint(words),
            intended=rules.NOT_YET.search(plain) is not None,
        )


@dataclass(frozen=True, slots=True)
class Alarm:
    """A message that is answered by a written text, before any model."""

    text: str
    crisis: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What the words of one message speak of; read once, asked often."""

    danger: Danger | None
    abusive: bool

    @classmethod
    def of(cls, message: str) -> Reading:
        """Read a message: some hundredths of a millisecond."""
        plain = normalise(message)
        danger = _danger(plain)
        return cls(danger, danger is None and _abusive(plain))

    @property
    def crisis(self) -> bool:
        """Whether it speaks of suicide or self-harm, the person's own or another's."""
        return self.danger is not None

    def alarm(self, *, in_crisis: bool) -> Alarm | None:
        """The alarm that it raises, or None; a second crisis message gets the second text."""
        if self.danger is not None:
            return Alarm(CRISIS_CONTINUED if in_crisis else _TEXTS[self.danger], crisis=True)
        return Alarm(BOUNDARY, crisis=False) if self.abusive else None


def screen(message: str, *, in_crisis: bool) -> Alarm | None:
    """The alarm that a message raises, or None."""
    return Reading.of(message).alarm(in_crisis=in_crisis)


def is_crisis(text: str) -> bool:
    """Whether the words alone speak of suicide or self-harm, the person's own or another's."""
    return _danger(normalise(text)) is not None


def _danger(plain: str) -> Danger | None:
    """The greatest danger that any phrase speaks of."""
    families = _families(plain)
    if not families:
        return None
    plain = rules.HARMLESS.sub(" ~", plain)
    if not rules.ON_PURPOSE.search(plain):
        plain = rules.ACCIDENT.sub(" ~", plain)
    if " lol " in plain:
        plain = rules.FIGURES.sub(" ~", plain)
    return max(_dangers(plain, families), default=None)


def _families(plain: str) -> list[rules.Family]:
    """The families of which a stem is there; looked for only where a word begins like one."""
    found = set()
    for head in {word[:2] for word in plain.split()} & _STEMS.keys():
        for stem, family in _STEMS[head]:
            if stem in plain:
                found.add(family)
    return [_FAMILIES[number] for number in sorted(found)]


def _dangers(plain: str, families: list[rules.Family]) -> Iterator[Danger]:
    """The danger of each phrase that is found; none is looked for after the greatest."""
    setting: Setting | None = None
    for family in families:
        for phrase in family.phrases.finditer(plain):
            setting = setting or Setting.of(plain)
            danger = _about(plain, phrase, setting)
            if danger is not None:
                yield danger
            if danger is Danger.SELF:
                return


def _about(plain: str, phrase: re.Match[str], setting: Setting) -> Danger | None:
    """Whom a phrase is about: its own words say it, or the nearest subject before it."""
    words = phrase[0].split()
    if not rules.SELF_WORDS.isdisjoint(words):
        return Danger.SELF
    start, end = phrase.span()
    if not (third := not rules.ANOTHERS_WORDS.isdisjoint(words)):
        sentence = plain[max(0, start - _NEAR) : start].rpartition(" . ")[2]
        before = sentence.split()[-_WORDS_BEFORE:]
        subject = next((word for word in reversed(before) if _is_subject(word)), None)
        after = plain[end : end + _NEAR].split(" ", 2)[1:2]
        third = before[-1:] == ["s"] or subject in _OTHERS or after[0] in rules.KIN_WORDS
        if not third and subject is None and _of_a_thing(words, before):
            return None
    return _about_another(plain, phrase, setting) if third else Danger.SELF


def _about_another(plain: str, phrase: re.Match[str], setting: Setting) -> Danger | None:
    if setting.fiction:
        return None
    around = plain[max(0, phrase.start() - _LOSS_BEFORE) : phrase.end() + _LOSS_AFTER]
    if rules.LOSS.search(around):
        return Danger.LOSS if setting.known else None
    return Danger.OTHER if setting.known or setting.intended else None


def _is_subject(word: str) -> bool:
    return word in _OTHERS or (word in rules.SELF_WORDS and word != "my")


def _of_a_thing(words: list[str], before: list[str]) -> bool:
    """A verb of a third person without a person before it: "my laptop wants to die"."""
    led_by_is = before[-1:] in (["is"], ["was"]) and words[0] in _LOOSE
    return words[0] in _INTENTS or led_by_is


def _abusive(plain: str) -> bool:
    if rules.SELF_THREAT.search(plain):
        return True
    found = rules.ABUSE.search(plain)
    if found is None:
        return False
    return not (rules.REPORTED.search(plain) or " lol " in plain)
