"""What a person asks to have forgotten: "forget my name", "don't remember where I live"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from app.domain import Fact

_RECENT_SECONDS = 3_600.0  # "forget that" points to what was told within this time
_I = re.IGNORECASE

_POLITE = (
    r"(?:(?:please|pls|kindly|kindred|hey|ok|okay|well|no|actually|and|but|can you|"
    r"could you|would you|"
    r"will you|can u|i want you to|i'd like you to|i would like you to|i need you to|you can|"
    r"you should|just|then|now|you must|i'm asking you to|so|oh|wait|sorry)[\s,]+)*"
)
_COMMAND = re.compile(
    rf"^\s*{_POLITE}(?:forget(?: about)?|delete|erase|unlearn|"
    r"(?:don't|do not|dont|stop) (?:remember(?:ing)?|keep(?:ing)?|stor(?:e|ing)|sav(?:e|ing))|"
    r"remove)\s+(.+?)[\s.!?]*$",
    _I | re.DOTALL,
)
_ALL = re.compile(
    r"(?:(?:everything|all|anything|what|whatever|all of (?:it|that))(?: that)?"
    r"(?: (?:about me|you(?:'ve)? (?:know|knew|learned|learnt|remember|stored|saved|have|heard)"
    r"(?: (?:of|on) me)?|i(?:'ve| have)?(?: ever)? (?:told|said|tell)(?: to)?(?: you)?"
    r"(?: about myself)?))+"
    r"|everything|(?:all )?(?:of )?my (?:data|facts|memories|information|info)|"
    r"(?:all )?(?:your|the) memor(?:y|ies)(?: of me)?)(?: please| now)*",
    _I,
)
_LAST = re.compile(
    r"(?:that|this|what i (?:just )?(?:said|told you)(?: just now)?|"
    r"that i (?:just )?(?:said|told you)"
    r"(?: that)?|the last thing(?: i (?:said|told you))?|what i (?:just )?told you|"
    r"that last (?:bit|part|thing)|i (?:ever )?(?:said|told you) (?:that|this|anything))"
    r"(?: please| now| again)*",
    _I,
)
_SUBJECTS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(pattern, _I), slots)
    for pattern, slots in (
        (r"\b(?:my (?:\w+ )?name|what i'm called|who i am|i'm called)\b", ("name",)),
        (r"\b(?:my age|how old i am|how old i'm)\b", ("age",)),
        (r"\b(?:my birthday|when i was born|my date of birth|my bday)\b", ("birthday",)),
        (
            r"\b(?:where i live|my (?:home|address|city|town|location|place)|where i moved)\b",
            ("lives",),
        ),
        (r"\b(?:where i(?:'m| am| come) from|my (?:home ?town|nationality|origin))\b", ("from",)),
        (
            r"\b(?:where i work|what i do(?: for (?:a living|work))?|my (?:job|work|"
            r"occupation|employer))\b",
            ("work", "work:"),
        ),
        (r"\b(?:what i study|my (?:studies|degree|course|major))\b", ("studies",)),
        (r"\b(?:my (?:diet)|what i (?:don't )?eat)\b", ("diet", "diet:")),
        (r"\b(?:my (?:health|allerg\w+|conditions?))\b", ("allergy:", "health:")),
        (r"\b(?:my (?:relationship )?status|that i'm (?:single|married))\b", ("status",)),
        (r"\b(?:my (?:hobbies|hobby)|what i do in my free time)\b", ("does:",)),
        (r"\b(?:my languages|(?:which|what) languages i speak)\b", ("speaks:",)),
        (r"\b(?:my favourites?|my favorites?)$", ("favourite:",)),
        (r"\b(?:my (?:(?:dis)?likes|tastes?|preferences)|what i (?:like|love|hate|enjoy))\b",
         ("taste:", "favourite:")),
        (r"\b(?:my pets?)\b", ("pet:",)),
        (r"\b(?:my family|my friends)\b", ("person:",)),
    )
)  # fmt: skip
_MINE = re.compile(
    r"\bmy (?:favou?rite )?([\w' -]{2,40}?)(?:'s name|s' names| \(.*)?(?: please)?$", _I
)


# Without one of these in it no ASCII text is such a request.
_COMMANDS = ("forget", "delete", "erase", "unlearn", "remember", "keep", "stor", "sav", "remove")


def may_ask(text: str) -> bool:
    """Whether a text can be a request to forget; most cannot, and `object_of` need not look."""
    if not text.isascii():
        return True
    lower = text.lower()
    return any(command in lower for command in _COMMANDS)


def object_of(text: str) -> str | None:
    """What the sentence asks to forget, or None where it asks for nothing of the kind."""
    match = _COMMAND.match(text)
    if not match or match[1].lower().startswith(("it", "to ", "how ", "me not")):
        return None
    return match[1].strip()


def asked_for(what: str, known: Sequence[Fact], now: float) -> list[str]:
    """The slots among the known facts that the words of a request to forget stand for."""
    if _ALL.fullmatch(what):
        return [fact.slot for fact in known]
    if _LAST.fullmatch(what):
        return _newest(known, now)
    for pattern, slots in _SUBJECTS:
        if pattern.search(what):
            return [fact.slot for fact in known if _covered(fact.slot, slots)]
    if mine := _MINE.search(what):
        return _of_mine(mine[1].lower(), known)
    lowered = re.sub(r"^(?:about|that) ", "", what.lower())
    return [fact.slot for fact in known if fact.value.lower() == lowered]


def of_the_person(what: str) -> bool:
    """Whether the words can stand for something that was told, whatever that was."""
    patterns = (_ALL.fullmatch, _LAST.fullmatch, _MINE.search, *(p.search for p, _ in _SUBJECTS))
    return any(matches(what) for matches in patterns)


def _covered(slot: str, wanted: Iterable[str]) -> bool:
    return any(slot == want or (want.endswith(":") and slot.startswith(want)) for want in wanted)


def _newest(known: Sequence[Fact], now: float) -> list[str]:
    if not known:
        return []
    last = max(known, key=lambda fact: fact.created_at)
    if now - last.created_at > _RECENT_SECONDS:
        return []
    return [fact.slot for fact in known if fact.turn_id == last.turn_id]


def _of_mine(what: str, known: Sequence[Fact]) -> list[str]:
    """ "my sister", "my dog", "my sister Mia", "my favourite colour"."""
    words = what.split()
    tails = {
        what,
        words[0],
        " ".join(words[:2]),
        what.removesuffix("s"),
        what.replace("color", "colour"),
    }
    found = []
    for fact in known:
        kind, _, tail = fact.slot.partition(":")
        if kind in ("person", "pet", "favourite") and tail in tails:
            found.append(fact.slot)
    return found
