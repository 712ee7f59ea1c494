"""What every noun of the store needs: the connection, the keys of people, bounds and the clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from app.errors import Unauthenticated
from app.settings import Settings
from app.store.link.client import RedisClient
from app.store.refused import Refused
from app.store.sealing.codec import Cipher
from app.store.sealing.keystore import KeyRing
from app.telemetry import Metrics

LEASE_SECONDS = 30.0  # how long an unfinished request keeps its idempotency keys
PAUSE_SECONDS = 1_800  # without a message: what comes after it is a new talk, for break reminders
RECENT_MAX = 30  # Kindred's own last lines, kept against repeats


@dataclass(frozen=True, slots=True)
class Core:
    """Shared by the nouns; `clock` gives Unix seconds."""

    client: RedisClient
    ring: KeyRing
    settings: Settings
    metrics: Metrics
    clock: Callable[[], float]
    refused: Refused = field(default_factory=Refused)

    @property
    def ttl(self) -> int:
        """Seconds that texts are kept after the last write."""
        return max(1, self.settings.retention_seconds)

    @property
    def reaction_ttl(self) -> int:
        """Seconds that impressions, reactions, tastes and their events are kept."""
        return max(1, int(self.settings.kept_reaction_days * 86_400))

    @property
    def person_ttl(self) -> int:
        """Seconds that a person (no text) is known: as long as texts and tokens live."""
        return person_ttl(self.settings)

    @property
    def idempotency_ttl(self) -> int:
        """Seconds that an idempotency key is remembered."""
        return int(self.settings.idempotency_hours * 3_600)

    def cipher(self, user_id: str) -> Cipher:
        """The person's cipher (Unauthenticated where there is none: unknown or erased)."""
        cipher = self.ring.cipher(user_id)
        if cipher is None:
            raise Unauthenticated
        return cipher

    def unreadable(self) -> None:
        """Count a stored value that did not open and was left out."""
        self.metrics.failures.labels("store.unreadable").inc()


def milliseconds(now: float) -> int:
    """Unix milliseconds of Unix seconds."""
    return int(now * 1000)


def person_ttl(settings: Settings) -> int:
    """Seconds that a person is known after the last write; see `Core.person_ttl`."""
    return max(1, settings.retention_seconds, int(settings.token_hours * 3_600) + 3_600)
