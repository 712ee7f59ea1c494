"""The toxicity head: whether a text sounds like an attack, by a trained reader of n-grams."""

from __future__ import annotations

from typing import Protocol


class Toxicity(Protocol):
    """What the screen asks of the head, which is loaded elsewhere (`app/serving/toxicity.py`)."""

    def finds(self, text: str) -> bool:
        """Whether the text is above the head's threshold."""
