"""Whether a text sounds like an attack, or like advice that should not be: by a trained reader."""

from __future__ import annotations

from typing import Protocol


class Toxicity(Protocol):
    """What the screen asks of the reader, loaded by `app/serving/screens/toxicity.py`."""

    def finds(self, text: str) -> bool:
        """Whether the text is above a threshold of the reader."""
