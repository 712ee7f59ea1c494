"""What a clause says of its speaker: name, age, languages, health, hobbies."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.dialog.memory import values
from app.dialog.memory.claims import ADVERBS, Claim, done, named
from app.dialog.memory.words import CONDITIONS, LANGUAGES, words

_I = re.IGNORECASE

_SPEAK = re.compile(rf"I {ADVERBS}(don't |can |can't |no longer )?{ADVERBS}speak (.+)", _I)
_NATIVE = re.compile(r"my (?:native|first|mother) (?:language|tongue) is (\w+)\b.*", _I)
_CONDITION = re.compile(
    r"I(?:'ve)? (?:have|suffer from) (?:(?:bad|chronic|severe|mild|"
    r"type [12]) )*(\w+)\b(?! pills).*",
    _I,
)
_ALLERGY = re.compile(r"I have an? (?:bad |severe )?([\w ]{2,20}) allergy\b.*", _I)
_NO_EATING = re.compile(
    r"I (?:don't|can't|never) eat (?:any )?"
    r"((?:red )?meat|pork|beef|fish|dairy|gluten|eggs|seafood|animals)\b.*",
    _I,
)
_MY_AGE = re.compile(r"my age is (\d{1,2})\b.*", _I)
_TURNED = re.compile(r"I (?:just |recently )?turned (\d{1,2})(?![\d%])(?: (?!degrees).*)?[.!]*", _I)
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DATE = (
    rf"(?:the )?(\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH}(?:,? \d{{4}})?|"
    rf"{_MONTH}(?: the)? \d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?|{_MONTH}|\d{{1,2}}[./]\d{{1,2}}"
    r"(?:[./]\d{2,4})?)\b"
)
_BIRTHDAY = re.compile(rf"(?:my birthday is|I was born)(?: on| in)? {_DATE}.*", _I)


def oneself(clause: str) -> Iterator[Claim]:
    """Languages, health, age and birthday."""
    if match := _SPEAK.fullmatch(clause):
        denied = bool(match[1]) and match[1].strip().lower() != "can"
        for language in re.findall(r"[^\W\d_]+", match[2]):
            if language.lower() in LANGUAGES:
                yield spoken(language, holds=not denied)
    elif (match := _NATIVE.fullmatch(clause)) and match[1].lower() in LANGUAGES:
        yield spoken(match[1], holds=True)
    elif match := _ALLERGY.fullmatch(clause):
        yield allergic(match[1])
    elif (match := _CONDITION.fullmatch(clause)) and match[1].lower() in CONDITIONS:
        yield Claim(f"health:{match[1].lower()}", "health", match[1], f"I have {match[1]}.")
    elif match := _NO_EATING.fullmatch(clause):
        thing = match[1]
        yield Claim(f"diet:{thing.lower()}", "diet", thing, f"I don't eat {thing}.")
    elif match := _MY_AGE.fullmatch(clause) or _TURNED.fullmatch(clause):
        yield aged(match[1])
    elif match := _BIRTHDAY.fullmatch(clause):
        yield Claim("birthday", "birthday", match[1], f"My birthday is {match[1]}.")


def spoken(language: str, *, holds: bool) -> Claim:
    """A language the person speaks, or no longer does."""
    shown = language.capitalize()
    return Claim(f"speaks:{shown.lower()}", "language", shown, f"I speak {shown}.", holds)


def allergic(thing: str) -> Claim:
    """An allergy; each has a slot of its own."""
    thing = thing.strip()
    return Claim(f"allergy:{values.key(thing)}", "health", thing, f"I'm allergic to {thing}.")


def aged(years: str) -> Claim:
    """The person's age."""
    return Claim("age", "age", years, f"I'm {years} years old.")


_CALL = re.compile(
    r"(?:(?:my (?:friends|family|mum|mom|parents)|people|everyone|everybody|friends|"
    r"they all) (?:just |"
    r"all |usually |always )?call(?:s)? me|(?:please |just |you can |you may |you could )*call me|"
    r"I (?:usually )?go by|I(?:'d)? prefer to be called) (.+)",
    _I,
)
_NAME_IS = re.compile(
    r"(?:(?:my|the) (?:real |full |first )?name(?:'s| is| was)|name's|name is|name:?) "
    r"(?:actually |really )?(.+)",
    _I,
)
_NAME_NOT = re.compile(r"my name (?:isn't|is not|'s not|is no longer) (.+)", _I)
_CALL_NOT = re.compile(r"(?:please )?(?:don't|stop) call(?:ing)? me (.+)", _I)
_ITS_NAME = re.compile(r"(?:it's|it is|but) (?:actually )?(.+)", _I)


def own_name(clause: str) -> Iterator[Claim]:
    """The person's name where words announce it."""
    if match := _NAME_NOT.fullmatch(clause) or _CALL_NOT.fullmatch(clause):
        if found := values.name(match[1], sure=True):
            yield Claim("name", "name", found[0], holds=False)
            other = _ITS_NAME.fullmatch(found[1].lstrip(" ,"))
            if other and (right := values.name(other[1], sure=True)):
                yield named(right[0])
    elif match := _NAME_IS.fullmatch(clause) or _CALL.fullmatch(clause):
        rest = re.sub(r"^not \w+,? (?:but|it's|it is) ", "", match[1])
        found = values.name(rest, sure=True)
        if found and not re.match(r"\s+(?:a|an|the|back|and i|of|to|for)\b", found[1], _I):
            yield named(found[0])


