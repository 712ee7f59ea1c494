"""One batcher for each model that is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.serving.batcher import Backlog, Batcher, BatchReport
from app.serving.load import ENCODER, GENERATOR, RERANKER
from app.serving.loading import Models
from app.serving.queue import Budget
from app.telemetry import Metrics
from models.encoder import EncodeItem
from models.generator import GenerateItem, GenerateResult
from models.reranker import RerankItem, RerankResult

Vector = NDArray[np.float32]

# Padded tokens and items of a batch. The reranker's items are whole slates: the responses of a
# request share their context, which a batch of loose pairs would compute again and again. A pair
# costs about as much in batches of 20 as of 64 (8.6 and 7.5 ms of one core), so batches of the
# encoders are small: an urgent item waits for less. The generator's requests share the fixed cost
# of each step, so its batches are large.
BUDGETS: Mapping[str, Budget] = {
    ENCODER: Budget(tokens=1_024, items=32),
    RERANKER: Budget(tokens=2_048, items=4),
    GENERATOR: Budget(tokens=6_144, items=16),
}


RerankSlate = Sequence[RerankItem]


def slates(
    run: Callable[[list[RerankItem]], Sequence[RerankResult]],
) -> Callable[[list[RerankSlate]], list[list[RerankResult]]]:
    """The batch function over whole slates of one over pairs."""

    def run_slates(batch: list[RerankSlate]) -> list[list[RerankResult]]:
        results = iter(run([item for slate in batch for item in slate]))
        return [list(islice(results, len(slate))) for slate in batch]

    return run_slates


class Lanes:
    """The batchers of an engine; each model has its own queue and its own native thread."""

    def __init__(
        self,
        models: Models,
        metrics: Metrics,
        observe: Callable[[BatchReport], None],
        guard: Callable[[str], Callable[[float], int]],
    ) -> None:
        self.encode: Batcher[EncodeItem, Vector] = Batcher(
            ENCODER,
            models.encoder.run,
            BUDGETS[ENCODER],
            lambda item: item.length,
            metrics,
            observe=observe,
            allowance=guard(ENCODER),
        )
        self.rerank: Batcher[RerankSlate, list[RerankResult]] = Batcher(
            RERANKER,
            slates(models.reranker.run),
            BUDGETS[RERANKER],
            lambda slate: sum(item.length for item in slate),
            metrics,
            observe=observe,
            parts=len,
            allowance=guard(RERANKER),
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
                allowance=guard(GENERATOR),
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
