"""The input screen: crisis and abuse are answered first, by words alone, within 0.2 ms.

It errs on the side of care: a message that may speak of suicide or self-harm is answered with
where to find help. Rules read the plain text; quoted lyrics and films are not told apart.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from app.dialog.lines import BOUNDARY, CRISIS, CRISIS_CONTINUED

_APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "`": "'"})
_SPACES = re.compile(r"\s+")

_ME = r"(?:i|i'm|im|ive|i've|i'd|id|me|my|myself)"
_CRISIS = re.compile(
    r"\b(?:"
    r"(?:kill|hurt|harm|cut|hang|shoot|drown|poison|end)(?:ing)? my ?self|"
    r"(?:kms|unalive myself)\b|"
    r"(?:end|ending|take|taking|took) my (?:own )?life|end(?:ing)? it all|"
    r"(?:want|wanna|wanted|wish|going|gonna|ready|need|rather|just|plan(?:ning)?)"
    r"(?: to| i could| i can| i was| i were| i'd)? "
    r"(?:die|be dead|dead|not exist|disappear forever)\b|"
    r"(?:don'?t|do not|dont|no longer|not) (?:want|wanna)(?: to)? "
    r"(?:live|be alive|be here any ?more|exist|wake up)|"
    r"(?:suicide|suicidal|self[- ]?harm(?:ing|ed)?|sucide|suiside)\b|"
    r"better off (?:dead|without me)|no (?:reason|point) (?:to|in) (?:live|living|go(?:ing)? on)|"
    r"(?:can'?t|cant|cannot) (?:go on|do this) any ?more|"
    r"(?:i (?:cut|burn(?:ed|t)?) (?:my(?:self| (?:arm|arms|wrist|wrists|leg|legs|thigh|thighs))))|"
    r"(?:took|take|taken|swallow(?:ed)?) (?:all (?:of )?)?(?:my|the|too many) "
    r"(?:pills|tablets|meds)|"
    r"overdos(?:e|ed|ing)\b|"
    r"say(?:ing)? goodbye to everyone"
    r")"
)
# What the words above also say without danger; taken out of the message before it is looked at.
_HARMLESS = re.compile(
    r"(?:dying|die|died|kill(?:ing|ed)? (?:me|myself)) (?:of |from |with )?"
    r"(?:laugh(?:ing|ter)|boredom|cringe|cuteness|embarrassment|lol)|"
    r"suicide squad|killing it|to die for|"
    r"(?:never|not|n't|wouldn't|would never|not going to|don't want to|dont want to|am not|i'm not|"
    r"im not) (?:ever )?(?:kill(?:ing)?|hurt(?:ing)?|harm(?:ing)?|cut(?:ting)?) (?:my ?self|me\b)|"
    r"(?:cut|cutting|burn(?:ed|t)?|hurt) (?:my ?self|my \w+) (?:while )?(?:cooking|shaving|slicing|"
    r"chopping|on (?:a |the |some )?(?:paper|knife|glass|oven|stove|pan)|playing|"
    r"at (?:work|the gym)|"
    r"running|by accident|accidentally)|"
    r"i'?m not suicidal"
)
_ABUSE = re.compile(
    r"\b(?:i(?:'m| am|'ll| will|m)? (?:going to |gonna )?(?:kill|rape|murder|hurt|beat|stab|shoot) "
    r"(?:you|him|her|them|my (?:wife|husband|girlfriend|boyfriend|kids?|child|mother|father|boss))"
    r"\b|how (?:do i|to|can i) (?:make|build) a (?:bomb|gun|weapon)|"
    r"(?:sex|sexual|nude|naked|porn)\w* (?:with |of |about )?(?:a |an |the )?(?:child|children|kid|"
    r"kids|minor|minors|little (?:girl|boy)|underage)|"
    r"(?:child|kid|kiddie|underage) (?:porn|nudes|sex)"
    r")"
)


@dataclass(frozen=True, slots=True)
class Alarm:
    """A message that is answered by a written text, before any model."""

    text: str
    crisis: bool


def screen(message: str, *, in_crisis: bool) -> Alarm | None:
    """The alarm that a message raises, or None; a second crisis message gets the second text."""
    plain = _plain(message)
    if _speaks_of_crisis(plain):
        return Alarm(CRISIS_CONTINUED if in_crisis else CRISIS, crisis=True)
    if _ABUSE.search(plain):
        return Alarm(BOUNDARY, crisis=False)
    return None


def is_crisis(message: str) -> bool:
    """Whether the words alone speak of suicide or self-harm."""
    return _speaks_of_crisis(_plain(message))


def _speaks_of_crisis(plain: str) -> bool:
    return _CRISIS.search(_HARMLESS.sub(" ", plain)) is not None


def _plain(message: str) -> str:
    text = unicodedata.normalize("NFKC", message).translate(_APOSTROPHES).casefold()
    return _SPACES.sub(" ", text).strip()
