"""What Kindred says without a model: care in a crisis, boundaries, and plain fallbacks."""

from __future__ import annotations

from collections.abc import Collection
from random import Random

CRISIS_VERSION = "crisis-2026-12"

CRISIS = (
    "Thank you for telling me. I'm really glad you said it, and I'm taking it seriously. "
    "I'm an AI, so I can't be beside you, and you deserve someone who can. If you might act on "
    "this or you're in danger, please call your local emergency number now. In the US or Canada "
    "you can call or text 988, in the UK and Ireland Samaritans are on 116 123, and "
    "findahelpline.com lists lines for other countries. Is there someone near you that you could "
    "be with right now? I'm here to keep talking, too. Are you safe at this moment?"
)

CRISIS_CONTINUED = (
    "I'm still here, and I'm still taking this seriously. Please don't carry it alone: your local "
    "emergency number, 988 in the US or Canada, Samaritans on 116 123 in the UK and Ireland, or a "
    "line from findahelpline.com will have a person who listens. Who could you call or sit with "
    "tonight?"
)

CRISIS_OTHER = (
    "Thank you for telling me. You're right to take this seriously, and so do I. I'm an AI, so I "
    "can't reach them, but people can: if they might act on it, or have taken something, call your "
    "local emergency number now and don't leave them alone if you can help it. In the US or Canada "
    "you can call or text 988 about someone else too, in the UK and Ireland Samaritans are on "
    "116 123, and findahelpline.com lists lines for other countries. It's all right to ask them "
    "directly whether they're thinking of suicide, and to listen without judging. Keeping them "
    "safe isn't yours to carry alone. Are they safe at this moment, and how are you holding up?"
)

CRISIS_LOSS = (
    "I'm so sorry. Losing someone that way is a grief with its own weight. I'm an AI, so I can't "
    "be beside you, but I can listen. If it ever pulls you towards danger, please call your local "
    "emergency number, or 988 in the US or Canada, or Samaritans on 116 123 in the UK and Ireland; "
    "findahelpline.com lists lines for other countries, and they are there for people in grief, "
    "too. Would you like to tell me about them, or about how you are today?"
)

BOUNDARY = (
    "I won't go there with you, and I'd say so to anyone. I'm glad to talk about what's behind it, "
    "or about something else entirely."
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
    return Random(seed).choice(fresh or list(_FALLBACKS))
