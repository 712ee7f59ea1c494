"""What the load controller keeps of one request in progress."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class Request:
    """One request in progress: how far it is, and whether a stage of it was late."""

    began: float
    planned: bool = False
    unranked: int = 0  # candidates that will still go to the reranker
    missed: bool = False
    reckoned: Mapping[str, float] = field(default_factory=dict)  # tokens by model


current_request: ContextVar[Request | None] = ContextVar("request", default=None)