_PLAYED = re.compile(
    rf"I {ADVERBS}(don't |no longer )?(?:can )?(play|collect|practise|practice|teach myself) (.+)",
    _I,
)
_GOES = re.compile(
    rf"I {ADVERBS}(don't )?go (\w+ing)(?: (?:every|on|a lot|at|with|once|twice|most|when|"
    rf"in|whenever).*)?[.!]*",
    _I,
)
_DOES = re.compile(
    rf"I {ADVERBS}(don't )?(?:do|take) (yoga|karate|judo|pilates|ballet|gymnastics|crossfit|"
    rf"martial arts|ceramics|pottery|calligraphy|origami|parkour|improv|athletics|archery|"
    rf"taekwondo)\b.*",
    _I,
)
_HABIT = re.compile(
    rf"I {ADVERBS}(don't )?(paint|draw|knit|crochet|sew|garden|dance|bake|climb|surf|ski|skate|"
    r"swim|run|cycle|box|fence|row|sing|fish|juggle|embroider)"
    r"(?: (?:a lot|as a hobby|every.*|on (?:the )?weekends?|in my (?:free|spare) time|for fun|"
    r"sometimes|regularly|most.*|once.*|twice.*|in (?:a|the|my) (?:choir|band|club|team)))?[.!]*",
    _I,
)
_WRITES = re.compile(
    rf"I {ADVERBS}(don't )?write (poems|poetry|stories|short stories|songs|novels|"
    rf"fan ?fiction|music)\b.*",
    _I,
)
_HOBBY = re.compile(
    r"(?:one of )?my (?:main |biggest |new )?(?:hobby|hobbies|passion|passions) (?:is|are) (.+)", _I
)
_PERFECT = re.compile(
    r"I've (?:been|started|taken up|begun)(?: into)?(?: to)? (learning |playing |"
    r"practi[sc]ing )?(.+)",
    _I,
)
_TAKEN_UP = re.compile(r"I (?:just |recently )?(?:took up|started|began) (\w.*)", _I)
_GAVE_UP = re.compile(r"I (?:just |recently )?(?:quit|stopped|gave up) (\w+ing\b.*)", _I)
_NO_PLAY = words(
    """
    it dumb with along around tricks dead for on by a cool hard safe no nice
    """
)
_NO_START = re.compile(
    r"(?:thinking|feeling|wondering|having|crying|being|getting|going|doing|trying|working|living|"
    r"meaning|looking|waiting|talking|sleeping|to|a|an|the|my|it|this|that|dating|seeing|taking|"
    r"laughing|eating|worrying|noticing|hating|liking|loving|struggling|telling|using|making|"
    r"smoking|drinking|missing|dreaming|losing|sitting|asking|hoping|saying|hearing|coming|"
    r"cleaning|texting|chatting|reading (?:about|this|your|that)|avoiding|suffering|"
    r"hurting|cutting)\b",
    _I,
)


def activities(clause: str) -> Iterator[Claim]:
    """What the person does in their free time, or is learning."""
    if match := _PLAYED.fullmatch(clause):
        words = match[3].split()
        if words and words[0].lower() not in _NO_PLAY:
            verb = match[2].lower()
            for thing in values.things(match[3]):
                yield done(f"{values.gerund(verb)} {thing}", f"I {verb} {thing}.", not match[1])
    elif match := _GOES.fullmatch(clause):
        if match[2].lower() not in ("going", "missing", "nothing"):
            yield done(match[2], f"I go {match[2]}.", not match[1])
    elif match := _DOES.fullmatch(clause):
        yield done(match[2], f"I do {match[2]}.", not match[1])
    elif match := _HABIT.fullmatch(clause):
        verb = match[2].lower()
        yield done(values.gerund(verb), f"I {verb}.", not match[1])
    elif match := _WRITES.fullmatch(clause):
        yield done(f"writing {match[2]}", f"I write {match[2]}.", not match[1])
    elif match := _HOBBY.fullmatch(clause):
        for thing in values.things(match[1]):
            yield done(thing, f"My hobby is {thing}.", True)
    elif match := _GAVE_UP.fullmatch(clause):
        for thing in values.things(match[1]):
            yield done(thing, "", False)
    elif match := _PERFECT.fullmatch(clause) or _TAKEN_UP.fullmatch(clause):
        yield from _begun(match)


def _begun(match: re.Match[str]) -> Iterator[Claim]:
    what = f"{match[1] or ''}{match[2]}" if match.re is _PERFECT else match[1]
    verb = what.split()[0].lower() if what.split() else ""
    taken = re.search(r"\b(?:taken|took) up\b", match[0], _I)
    if _NO_START.match(what) or (not verb.endswith("ing") and not taken):
        return
    for thing in values.things(what):
        if match.re is _PERFECT and verb.endswith("ing"):
            text = f"I'm {thing}." if verb == "learning" else f"I've been {thing}."
        else:
            text = f"I've taken up {thing}."
        yield done(thing, text, True)
