"""One text by its words: the reasons for which no generated reply may hold it."""

from __future__ import annotations

from collections.abc import Iterator

from app.dialog.screen import personal
from app.dialog.screen.advice import FINANCIAL, LEGAL, MEDICAL
from app.dialog.screen.phrases import folded
from app.dialog.screen.unkind import COURTING, HARM, INSULT, OFFENSIVE, SEXUAL, THREAT
from app.dialog.screen.untrue import HUMAN

RULES = (OFFENSIVE, THREAT, HARM, INSULT, SEXUAL, HUMAN, MEDICAL, LEGAL, FINANCIAL)


def reasons(text: str) -> Iterator[str]:
    """Each reason whose words the text holds."""
    lower = folded(text)
    yield from dict.fromkeys(rule.reason for rule in RULES if rule.finds(lower))
    if personal.found(lower):
        yield personal.REASON


def for_adults(text: str) -> bool:
    """Whether a text is sexual or courts somebody: nothing to say to a minor, or to go along with."""
    lower = folded(text)
    return SEXUAL.finds(lower) or COURTING.finds(lower)
