"""What may be kept as the value of a fact: cut where the thing ends, refused where it is none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.dialog.memory.words import (
    GIVEN_NAMES,
    NO_NAME,
    NO_PLACE,
    NO_THING,
    NO_THING_PHRASES,
    PAIRS,
    UNFIT_WORDS,
    words,
)

VALUE_MAX = 60  # characters
_THING_WORDS_MAX = 8
_LIST_MAX = 6

# E-mail addresses, links, and runs of digits that may be a phone, a card or an account.
_SECRET = re.compile(r"\S@\S|https?:|www\.|\.com\b|\d(?:[\s().\-/]*\d){5,}|\d{5,}", re.IGNORECASE)
_SECRET_WORDS = re.compile(
    r"\b(?:passwords?|passcode|pass phrase|passphrase|pin(?: code| number)?|e-?mail|phone|cell|"
    r"mobile number|card|cvv|cvc|iban|ssn|social security|account number|sort code|login|"
    r"my number|credentials?|api key|token|home address|postcode|zip code)\b",
    re.IGNORECASE,
)
_UNFIT = re.compile(r"\b(?:" + "|".join(map(re.escape, UNFIT_WORDS)) + r")\b", re.IGNORECASE)

_FOREIGN = re.compile(r"[^\w\s'&+\-./%,#!\u0300-\u036f\u0900-\u0dff\u0e00-\u0e7f].*", re.DOTALL)
_END = re.compile(
    r"(?:,?\s+(?:because|cause|cuz|bc|since|when|whenever|which|who|that|if|unless|even though|"
    r"although|though|but|so much|so|very much|a lot|too|as well|these days|nowadays|anymore|"
    r"at all|most of all|most|best|tbh|lol|haha+|actually|really|right now|now|today|tonight|"
    r"in general|more than|better than|over|than|as much|though|for ages|for (?:\w+ )?years?|"
    r"for (?:\w+ )?months?|every|last (?:\w+)|yesterday|next (?:week|month|year)|"
    r"this (?:week|month|year)|ago|in (?:january|february|march|april|may|june|july|"
    r"august|september|october|november|december|\d{4})|after|before|at the moment|lately|"
    r"recently|again|and stuff|"
    r"or something|and all|etc|please|instead|btw|by the way|just like|like you|like me|you know|"
    r"xd|omg|ngl|imo|honestly|tho|obviously|of course|personally|for sure|"
    r"and so on|the most|to bits|to death|to pieces|either|with all|whatever|"
    r"somehow|sometimes|for some reason|in my (?:free|spare) time|on weekends|as a hobby|"
    r"for a living|for fun|by profession|only|sooo*|hehe|yay|dearly|with my|with a passion|"
    r"on the weekend|like crazy|myself|even)\b.*"
    r"|,?\s+not\b.*|!.*|[.](?:\s.*)?$|\.\.+.*)",
    re.IGNORECASE | re.DOTALL,
)
_ARTICLE = re.compile(r"^(?:the|a|an|some|any|all|my|our)\s+", re.IGNORECASE)
_SEPARATOR = re.compile(r"\s*,\s*(?:and |or )?|\s+(?:and|or|&|nor)\s+", re.IGNORECASE)
_INFINITIVE = re.compile(r"to (\w+)(.*)", re.IGNORECASE | re.DOTALL)
_NAME_WORD = r"[^\W\d_][^\W\d_\u0300-\u036f]*(?:[\u0300-\u036f'\-][^\W\d_]+)*\.?"
_NAME = re.compile(_NAME_WORD + r"(?: " + _NAME_WORD + r"){0,3}")
_DAYS = words("monday tuesday wednesday thursday friday saturday sunday")
_THE_PLACE = re.compile(
    r"the (?:\w+ )*?(?-i:[A-Z])|the (?:country|coast|city|suburbs?|mountains?|hills|north|"
    r"south|east|"
    r"west|seaside|sea|forest|woods|desert|uk|us|usa|netherlands|philippines|islands?|"
    r"capital|alps)",
    re.IGNORECASE,
)
_SMALL = words(
    """
    of the de da do la le upon am an der den el al on in
    """
)


def secret(text: str) -> bool:
    """Whether the text may hold what is never kept: addresses, numbers, passwords."""
    return bool(_SECRET.search(text) or _SECRET_WORDS.search(text))


def fit(value: str) -> bool:
    """Whether the value is short, decent and no secret."""
    return (
        0 < len(value) <= VALUE_MAX
        and any(character.isalnum() for character in value)
        and not _SECRET.search(value)
        and not _UNFIT.search(value)
    )


def cut(text: str) -> str:
    """The text up to where the thing ends: no reasons, times, comparisons, laughter or marks."""
    text = _FOREIGN.sub("", text)
    text = _END.sub("", " " + text.strip())
    return text.strip(" ,.!-'/&+")


def things(text: str) -> Iterator[str]:
    """The things of a list ("hiking, jazz and sushi"), at most 6; nothing for pronouns."""
    text = cut(text)
    whole = next((pair for pair in PAIRS if pair in text.lower()), None)
    parts = [text] if whole else [part for part in _SEPARATOR.split(text) if part]
    infinitive = bool(parts) and parts[0].lower().startswith("to ")
    for part in parts[:_LIST_MAX]:
        if infinitive and part != parts[0] and len(part.split()) <= 2 and part.islower():
            part = part if part.startswith("to ") else f"to {part}"
        if value := thing(part):
            yield value


def thing(text: str) -> str | None:
    """One thing to like, play or collect, or None: "to hike" is "hiking"."""
    value = text.strip(" ,.!-'")
    lowered = value.lower() + " "
    words = lowered.split()
    if not words or len(words) > _THING_WORDS_MAX or not fit(value):
        return None
    if words[0] in NO_THING or any(lowered.startswith(phrase) for phrase in NO_THING_PHRASES):
        return None
    if words[-1] in ("you", "i", "me", "myself", "it", "him", "her", "them", "us", "to"):
        return None
    if len(words) > 2 and {"you", "i", "i'm", "he", "she", "they", "your"} & set(words):
        return None
    if infinitive := _INFINITIVE.fullmatch(value):
        return gerund(infinitive[1].lower()) + infinitive[2]
    return None if words[0] == "to" else value


def gerund(verb: str) -> str:
    """The -ing form: hike → hiking, run → running, see → seeing, lie → lying."""
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")) and verb != "be":
        return verb[:-1] + "ing"
    short = re.fullmatch(r"[^aeiou]*[aeiou][^aeiouwxy]", verb)
    return verb + (verb[-1] if short else "") + "ing"


def key(value: str) -> str:
    """The value as part of a slot: lower case, without a leading article."""
    return _ARTICLE.sub("", value.lower(), count=1).strip()


def name(text: str, *, sure: bool) -> tuple[str, str] | None:
    """A person's name at the start of the text, and what follows it; None where there is none.

    `sure`: the words before it say that a name comes ("my name is"), so that lower case will do.
    """
    match = _NAME.match(_FOREIGN.sub("", text))
    if not match:
        return None
    words: list[str] = []
    for word in match[0].split():
        if not _is_name_word(word, sure=sure and not words, first=not words):
            break
        words.append(word)
    if not words:
        return None
    length = len(" ".join(words))
    rest = text[length:]
    if words[-1].lower().endswith("'s") or rest.startswith(("'", "-")):
        return None
    if words[-1].endswith("."):
        words[-1] = words[-1][:-1]
    value = " ".join(word if _cased(word) else word.capitalize() for word in words)
    return (value, rest) if fit(value) and len(value) <= 40 else None


def _cased(word: str) -> bool:
    return word[0].isupper() or not word[0].islower()


def _is_name_word(word: str, *, sure: bool, first: bool) -> bool:
    bare = word.strip(".").lower()
    if bare in NO_NAME or bare.split("'")[0] in ("i", "it", "what", "who", "that", "he", "she"):
        return False
    if not first:
        return _cased(word) and len(bare) > 1
    if word.isascii() and len(bare) < 2 and not sure:
        return False
    if bare in GIVEN_NAMES:
        return True
    if not _cased(word):
        return sure and not bare.endswith(("ing", "ed", "ful", "less", "ly"))
    shouted = word.isupper() and word.isascii() and len(word) > 1
    return not (shouted and not sure) and not (not sure and bare.endswith(("ing", "less", "ful")))


def place(text: str) -> str | None:
    """A place: "Porto", "a village in Wales", "the countryside"; None for states of mind."""
    value = cut(re.sub(r"\b(?:with|and|for|together|where|near to|right)\b.*", "", text))
    value = re.split(r",\s*(?![A-Z])", value)[0].strip(" ,")
    words = value.split()
    if not words or len(words) > 7 or words[0].lower() in NO_PLACE or not fit(value):
        return None
    if any(character.isdigit() for character in value) or words[0].lower() in ("and", "or"):
        return None
    if words[0].lower() in _DAYS or (words[0].lower() == "the" and not _THE_PLACE.match(value)):
        return None
    dwelling = re.match(
        r"(?:a|an|the|one|some) (?:\w+ )*?(?:house|flat|apartment|dorm|room|studio|shared|basement|"
        r"bubble|world|past|moment|future|present|attic|van|car|family|background|place|home|"
        r"time|shadow|now|way|kind|state|hurry|sort|culture|household|middle|gutter)\b",
        value,
        re.IGNORECASE,
    )
    if dwelling:
        inner = re.search(r"\b(?:in|near|outside) ((?:the )?[A-Z].*)$", value)
        return inner[1] if inner else None
    if value.islower() and words[0] not in ("a", "an", "the", "near"):
        return (
            " ".join(w if w in _SMALL else w.capitalize() for w in words)
            if len(words) < 4
            else None
        )
    return value
