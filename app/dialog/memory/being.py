"""What "I'm …" says: a name, an age, a job, an origin, a diet, a status, or only a mood."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from app.dialog.memory import values
from app.dialog.memory.claims import Claim, disliked, done, liked, named, studied, worked
from app.dialog.memory.oneself import aged, allergic
from app.dialog.memory.words import DIETS, JOBS, NATIONALITIES, STATUSES, words

_I = re.IGNORECASE
_ADVERBS = re.compile(
    r"(?:(?:also|now|actually|currently|really|still|basically|originally|only|already|"
    r"very|totally|absolutely|so|both|happily|proudly|officially|technically|just) )+",
    _I,
)
_GOT = re.compile(r"I (?:just |recently |finally )?got (married|engaged|divorced)\b.*", _I)
_BE = re.compile(r"(?:I'm|I have been|I've been|I've become|I became|I went) (.+)", _I | re.DOTALL)
_NOT = re.compile(r"(?:not|no longer|never)(?: been)? (?:really |actually |even )?(.+)", _I)
_BUT = re.compile(r"(.+?),? but (?!not|also)(.+)", _I)
_NOT_INTO = re.compile(
    r"(?:(?:that |really |too |very |so )?(?:into|keen on|fond of)|an? (?:big |huge |"
    r"great )?fan of|"
    r"a (?:big )?lover of|crazy about) (.+)",
    _I,
)
_INTO = re.compile(
    r"(?:(?:really |very |quite |pretty |super )?(?:into|keen on|fond of|crazy about|mad about|"
    r"obsessed with|addicted to|passionate about)|"
    r"an? (?:big |huge |massive |real |total |great )?(?:fan of|lover of)|a sucker for) (.+)",
    _I,
)
_ALLERGIC = re.compile(r"(?:very |really |super |deathly |severely )?allergic to (.+)", _I)
_LEARNING = re.compile(r"(learning|teaching myself) (.+)", _I)
_LEARNT_NOT = re.compile(
    r"(?:that|how to be|about|from|a lot|so much|more|"
    r"to (?:be|live|accept|love|let|cope|deal|trust|say|not|see|take|stop|like|appreciate|"
    r"forgive))\b",
    _I,
)
_STUDYING = re.compile(r"(?:studying|majoring in) (.+)", _I)
_WORKING = re.compile(r"(?:working|employed) (as|at|for) (?:an? )?(.+)", _I)
_LIVING = re.compile(r"(?:living|based|settled) (?:here )?in (.+)", _I)
_FROM = re.compile(r"from (.+)", _I)
_AGE = re.compile(
    r"(?P<years>\d{1,3})(?: ?(?:-year-old|years? ?old|yrs? ?old|yrs|yo|y/o|y\.o\.?|years? of age))?"
    r"(?: (?:now|today|btw|lol))?[.!)]*",
    _I,
)
_AGE_WORDS = re.compile(
    r"((?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[- ](?:one|two|three|"
    r"four|five|six|"
    r"seven|eight|nine))?|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen)"
    r"(?: years? old)?[.!]*",
    _I,
)
_ROLE = re.compile(
    r"(?:an? )((?:[^\W\d][\w'\-+/]* ){0,3}?)([^\W\d]\w+)"
    r"(?P<rest>\s+(?:at|in|for|from|by|who|and|now|with|working|living|here|currently|specialising|"
    r"specializing|these days|anymore|of biology|of medicine|of law)\b.*|,.*|[.!]*)",
    _I,
)
_JUDGED = words(
    """
    good bad great terrible awful decent better slow horrible fast careful natural born real
    big huge crazy lousy happy bit lazy nice safe total complete such hard quick nervous
    night wannabe poor aspiring future lifelong team role budding would-be former retired
    fake armchair
    """
)
_ORIGIN = re.compile(
    rf"((?:half[- ]|part |part-)?(?:an? )?(?:{'|'.join(sorted(NATIONALITIES))}))"
    r"(?: (?:and|but|originally|by birth|girl|guy|man|woman|btw)\b.*)?[.!]*",
    _I,
)
_FRAGMENT = re.compile(r"\s*,\s*(?:and |but )?|\s+(?:and|but|&)\s+", _I)
_TAIL = re.compile(r"^(?:\s*(?:,|and|but|by the way|btw|-|!|\.))+\s*|^\s+(?=from\b|and\b|\d)", _I)


def states(clause: str, *, greeted: bool = False) -> Iterator[Claim]:
    """The claims of an "I'm …" clause; `greeted`: a greeting came first, so a name is likely."""
    if got := _GOT.fullmatch(clause):
        yield Claim("status", "status", got[1].lower(), f"I'm {got[1].lower()}.")
        return
    match = _BE.fullmatch(clause)
    if not match:
        return
    if clause[:3].lower() != "i'm":
        yield from _become(match[1])
        return
    rest = _ADVERBS.sub("", match[1], count=1) if _ADVERBS.match(match[1]) else match[1]
    if denied := _NOT.fullmatch(rest):
        yield from _denied(denied[1])
        return
    yield from _parts(rest, greeted=greeted)


def _become(what: str) -> Iterator[Claim]:
    """ "I've been vegan for years", "I became a nurse": never a name or an age."""
    what = re.sub(r" (?:for|since) .*", "", what)
    for claim in _part(what):
        if claim.kind in ("diet", "status", "work", "does"):
            yield claim


def _denied(what: str) -> Iterator[Claim]:
    """ "I'm not …": dislikes, and what is no longer believed."""
    if other := _BUT.fullmatch(what):
        yield from _denied(other[1])
        yield from _parts(other[2], greeted=False)
        return
    if match := _NOT_INTO.fullmatch(what):
        yield from map(disliked, values.things(match[1]))
        return
    what = re.sub(r",? ?\b(?:anymore|any longer|at all|yet|you know)\b.*", "", what)
    for claim in _parts(what, greeted=False):
        yield replace(claim, holds=False)


def _parts(text: str, *, greeted: bool) -> Iterator[Claim]:
    """ "Tom, 31, from Leeds": each part in turn, the name only as the first of them."""
    if found := _own_name(text, greeted=greeted):
        yield named(found[0])
        text = _TAIL.sub("", found[1]).strip()
        if not text:
            return
    elif match := _list_of(text):
        yield from match
        return
    for fragment in _FRAGMENT.split(text)[:6]:
        yield from _part(_ADVERBS.sub("", fragment, count=1) if fragment else "")


def _own_name(text: str, *, greeted: bool) -> tuple[str, str] | None:
    announced = re.match(r"(?:called|named) (.+)", text, _I)
    found = values.name(announced[1] if announced else text, sure=greeted or bool(announced))
    if not found:
        return None
    value, rest = found
    if value.lower() in NATIONALITIES or value.lower() in JOBS or value.split()[0].lower() in DIETS:
        return None
    plain = re.match(
        r"(?:\s*[,.!;:)(\-\u2013\u2014]|\s+(?:from|and|by the way|btw|but|\d+|not|nice|"
        r"your|the|who|here|"
        r"actually|again|haha|lol)\b|\s*[^\w\s]|\s*$)",
        rest,
        _I,
    )
    return (value, _rest_of_name(rest)) if plain else None


def _rest_of_name(rest: str) -> str:
    return "" if re.match(r"\W*not\b", rest, _I) else rest


def _list_of(text: str) -> Iterator[Claim] | None:
    """Claims that take a whole list behind them; None where the text starts otherwise."""
    if match := _INTO.fullmatch(text):
        return map(liked, values.things(match[1]))
    if match := _ALLERGIC.fullmatch(text):
        return map(allergic, values.things(match[1]))
    if (match := _LEARNING.fullmatch(text)) and not _LEARNT_NOT.match(match[2]):
        return _learning(match[1].lower(), match[2])
    return None


def _learning(verb: str, what: str) -> Iterator[Claim]:
    """ "learning Spanish", "learning to play the cello"."""
    if what.lower().startswith("to "):
        value = values.cut(what)
        if values.fit(value) and 1 < len(value.split()) <= 7:
            yield done(f"{verb} {value}", f"I'm {verb} {value}.", True)
        return
    for thing in values.things(what):
        yield done(f"{verb} {thing}", f"I'm {verb} {thing}.", True)


def _part(text: str) -> Iterator[Claim]:
    """The claim of one part of an "I'm …"."""
    text = text.strip(" ,")
    short = re.sub(r",? (?:now|today|btw|lol|currently|again|though|too|actually|instead|"
                   r"not .*|for .*|since .*|to .*)$", "", text.strip(" .!"), flags=_I)  # fmt: skip
    lowered = short.lower()
    if listed := _list_of(text):
        yield from listed
    elif match := _AGE.fullmatch(text):
        if 5 <= int(match["years"]) <= 115:
            yield aged(match["years"])
    elif match := _AGE_WORDS.fullmatch(text):
        yield aged(match[1])
    elif lowered in DIETS:
        yield Claim("diet", "diet", re.sub(r"^an? ", "", short), f"I'm {short}.")
    elif lowered in STATUSES:
        yield Claim("status", "status", short, f"I'm {short}.")
    elif lowered in ("retired", "unemployed", "self-employed", "self employed"):
        yield Claim("work", "work", short, f"I'm {short}.")
    elif match := _ORIGIN.fullmatch(text):
        value = re.sub(r"^an? ", "", match[1], flags=_I)
        value = re.sub(r"(\w+)$", lambda word: word[1].capitalize(), value)
        yield Claim("from", "place", value, f"I'm {value}.")
    elif match := _FROM.fullmatch(text):
        if where := _origin(match[1]):
            yield Claim("from", "place", where, f"I'm from {where}.")
    elif match := _LIVING.fullmatch(text):
        if where := values.place(match[1]):
            yield Claim("lives", "place", where, f"I live in {where}.")
    elif match := _WORKING.fullmatch(text):
        yield from worked(match[1].lower(), match[2], text)
    elif match := _STUDYING.fullmatch(text):
        yield from studied(match[1])
    elif match := _ROLE.fullmatch(text):
        yield from _role(match, text)


def _origin(text: str) -> str | None:
    where = values.place(text)
    vague = where is None or re.match(
        r"(?:a|an|here|there|work|school|home|space|mars)\b", where, _I
    )
    if vague and where and (inner := re.search(r"\b(?:in|near|outside) [A-Z]", where)):
        return where if inner else None
    return None if vague else where


def _role(match: re.Match[str], text: str) -> Iterator[Claim]:
    """A job or "a student"; nothing for "a good cook" or "a morning person"."""
    modifiers, last, rest = match[1].lower().split(), match[2].lower(), match["rest"]
    if last not in JOBS or _JUDGED & set(modifiers) or len(f"{match[1]}{last}") > values.VALUE_MAX:
        return
    article = text.split(" ", 1)[0].lower()
    value = f"{match[1]}{match[2]}"
    where = re.match(r"\s+((?:at|for|in) [^,.!]+)", rest)
    tail = values.cut(where[1]) if where else ""
    if tail and len(f"{value} {tail}") <= values.VALUE_MAX and len(tail.split()) <= 5:
        value = f"{value} {tail}"
    studying = last in ("student", "undergraduate", "undergrad")
    if values.fit(value):
        yield Claim("studies" if studying else "work", "work", value, f"I'm {article} {value}.")
    if origin := re.search(r"\bfrom (.+)", rest):
        yield from _part(f"from {origin[1]}")
