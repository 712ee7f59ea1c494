"""The words of the crisis protocol and of the notices. Who changes one changes the version."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache

from app.dialog.care.regions import REGIONS, Region

CRISIS_VERSION = "crisis-2026-12.3"
"""Names the texts and the table of regions; logged with every reply of the protocol."""

NOTICES_VERSION = "notices-2026-12"

DIRECTORY = "findahelpline.com"


class Kind(StrEnum):
    """Which text of the protocol: whom it is about, and whether it is the first of its kind."""

    SELF = "self"
    OTHER = "other"
    LOSS = "loss"


_FIRST = {
    Kind.SELF: (
        "Thank you for telling me. I'm really glad you said it, and I'm taking it seriously. "
        "I'm an AI, so I can't be beside you, and you deserve someone who can. If you might act "
        "on this or you're in danger, please call {emergency} now. {lines}{young} Is there "
        "someone near you that you could be with right now? I'm here to keep talking, too. Are "
        "you safe at this moment?"
    ),
    Kind.OTHER: (
        "Thank you for telling me. You're right to take this seriously, and so do I. I'm an AI, "
        "so I can't reach them, but people can: if they might act on it, or have taken something, "
        "call {emergency} now and don't leave them alone if you can help it. {lines} You can call "
        "about someone else too.{young} It's all right to ask them directly whether they're "
        "thinking of suicide, and to listen without judging. Keeping them safe isn't yours to "
        "carry alone. Are they safe at this moment, and how are you holding up?"
    ),
    Kind.LOSS: (
        "I'm so sorry. Losing someone that way is a grief with its own weight. I'm an AI, so I "
        "can't be beside you, but I can listen. If it ever pulls you towards danger, please call "
        "{emergency}. {lines} They are there for people in grief, too.{young} Would you like to "
        "tell me about them, or about how you are today?"
    ),
}

_AGAIN = {
    Kind.SELF: (
        "I'm still here, and I'm still taking this seriously. Please don't carry it alone. "
        "{lines}{young} If you might act on it, call {emergency} now. Who could you call or sit "
        "with tonight?",
        "I hear how much this hurts, and I won't wave it away. A person can do what I can't: "
        "{emergency} if you're in danger. {lines}{young} Could you move away from anything you "
        "might use, and towards somebody, even for the next hour?",
        "I'm with you in this chat, and you deserve more than a chat. {lines}{young} If it gets "
        "too close, {emergency} is the right call, at any hour. What would help you get through "
        "the next ten minutes?",
    ),
    Kind.OTHER: (
        "I'm still taking this seriously with you. If they're in danger now, call {emergency}, "
        "and stay with them if you can. {lines}{young} Who else could help you look after them?",
        "You're doing something hard for them. {lines}{young} If anything changes for the worse, "
        "call {emergency} at once. What do you know of where they are right now?",
    ),
    Kind.LOSS: (
        "I'm still listening. Grief like this comes in waves, and none of them is wrong. "
        "{lines}{young} If it ever pulls you towards danger, call {emergency}. What is heaviest "
        "today?",
    ),
}

STAYING = {
    Kind.SELF: (
        "Thank you for telling me that, too. If there is anything near you that you could hurt "
        "yourself with, please put a door between you and it, or give it to somebody. Is anyone "
        "with you, or on their way?",
        "I'm still here, and you don't need the right words. What would make the next hour a "
        "little easier to get through?",
    ),
    Kind.OTHER: (
        "Thank you for telling me that, too. Caring for somebody in that place is hard. Is there "
        "anyone beside you in this?",
        "I'm still here. You have done right to worry out loud. How are you, yourself, just now?",
    ),
    Kind.LOSS: (
        "Thank you for telling me that, too. There is no hurry here. What do you miss most today?",
        "I'm still here. What have these last days been like for you?",
    ),
}
"""What the next messages after an answer of the protocol hear: written to fit a "no, tonight" and
an "I called my sister" alike, as nobody can be sure then what a short line means."""

_GENERAL_LINES = (
    "In the US or Canada you can call or text 988, in the UK and Ireland Samaritans are on "
    f"116 123, and {DIRECTORY} lists lines for other countries."
)
_GENERAL_EMERGENCY = "your local emergency number"
_ADULT = "it helps to tell an adult you trust: a parent, a teacher, a doctor"

_FOLLOW_UP = (
    "A while ago you told me something heavy. If it's still that heavy, please don't carry it "
    "alone. {lines}{young} In danger, call {emergency}."
)

YOUNG_BOUNDARY = (
    "I keep that out of our talks, kindly and always: I don't do anything sexual or romantic with "
    "people under 18. If somebody asked you for something like that, sent it to you or did it, "
    "that isn't your fault, and{young_clause} I'm glad to talk about nearly anything else, or "
    "about what made you ask."
)

AI_DISCLOSURE = "Kindred is an AI, not a person. What it says can be wrong."
AI_DISCLOSURE_YOUNG = (
    "Kindred is an AI, not a person. What it says can be wrong, and companions like it don't suit "
    "every young person."
)
BREAK = (
    "You've been talking for {hours}. A pause may do you good: water, some air, a person near you. "
    "Kindred is an AI and will keep."
)


def first(kind: Kind, region: str = "", *, young: bool = False) -> str:
    """The protocol's first answer of a kind, with what a country offers ("": the general text)."""
    return _with_help(_FIRST[kind], region, young)


