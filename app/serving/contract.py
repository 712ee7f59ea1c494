"""What the dialog room asks of an engine: the real one and its fake both are this."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.serving.batching.pending import Pending
from app.serving.health import Health
from app.serving.load.law import Plan
from app.serving.screens.replies import Replies
from app.serving.screens.sentences import Sentences
from app.serving.versions.fleet import Held
from models.generator import Generation
from models.reranker import RerankResult
from retrieval.retriever import Hit

Vector = NDArray[np.float32]


class AnyEngine(Protocol):
    """The four questions, the plan and the admission; deadlines are `time.monotonic()` seconds."""

    @property
    def versions(self) -> Mapping[str, str]:
        """The version of each part that is everybody's, for slates and explanations."""

    @property
    def sentences(self) -> Sentences | None:
        """The input screen's sentence reader, None where there is none."""

    @property
    def replies(self) -> Replies | None:
        """The output screen's sentence reader, None where there is none."""

    def holding(self, wanted: Mapping[str, str]) -> AbstractContextManager[Held]:
        """Hold, for a block, the versions that answer one request: the wanted ones by kind."""

    def follow(
        self,
        named: Callable[[], Mapping[str, Sequence[str]]],
        stand_ins: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """Keep loaded the versions that are named by kind, everybody's first.

        `stand_ins`: by kind the one that serves where the first does not load.
        """

    def embed(self, texts: Sequence[str], deadline: float) -> Pending[list[Vector]]:
        """Unit vectors (dimension,) of texts, in order."""

    def retrieve(self, vector: Vector, k: int) -> list[Hit]:
        """The `k` best replies of the bank for a unit vector (dimension,), best first."""

    def generate(
        self,
        turns: Sequence[str],
        facts: Sequence[str],
        *,
        n: int,
        seed: int,
        deadline: float,
        max_new_tokens: int | None = None,
        version: str | None = None,
    ) -> Pending[list[Generation]]:
        """At most `n` distinct candidates for what to say after `turns` (oldest first).

        `version`, here and below: one that the caller holds; None: everybody's.
        """

    def score(
        self,
        turns: Sequence[str],
        responses: Sequence[str],
        facts: Sequence[str],
        deadline: float,
        *,
        version: str | None = None,
    ) -> Pending[list[RerankResult | None]]:
        """A score for each response after `turns`; None where it is late, failed or no number."""

    def plan(self) -> Plan:
        """How many candidates a request that arrives now may have generated, and how long."""

    def admission(self, *, source: str = "") -> AbstractContextManager[None]:
        """Counts a request while it is answered; entering raises Overloaded (retry_after).

        `source`: where it comes from; who holds most of what is under way is refused first.
        """

    def health(self) -> Health:
        """Whether requests should be sent here, and what was checked."""

    def drain(self) -> None:
        """Not ready from now on; who comes all the same is answered. Safe in a signal handler."""

    def when_hung(self, act: Callable[[str], None]) -> None:
        """Call `act` with a model's name when its native thread hangs."""

    def close(self) -> None:
        """End everything; may be called twice."""
