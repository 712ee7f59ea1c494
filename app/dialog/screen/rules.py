"""One text by its words: the reasons for which no generated reply may hold it."""

from __future__ import annotations

from collections.abc import Iterator

from app.dialog.screen import personal
from app.dialog.screen.advice import FINANCIAL, LEGAL, MEDICAL
from app.dialog.screen.phrases import Lexicon, folded
from app.dialog.screen.unkind import COURTING, HARM, INSULT, OFFENSIVE, SEXUAL, THREAT
from app.dialog.screen.untrue import HUMAN

RULES = (
    OFFENSIVE,
    THREAT,
    HARM,
    INSULT,
    SEXUAL,
    HUMAN,
    MEDICAL,
    LEGAL,
    FINANCIAL,
    personal.WORDS,
)
_LEXICON = Lexicon(RULES)
_FOR_ADULTS = Lexicon((SEXUAL, COURTING))


def reasons(text: str) -> Iterator[str]:
    """Each reason whose words the text holds."""
    lower = folded(text)
    found = list(_LEXICON.reasons(lower))
    yield from found
    if personal.REASON not in found and personal.found(lower):
        yield personal.REASON


def for_adults(text: str) -> bool:
    """Whether a text is sexual or courts somebody: not said to a minor, nor gone along with."""
    return any(_FOR_ADULTS.reasons(folded(text)))
