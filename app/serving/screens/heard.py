"""What a sentence reader says of a message, as it goes to whoever weighs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heard:
    """Of each head the highest logit that the message or a part of it has.

    `whole`: all that was asked for was read; else a part is missing, and what it would have said.
    """

    logits: Mapping[str, float]
    whole: bool = True
