"""A message as the clauses in which a person speaks of themselves, and whether each is meant.

A clause is meant when it is no question, no supposition and nobody else's words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LENGTH_MAX = 2_000  # characters read of a message
_CLAUSES_MAX = 40
_APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "`": "'", "\u00b4": "'"})
_QUOTED = re.compile(
    r"\"([^\"\n]{1,400})\"|\u201c([^\u201d\n]{1,400})\u201d|\u00ab([^\u00bb]{1,400})\u00bb"
)
_SENTENCE_END = re.compile(
    r"(?<!\bSt\.)(?<!\bDr\.)(?<!\bMr\.)(?<!\bMrs\.)(?<!\bMs\.)(?<=[.!?;\u2026\u3002])\s+|\n+"
    r"|(?<=[a-z][.!?])(?=[A-Z])"
)

_SPELLINGS = {
    "i": "I", "im": "I'm", "iam": "I'm", "i'm": "I'm", "i am": "I'm", "ive": "I've", "id": "I'd",
    "ill": "I'll", "i have got": "I have", "i've got": "I have", "ive got": "I have",
    "we've got": "we have", "weve got": "we have", "i got": "I got", "dont": "don't",
    "do not": "don't", "doesnt": "doesn't", "does not": "doesn't", "cant": "can't",
    "cannot": "can't", "can not": "can't", "isnt": "isn't", "is not": "isn't", "arent": "aren't",
    "didnt": "didn't", "wont": "won't", "luv": "love", "lurve": "love", "luvv": "love",
    "lov": "love", "loove": "love", "looove": "love", "loooove": "love", "fav": "favourite",
    "fave": "favourite", "favorite": "favourite", "favourit": "favourite", "favorit": "favourite",
    "favs": "favourite", "gf": "girlfriend", "bf": "boyfriend", "bff": "best friend",
    "bestie": "best friend", "bday": "birthday", "b-day": "birthday", "birtday": "birthday",
    "rly": "really", "realy": "really", "rlly": "really", "hav": "have", "alergic": "allergic",
    "vegeterian": "vegetarian", "vegitarian": "vegetarian", "freind": "friend", "hubby": "husband",
    "wifey": "wife", "sis": "sister", "bro": "brother", "any more": "anymore", "names": "name's",
    "my names": "my name's", "whats": "what's", "wanna": "want to", "gonna": "going to",
    "enjoi": "enjoy", "nme": "name", "lve": "love", "liek": "like", "haet": "hate",
    "aint": "isn't", "ain't": "isn't", "i'am": "I'm", "we're": "we're", "livein": "live in",
}  # fmt: skip
_WORD = re.compile(r"[\w'][\w'-]*")
_PHRASES_PLAIN = tuple(phrase for phrase in _SPELLINGS if " " in phrase)
_PHRASES = re.compile(
    r"\b(?:" + "|".join(map(re.escape, _PHRASES_PLAIN)) + r")\b",
    re.IGNORECASE,
)

_LEAD = re.compile(
    r"(?:(?:well|so|actually|hi+|hey+|hello|hiya|yo|oh|ah|ooh|um+|uh+|hm+|yeah|yep|yes|yup|no|nope|"
    r"nah|ha(?:ha)+|lol|btw|by the way|also|and|but|because|cause|cuz|bc|though|although|honestly|"
    r"frankly|basically|to be honest|tbh|ngl|if I'm honest|I think|I guess|I suppose|I mean|"
    r"I meant|I must say|"
    r"I have to say|I admit|I said|I told you(?: that)?|I already told you(?: that)?|you know|"
    r"you know what|guess what|as you know|as I said|like I said|fun fact|just so you know|fyi|"
    r"for the record|please remember(?: that)?|remember(?: that)?|"
    r"I(?:'d| would) like you to know(?: that)?|I want you to know(?: that)?|"
    r"did I (?:tell|mention)(?: you)?(?: that)?|"
    r"sorry|ok(?:ay)?|right|sure|thanks|thank you|good (?:morning|evening|afternoon)|there|"
    r"anyway|besides|plus|then|while|whereas|maybe you remember|in fact|it's true|true|wait|"
    r"apparently|personally|oops|kindred|nice to meet you|currently|nowadays|"
    r"these days|at the moment|right now|now|these|today|lately|in my (?:free|spare) time|"
    r"on weekends|recently|since you ask(?:ed)?|both)\b[\s,.:!\-\u2013\u2014]*)+",
    re.IGNORECASE,
)
_GREETED = re.compile(r"\b(?:hi+|hey+|hello|hiya|nice to meet you)\b", re.IGNORECASE)
_CORRECTING = re.compile(
    r"\b(?:actually|no|nope|sorry|I mean|I meant|oops|wait|I said)\b", re.IGNORECASE
)

_JOIN = r"(?:and|but|so|because|cause|cuz|bc|although|though|while|whereas|plus|then|or|also)"
_STARTER = (
    r"(?:I|I'm|I've|I'd|I'll|my|we|we've|we're|she|he|they|it|it's|you|you're|who|what|what's|"
    r"where|when|how|why|do|does|did|is|are|am|has|can|could|would|will|should|don't|"
    r"call|people|everyone|everybody|friends|there|this|that|that's|if|not sure|please|thanks|hbu|"
    r"wbu|nice|and you|right|huh|no|yes|yeah|name's|his|her|their|our|let's|forget|"
    r"[^\W\d_]+ is my|isn't|aren't|remember|ok|okay|sorry|actually)"
)
_VERB = (
    r"(?:like|love|hate|live|work|play|have|enjoy|speak|study|don't|can't|come|adore|"
    r"am|moved|used to|prefer|dislike|collect|got)"
)
_ADVERBS = r"(?:(?:really|absolutely|also|still|now|then|always|just|actually|especially) ){0,4}"
_SPLIT = re.compile(
    # A run of dots is taken once and whole: two thousand of them took ten seconds otherwise.
    r"\s*(?:[,;:()\u2013\u2014\u2026]|(?<!\.)\.\.++|\s-)\s*"
    rf"(?=(?:{_JOIN}\s+){{0,3}}(?:{_STARTER}\b|{_ADVERBS}{_VERB}\b))"
    rf"|\s+(?={_JOIN}\s+(?:{_JOIN}\s+){{0,2}}{_ADVERBS}(?:{_STARTER}|{_VERB})\b)",
    re.IGNORECASE,
)
_ELIDED = re.compile(rf"(?:{_JOIN}\s+){{0,3}}({_ADVERBS}{_VERB}\b.*)", re.IGNORECASE)
_REPORTED = re.compile(
    r"\b(?!I\b)(?:\w+) (?:said|says|say|told|tells|asked|thinks?|claims?|goes|was like|"
    r"is like|sang|"
    r"sings|wrote|shouted|screamed|believes?|insists?|pretends?|assumes?|sings)\b",
    re.IGNORECASE,
)
_NOT_REPORTED = re.compile(r"\bI (?:said|told|think|say)\b", re.IGNORECASE)
_UNREAL = re.compile(
    r"\b(?:if|wish|imagine|suppose|supposing|pretend|pretending|what if|unless|wonder|dreamt|"
    r"dreamed|dream|as if|assume|let's say|say I|would be|hypothetically|role ?play|used to|"
    r"in (?:the|this|that|my|a|our) (?:\w+ )?(?:game|story|dream|play|film|movie|book|"
    r"novel|show))\b",
    re.IGNORECASE,
)
_WISHED = re.compile(
    r"\bI(?:'d|'ll)? (?:want|would|wish|hope|plan|need|might|could|can|will|should|try|have to|"
    r"going|love to|like to|may|must|never|had|was|used)\b|\bI'(?:d|ll|ve)\b|\bI'm (?:going|trying|"
    r"hoping|planning|about|thinking)\b",
    re.IGNORECASE,
)
_BACK = re.compile(
    # From the beginning of a run of commas alone: from each place of it, a thousand took 0.1 s.
    r"(?<![\s,])[\s,]*\b(?:and you|hbu|wbu|what about (?:you|u)|how about (?:you|u)|and u|you|u)"
    r"\s*\?+\s*$",
    re.IGNORECASE,
)
_ASKING = re.compile(
    r"(?:(?:and|but|so|or|hey|well) )*(?:what|who|where|when|why|how|which|do|does|did|is|are|can|"
    r"could|would|will|should|has|you|your|any|got|ok|okay|remember|know|what's|who's|where's|"
    r"shall|have you|have we|nice|cool|huh|really|tell)\b",
    re.IGNORECASE,
)
_TAG = re.compile(
    r"(?:(?:don't|do|am|aren't|is|isn't|won't|can't|haven't|didn't) (?:I|it|we)|right|correct|no|"
    r"yes|yeah)\b\W*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause: its text after `lead` is taken off, and the sentence it stands in, as written.

    `meant` is False for questions, suppositions and the words of others; `correcting` where the
    person takes something back; `greeted` where a greeting leads in; `shown` is the text before
    spelling was mended.
    """

    text: str
    shown: str
    sentence: str
    meant: bool = True
    correcting: bool = False
    greeted: bool = False


