"""One batcher for each model that is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.serving.batcher import Backlog, Batcher, BatchReport
from app.serving.control import ENCODER, GENERATOR, RERANKER
from app.serving.loading import Models
from app.serving.queue import Budget
from app.telemetry import Metrics
from models.encoder import EncodeItem
from models.generator import GenerateItem, GenerateResult
from models.reranker import RerankItem, RerankResult

Vector = NDArray[np.float32]

# Padded tokens and items of a batch. Encoders cost about as much a pair in batches of 20 as of 64
# (8.6 and 7.5 ms of one core), so theirs are small: an urgent item waits for less. The generator's
# requests share the fixed cost of each step, so its batches are large.
BUDGETS: Mapping[str, Budget] = {
    ENCODER: Budget(tokens=1_024, items=32),
    RERANKER: Budget(tokens=1_024, items=32),
    GENERATOR: Budget(tokens=6_144, items=16),
}


class Lanes:
    """The batchers of an engine; each model has its own queue and its own native thread."""

    def __init__(
        self, models: Models, metrics: Metrics, observe: Callable[[BatchReport], None]
    ) -> None:
        self.encode: Batcher[EncodeItem, Vector] = Batcher(
            ENCODER,
            models.encoder.run,
            BUDGETS[ENCODER],
            lambda item: item.length,
            metrics,
            observe=observe,
        )
        self.rerank: Batcher[RerankItem, RerankResult] = Batcher(
            RERANKER,
            models.reranker.run,
            BUDGETS[RERANKER],
            lambda item: item.length,
            metrics,
            observe=observe,
        )
        self.generate: Batcher[GenerateItem, GenerateResult] | None = None
        if models.generator is not None:
            self.generate = Batcher(
                GENERATOR,
                models.generator.run,
                BUDGETS[GENERATOR],
                models.generator.cost,
                metrics,
                observe=observe,
            )

    def backlogs(self) -> dict[str, Callable[[], Backlog]]:
        """What each model has before it, by name."""
        return {batcher.name: batcher.backlog for batcher in self._all()}

    def close(self) -> None:
        """End every batcher, answering all who wait."""
        for batcher in self._all():
            batcher.close()

    def _all(self) -> list[Batcher[Any, Any]]:
        lanes: list[Batcher[Any, Any]] = [self.encode, self.rerank]
        return lanes if self.generate is None else [*lanes, self.generate]