def again(kind: Kind, region: str = "", *, young: bool = False) -> tuple[str, ...]:
    """The further answers of a kind: several, so that nobody in need hears the same one twice."""
    return tuple(_with_help(text, region, young) for text in _AGAIN[kind])


def opening(kind: Kind) -> str:
    """What the first answer of a kind begins with, in every region."""
    return _FIRST[kind].partition("{")[0]


def kind_of(line: str) -> Kind | None:
    """Which kind of the protocol's answers a line of Kindred's is; None: it is none."""
    return next((kind for kind in Kind if any(map(line.startswith, _openings(kind)))), None)


@lru_cache(maxsize=len(Kind))
def _openings(kind: Kind) -> tuple[str, ...]:
    return opening(kind), *(text.partition("{")[0] for text in _AGAIN[kind])


def follow_up(region: str = "", *, young: bool = False) -> str:
    """The line beside the second reply after the protocol has answered."""
    return _with_help(_FOLLOW_UP, region, young)


def boundary_for_young(region: str = "") -> str:
    """What a young person hears where they ask for sexual or romantic talk."""
    there = REGIONS.get(region)
    clause = f" {_ADULT}."
    if there is not None and there.young:
        clause = f"{clause} In {there.name}, {there.young}."
    return YOUNG_BOUNDARY.format(young_clause=clause)


def break_reminder(seconds: float) -> str:
    """The reminder after so much talking."""
    hours = max(1, round(seconds / 3_600))
    return BREAK.format(hours="an hour" if hours == 1 else f"about {hours} hours")


@lru_cache(maxsize=2_048)
def _with_help(template: str, region: str, young: bool) -> str:
    there = REGIONS.get(region)
    return template.format(
        emergency=_emergency(there),
        lines=_lines(there),
        young=f" {_young(there)}" if young else "",
    )


def _emergency(there: Region | None) -> str:
    if there is None:
        return _GENERAL_EMERGENCY
    return f"{_GENERAL_EMERGENCY} ({there.emergency} in {there.name})"


def _lines(there: Region | None) -> str:
    if there is None:
        return _GENERAL_LINES
    if not there.lines:
        return f"{DIRECTORY} lists lines in {there.name} and elsewhere."
    return f"In {there.name}, {there.lines}. {DIRECTORY} lists more, and lines elsewhere."


def _young(there: Region | None) -> str:
    adult = f"Whatever has happened, {_ADULT}."
    if there is None or not there.young:
        return adult
    return f"For under-18s in {there.name}, {there.young}. {adult}"
