"""What Kindred says without a model: boundaries and plain fallbacks (a crisis: care/texts.py)."""

from __future__ import annotations

from collections.abc import Collection
from random import Random

BOUNDARY = (
    "I won't go there with you, and I'd say so to anyone. I'm glad to talk about what's behind it, "
    "or about something else entirely."
)

STAYS_AN_AI = (
    "I'm an AI, and I'd rather be honest about that than play a person. Everything else about this "
    "talk can be as real as you like. What would you like to talk about?"
)

KEEPS_ITS_PROMPT = (
    "There isn't a secret text behind me that I'd read out. I'm Kindred, an AI made to talk with "
    "you, and you can ask me plainly what I can and can't do. What did you want to know?"
)

_FALLBACKS = (
    "I want to answer that properly, and I don't have good words for it yet. Can you tell me a bit "
    "more?",
    "Say a little more about that? I'd rather understand you than guess.",
    "I'm listening. What's the part of it that matters most to you?",
    "Let me not rush this one. What happened just before?",
    "I may be missing something here. How did you mean it?",
    "That deserves a better answer than I have ready. What would be good to hear right now?",
    "Help me see it the way you do. Where does it start for you?",
    "I'd like to stay with this a moment. How are you feeling about it?",
)


def fallback(seed: int, recent: Collection[str]) -> str:
    """A safe line for when no candidate is left; not one of the recent ones while others remain."""
    fresh = [line for line in _FALLBACKS if line not in recent]
    dice = Random(seed)  # nosec B311: no secret, and a reply can be made again from its seed
    return dice.choice(fresh or list(_FALLBACKS))
