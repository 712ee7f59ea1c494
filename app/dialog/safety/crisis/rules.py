"""Whom a message sees in danger, by its words alone.

It errs on the side of care: a message that may speak of suicide or self-harm is one, also where it
jokes or quotes. Without a single stem of the rules a message is let through at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from app.dialog.safety.crisis import asides
from app.dialog.safety.crisis.acts import ACTS
from app.dialog.safety.crisis.despair import DESPAIR
from app.dialog.safety.crisis.means import MEANS
from app.dialog.safety.crisis.signs import SIGNS
from app.dialog.safety.families import Family

_WORDS_BEFORE = 8  # a subject is looked for so many words before a phrase
_NEAR = 120  # characters that hold those words
_LOSS_BEFORE = 40  # characters: "lost my best friend to" stands before "suicide"
_LOSS_AFTER = 12  # and "note" after it
_INTENTS = frozenset({"wants", "tries", "hopes", "prays", "plans", "deserves", "wishes"})
_LOOSE = frozenset({"ready", "going", "trying", "about", "supposed", "meant", "planning"})
_FAMILIES = (*MEANS, *DESPAIR, *ACTS, *SIGNS)
_OTHERS = asides.THIRD_WORDS | asides.KIN_WORDS


def _by_head(families: tuple[Family, ...]) -> dict[str, list[tuple[str, int]]]:
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


@dataclass(frozen=True, slots=True)
class Setting:
    """What a whole message tells of a third person in it."""

    fiction: bool  # of a film, a book or a life long past, not of someone close
    known: bool  # someone whom the writer knows, or speaks of as "he", "she" or "they"
    intended: bool  # wanted, tried or threatened rather than done
    topic: bool  # of a study, the news, work or a story, and of nobody's own

    @classmethod
    def of(cls, plain: str) -> Setting:
        """Read a message once for all its phrases."""
        words = set(plain.split())
        kin = not asides.KIN_WORDS.isdisjoint(words)
        real = (kin and "my" in words) or asides.REAL.search(plain) is not None
        return cls(
            fiction=not real and asides.FICTION.search(plain) is not None,
            known=kin or not asides.THIRD_WORDS.isdisjoint(words),
            intended=asides.NOT_YET.search(plain) is not None,
            topic=asides.TOPIC.search(plain) is not None and asides.PERSONAL.search(plain) is None,
        )


def danger_of(plain: str) -> Danger | None:
    """The greatest danger that any phrase speaks of."""
    families = _families(plain)
    if not families:
        return None
    plain = asides.HARMLESS.sub(" ~", plain)
    if not asides.ON_PURPOSE.search(plain):
        plain = asides.ACCIDENT.sub(" ~", plain)
    if " lol " in plain:
        plain = asides.FIGURES.sub(" ~", plain)
    if _recovered(plain) or _made_up(plain):
        return None
    return max(_dangers(plain, families), default=None)


def _families(plain: str) -> list[Family]:
    """The families of which a stem is there; looked for only where a word begins like one."""
    found = set()
    for head in {word[:2] for word in plain.split()} & _STEMS.keys():
        for stem, family in _STEMS[head]:
            if stem in plain:
                found.add(family)
    return [_FAMILIES[number] for number in sorted(found)]


def _dangers(plain: str, families: list[Family]) -> Iterator[Danger]:
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


def _recovered(plain: str) -> bool:
    """Whether it tells of a danger of long ago by somebody who says that they are well."""
    return (
        asides.LONG_AGO.search(plain) is not None
        and asides.WELL_NOW.search(plain) is not None
        and asides.NOT_WELL.search(plain) is None
    )


def _made_up(plain: str) -> bool:
    """Whether it speaks of a story and its people, and not of the writer."""
    return asides.MADE_UP.search(plain) is not None and asides.OWN.search(plain) is None


def _denied(plain: str, phrase: re.Match[str]) -> bool:
    """Whether the words right before a phrase deny it, without a doubt."""
    start = phrase.start()
    before = plain[max(0, start - _NEAR) : start + 1].rpartition(" . ")[2]
    if phrase[0].startswith(" kill") and before.endswith(("not want to ", "would never ")):
        return False  # who has to say it has thought of it
    if asides.DENIED.search(f" {before}") is None:
        return False
    return asides.UNSURE.search(f" {before}") is None


def _about(plain: str, phrase: re.Match[str], setting: Setting) -> Danger | None:
    """Whom a phrase is about: its own words say it, or the nearest subject before it."""
    words = phrase[0].split()
    if not words[0].startswith(("not", "never", "no")) and _denied(plain, phrase):
        return None
    if setting.topic and asides.BARE.fullmatch(phrase[0].strip()) is not None:
        return None
    if not asides.SELF_WORDS.isdisjoint(words):
        return Danger.SELF
    start, end = phrase.span()
    if not (third := not asides.ANOTHERS_WORDS.isdisjoint(words)):
        sentence = plain[max(0, start - _NEAR) : start].rpartition(" . ")[2]
        before = sentence.split()[-_WORDS_BEFORE:]
        subject = next((word for word in reversed(before) if _is_subject(word)), None)
        after = plain[end : end + _NEAR].split(" ", 2)[1:2]
        third = before[-1:] == ["s"] or subject in _OTHERS or after[0] in asides.KIN_WORDS
        if not third and subject is None and _of_a_thing(words, before):
            return None
    return _about_another(plain, phrase, setting) if third else Danger.SELF


def _about_another(plain: str, phrase: re.Match[str], setting: Setting) -> Danger | None:
    if setting.fiction:
        return None
    around = plain[max(0, phrase.start() - _LOSS_BEFORE) : phrase.end() + _LOSS_AFTER]
    if asides.LOSS.search(around):
        return Danger.LOSS if setting.known else None
    return Danger.OTHER if setting.known or setting.intended else None


def _is_subject(word: str) -> bool:
    return word in _OTHERS or (word in asides.SELF_WORDS and word != "my")


def _of_a_thing(words: list[str], before: list[str]) -> bool:
    """A verb of a third person without a person before it: "my laptop wants to die"."""
    led_by_is = before[-1:] in (["is"], ["was"]) and words[0] in _LOOSE
    return words[0] in _INTENTS or led_by_is
