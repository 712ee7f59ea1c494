"""What a batcher tells about itself, for the load control."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What one successful batch cost."""

    model: str
    items: int
    tokens: int  # sum of lengths
    seconds: float  # in the native thread
    waited: float  # seconds that its longest waiting item had waited
    waited_least: float = 0.0  # and the one that came last: what a standing queue costs everyone


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a model has before it now."""

    items: int  # waiting
    tokens: int  # waiting
    running_tokens: int  # in the batch that runs, 0 if none
    running_seconds: float  # since that batch began