def clauses(message: str) -> list[Clause]:
    """The clauses of a message in order, at most 40."""
    found: list[Clause] = []
    for sentence in _sentences(message):
        found.extend(_of_sentence(sentence))
        if len(found) >= _CLAUSES_MAX:
            return found[:_CLAUSES_MAX]
    return found


def spelled(text: str) -> str:
    """The text with straight apostrophes and the usual short cuts of typing written out."""
    plain = " ".join(text.translate(_APOSTROPHES).split())
    lower = plain.lower()
    if not plain.isascii() or any(phrase in lower for phrase in _PHRASES_PLAIN):
        plain = _PHRASES.sub(lambda match: _SPELLINGS[match[0].lower()], plain)
    return _WORD.sub(lambda match: _SPELLINGS.get(match[0].lower(), match[0]), plain)


def _sentences(message: str) -> Iterator[str]:
    for part in _SENTENCE_END.split(message[:_LENGTH_MAX]):
        if part.strip():
            yield part.strip()


def _unquote(match: re.Match[str]) -> str:
    inner = next(group for group in match.groups() if group is not None)
    own = re.search(r"\b(?:i|i'm|im|my)\b", inner, re.IGNORECASE)
    return " " if own or len(inner.split()) > 3 else inner


def _of_sentence(sentence: str) -> Iterator[Clause]:
    plain = sentence.translate(_APOSTROPHES)
    plain = _QUOTED.sub(_unquote, plain)
    if plain.isupper() and len(plain) > 3:
        plain = plain.lower()
    text = spelled(plain)
    asked = text.rstrip(" !.)").endswith("?")
    if asked and (turned := _BACK.search(text)) and turned.start():
        text, asked = text[: turned.start()], False
    parts = [part for part in _SPLIT.split(text) if part and part.strip(" ,.!?")]
    doubted = asked and bool(parts) and _all_doubted(parts)
    foreign, subject = False, ""
    for i, part in enumerate(parts):
        part = part.strip()
        if re.match(r"but\b|though\b|although\b", part, re.IGNORECASE):
            foreign = False
        lead = _LEAD.match(part)
        body = part[lead.end() :] if lead else part
        elided = _ELIDED.fullmatch(body) if i else None
        if elided:
            if subject.lower() not in ("i", "i'm", "i've", "we"):
                continue
            body = f"I {elided[1]}"
        unreal = bool(_UNREAL.search(body)) and not _own_past(body)
        reported = bool(_REPORTED.search(body)) and not _NOT_REPORTED.match(body)
        wished = bool(elided) and bool(_WISHED.search(parts[i - 1]))
        meant = not (foreign or _leading(unreal, body) or reported or wished or doubted)
        meant = meant and not (asked and i == len(parts) - 1)
        yield Clause(
            body.strip(" ,"),
            part,
            sentence,
            meant,
            correcting=bool(lead and _CORRECTING.search(lead[0])),
            greeted=bool(i == 0 and lead and _GREETED.search(lead[0])),
        )
        foreign = foreign or unreal or reported
        subject = subject if elided else body.split(" ", 1)[0]


def _own_past(body: str) -> bool:
    return bool(re.match(r"(?:I|we|my)\b.*\bused to\b", body, re.IGNORECASE))


def _leading(unreal: bool, body: str) -> bool:
    """Whether a supposition covers the clause: an "if" behind the statement does not."""
    if not unreal:
        return False
    late = re.search(r"\bif\b", body, re.IGNORECASE)
    return not (late and late.start() > 8 and not _UNREAL.search(body[: late.start()]))


def _all_doubted(parts: list[str]) -> bool:
    last = parts[-1].strip()
    if _TAG.match(last):
        return True
    return len(parts) > 1 and not _ASKING.match(last)
