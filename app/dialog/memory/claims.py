"""What a clause says of its speaker, outside of "I'm …": tastes, homes, work, kin and pets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.dialog.memory import values
from app.dialog.memory.words import (
    NO_WORKPLACE,
    words,
)

_I = re.IGNORECASE


@dataclass(frozen=True, slots=True)
class Claim:
    """Something said of oneself; `holds` is False where it is denied or over.

    A denied claim without a value denies whatever its slot holds.
    """

    slot: str
    kind: str
    value: str = ""
    text: str = ""
    holds: bool = True


def liked(thing: str) -> Claim:
    """A thing the person likes."""
    return Claim(f"taste:{values.key(thing)}", "likes", thing, f"I like {thing}.")


def disliked(thing: str) -> Claim:
    """A thing the person does not like."""
    return Claim(f"taste:{values.key(thing)}", "dislikes", thing, f"I don't like {thing}.")


def named(value: str) -> Claim:
    """The person's name."""
    return Claim("name", "name", value, f"My name is {value}.")


ADVERBS = (
    r"(?:(?:really|absolutely|also|totally|still|do|always|just|actually|especially|so|"
    r"kinda|kind of|"
    r"sort of|quite|truly|rather|particularly|honestly|secretly|very much|literally|genuinely|"
    r"definitely|mostly|usually|often|sometimes|even|now|currently|mainly|both|only) )*"
)
_LIKE = re.compile(
    rf"I {ADVERBS}(?:like|love|adore|enjoy|can't get enough of|am into) (.+)", _I | re.DOTALL
)
_DISLIKE = re.compile(
    rf"I {ADVERBS}(?:(?:don't|no longer|never|can't) {ADVERBS}(?:liked?|loved?|enjoy(?:ed)?|"
    rf"adore|stand|care for|bear|stomach)|hate|dislike|despise|detest|loathe|stopped liking|"
    rf"stopped enjoying) (.+)",
    _I | re.DOTALL,
)
_NOT_HATED = re.compile(rf"I {ADVERBS}don't {ADVERBS}(?:hate|dislike|mind) (.+)", _I)
_USED_TO = re.compile(r"(?:I|we) used to (?!be able)(.+)", _I)
_BUT_NOT = re.compile(r"(?:,| but|, but) not (?:really |so much )?(?!really|that|too|always|so|all|"
                      r"if|when|in|on|at|with|because|the\b|like|very|much|today|"
                      r"sure)(.+)", _I)  # fmt: skip


def tastes(clause: str) -> Iterator[Claim]:
    """Likes and dislikes; a taste that is over becomes a dislike."""
    if match := _DISLIKE.fullmatch(clause):
        yield from map(disliked, values.things(match[1]))
    elif match := _NOT_HATED.fullmatch(clause):
        for thing in values.things(match[1]):
            yield Claim(f"taste:{values.key(thing)}", "dislikes", thing, holds=False)
    elif match := _LIKE.fullmatch(clause):
        rest = match[1]
        if other := _BUT_NOT.search(rest):
            yield from map(disliked, values.things(other[1]))
            rest = rest[: other.start()]
        yield from map(liked, values.things(rest))


_LEAST = re.compile(r"my least favourite (?:.+?) (?:is|are) (.+)", _I)
_FAVOURITE = re.compile(
    r"my (?:(?:all[- ]time|absolute|very|current) )*favourite ([\w' -]{2,40}?)"
    r"(?: of all time| ever)? (is|are|isn't|aren't|has to be|would be|must be) (.+)",
    _I,
)
_FAVOURITE_TURNED = re.compile(
    r"([\w' -]{2,40}?) (is|are) my (?:all[- ]time |absolute )?favourite ([\w' -]{2,30}?)"
    r"(?: ever| of all time)?[.!]*",
    _I,
)
_PLAIN = words("colour color season food drink fruit animal flower sport subject hobby")
_CATEGORIES = {"color": "colour", "colors": "colour", "colours": "colour", "film": "movie"}
_PRONOUNS = words(
    """
    it that this he she they you who what which there these those when
    """
)


def favourites(clause: str) -> Iterator[Claim]:
    """A favourite of a category ("my favourite colour is blue", "blue is my favourite colour")."""
    if match := _LEAST.fullmatch(clause):
        yield from map(disliked, values.things(match[1]))
        return
    if match := _FAVOURITE.fullmatch(clause):
        category, verb, value = match[1], match[2].lower(), match[3]
    elif match := _FAVOURITE_TURNED.fullmatch(clause):
        value, verb, category = match[1], match[2].lower(), match[3]
    else:
        return
    category = " ".join(category.lower().split())
    slot = f"favourite:{_CATEGORIES.get(category, category)}"
    if verb.endswith("n't") or value.lower().startswith("not "):
        yield Claim(slot, "favourite", holds=False)
        return
    value = re.sub(r"^(?:still|definitely|probably|always|actually|now) ", "", value, flags=_I)
    value = values.cut(value)
    if category in _PLAIN:
        value = value[:1].lower() + value[1:]
    if not value or value.split()[0].lower() in _PRONOUNS or len(value.split()) > 8:
        return
    if values.fit(value) and not values.secret(category):
        verb = "are" if verb == "are" else "is"
        text = f"My favourite {category} {verb} {value}."
        yield Claim(slot, "favourite", value, text)


