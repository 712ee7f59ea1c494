"""What the web room is given by the factory; it builds nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from app.dialog.companion import Companion
from app.dialog.safety import Reading
from app.domain import LearnedModel
from app.settings import Settings
from app.store.store import Store
from app.telemetry import Metrics


class Health(Protocol):
    """What the engine says of itself."""

    @property
    def ready(self) -> bool:
        """Whether requests should be sent here."""

    @property
    def detail(self) -> Mapping[str, Any]:
        """What was checked, and how it is."""


# `with body_timeout(seconds, False):` ends the block silently once the time is up: gevent.Timeout.
BodyTimeout = Callable[[float, bool], AbstractContextManager[object]]


# `with attend(connection):` ends the block where its client hangs up; None is never gone.
Attend = Callable[[Any], AbstractContextManager[None]]


# The registered models that learned from whoever the dataset knows by that keyed hash.
Learned = Callable[[str], Sequence[LearnedModel]]


def from_nobody(_person: str) -> Sequence[LearnedModel]:
    """Where no model was ever registered."""
    return ()


class Read(Protocol):
    """The input screen."""

    def __call__(self, message: str, source: str | None) -> Reading:
        """What a message speaks of; `source` is where it comes from, an opaque name.

        None: the reader that is everybody's is not asked.
        """


def by_rules(message: str, source: str | None) -> Reading:
    """An input screen of rules alone."""
    return Reading.of(message)


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that views call, and the secrets that the edge checks."""

    settings: Settings
    metrics: Metrics
    store: Store
    companion: Companion
    engine_health: Callable[[], Health]
    body_timeout: BodyTimeout
    jwt_secret: str
    admin_key: str
    attend: Attend = nullcontext
    read: Read = by_rules  # the input screen
    learned: Learned = from_nobody
