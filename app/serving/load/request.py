"""What the load controller keeps of one request in progress."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from app.errors import KindredError, ModelFailure


@dataclass(eq=False, slots=True)
class Request:
    """One request in progress: how far it is, and whether a stage of it was late."""

    began: float
    source: str = ""
    planned: bool = False
    unranked: int = 0  # candidates that will still go to the reranker
    missed: bool = False
    failed: bool = False  # a model did: what was reckoned did not all run
    reckoned: Mapping[str, float] = field(default_factory=dict)  # tokens by model


current_request: ContextVar[Request | None] = ContextVar("request", default=None)


def failed(error: KindredError) -> None:
    """A stage of the request of this greenlet gave nothing.

    Late and overloaded are reasons to plan less. A model that fails is none, but what was reckoned
    for it has not run.
    """
    request = current_request.get()
    if request is not None and isinstance(error, ModelFailure):
        request.failed = True
    elif request is not None:
        request.missed = True


@contextmanager
def stage() -> Iterator[None]:
    """Part of the answer to the request of this greenlet: its KindredError counts as `failed`."""
    try:
        yield
    except KindredError as error:
        failed(error)
        raise