_LIVE = re.compile(
    rf"(?:I|we) {ADVERBS}(?:live (?:(?:together )?with [^,]{{1,40}}? )?(?:in|near|outside(?: of)?)|"
    rf"(?:(?:just|recently|finally) )?moved (?:back )?(?:in)?to|moved (?:away )?from .+? to) (.+)",
    _I,
)
_LIVE_PERFECT = re.compile(
    r"(?:I've|we've) (?:(?:just|recently|finally|lived|been living|now) )*"
    r"(?:moved (?:back )?(?:in)?to|lived in|living in|in(?= [A-Z])) (.+)",
    _I,
)
_LIVE_NOT = re.compile(
    r"(?:I|we) (?:don't|no longer) (?:actually |really )?live (?:in|near) (.+)", _I
)
_HOME = re.compile(r"my (?:home ?town|home city) is (?:called )?(.+)", _I)
_FROM = re.compile(
    rf"I {ADVERBS}(?:come from|was born (?:and raised )?in|grew up in|was raised in) (.+)", _I
)


def homes(clause: str) -> Iterator[Claim]:
    """Where the person lives, and where they are from."""
    if match := _LIVE_NOT.fullmatch(clause):
        yield Claim("lives", "place", values.place(match[1]) or "", holds=False)
    elif match := _LIVE.fullmatch(clause) or _LIVE_PERFECT.fullmatch(clause):
        if where := values.place(match[1]):
            near = re.match(rf"(?:I|we) {ADVERBS}live (near|outside)", clause, _I)
            how = near[1].lower() if near else "in"
            value = f"{how} {where}" if near else where
            yield Claim("lives", "place", value, f"I live {how} {where}.")
    elif (match := _FROM.fullmatch(clause) or _HOME.fullmatch(clause)) and (
        where := values.place(match[1])
    ):
        yield Claim("from", "place", where, f"I'm from {where}.")


_WORK = re.compile(rf"I {ADVERBS}work {ADVERBS}(as|at|for|in|with) (?:an? )?(.+)", _I)
_WORK_PERFECT = re.compile(r"I've (?:been working|worked) (as|at|for) (?:an? )?(.+)", _I)
_WORK_NOT = re.compile(r"I (?:don't|no longer) work (?:as|at|for|in) (?:an? )?(.+)", _I)
_WORK_OVER = re.compile(
    r"I(?:'ve| have)? ?(?:just |recently |finally )?(?:quit|lost|left|resigned from|"
    r"got fired from|was fired from|got laid off from) (?:my|the) job\b.*"
    r"|I (?:just )?(?:got fired|was fired|got laid off|was laid off|resigned)\b.*",
    _I,
)
_JOB_IS = re.compile(r"my (?:job|profession|occupation) is (?:being |as )?an? (.+)", _I)
_STUDY = re.compile(rf"I {ADVERBS}(?:study|major in) (.+)", _I)
_STUDIES_NOT = words(
    """
    hard for at in every all too a the more best here there with my
    """
)


def work(clause: str) -> Iterator[Claim]:
    """Work and studies."""
    if _WORK_OVER.fullmatch(clause):
        yield Claim("work", "work", holds=False)
        yield Claim("work:at", "work", holds=False)
    elif match := _WORK_NOT.fullmatch(clause):
        value = values.cut(match[1])
        yield Claim("work", "work", value, holds=False)
        yield Claim("work:at", "work", value, holds=False)
    elif match := _WORK.fullmatch(clause) or _WORK_PERFECT.fullmatch(clause):
        yield from worked(match[1].lower(), match[2], clause)
    elif match := _JOB_IS.fullmatch(clause):
        yield from worked("as", match[1], f"as a {match[1]}")
    elif match := _STUDY.fullmatch(clause):
        yield from studied(match[1])


def worked(how: str, what: str, clause: str) -> Iterator[Claim]:
    """Work as something ("work"), or at, for or in something ("work:at")."""
    value = values.cut(what)
    words = value.lower().split()
    if not words or len(words) > 8 or not values.fit(value) or words[0] in NO_WORKPLACE:
        return
    if words[0] == "the" and words[-1] in NO_WORKPLACE | {
        "morning",
        "evening",
        "afternoon",
        "dark",
    }:
        return
    if how == "with" and words[0] in ("idiots", "people", "what"):
        return
    article = re.search(rf"\b{how} (an?) {re.escape(value)}", clause, _I)
    shown = f"{article[1]} {value}" if article else value
    if how == "as":
        yield Claim("work", "work", value, f"I work as {shown}.")
    else:
        yield Claim("work:at", "work", f"{how} {shown}", f"I work {how} {shown}.")


def studied(what: str) -> Iterator[Claim]:
    """A subject of study, with the place where it is told."""
    value = values.cut(what)
    words = value.lower().split()
    if words and len(words) <= 8 and words[0] not in _STUDIES_NOT and values.fit(value):
        yield Claim("studies", "work", value, f"I study {value}.")


def done(what: str, text: str, holds: bool) -> Claim:
    """An activity, by its -ing form ("playing the cello")."""
    return Claim(f"does:{what.lower()}", "does", what, text, holds)


def used_to(clause: str) -> str | None:
    """ "I used to like jazz" as "I like jazz", which is over; None for other clauses."""
    match = _USED_TO.fullmatch(clause)
    if not match:
        return None
    be = re.match(r"be (.+)", match[1], _I)
    return f"I'm {be[1]}" if be else f"I {match[1]}"
