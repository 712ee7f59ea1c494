"""One batcher for each model that is loaded, with what stands around its native calls.

hub: vectors.known, scores.known ─► batcher ─► native: recall ─► each version: turn ─► its run

All versions of a model share its lane: one queue, one native thread, one cost to the load control.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

import gevent
import numpy as np
from numpy.typing import NDArray

from app.serving.batching.batcher import Backlog, Batcher, BatchReport
from app.serving.batching.policies import policy_for
from app.serving.batching.queue import Budget
from app.serving.cache import Recall, ScoreCodec, VectorCodec, VersionedCodec
from app.serving.load.cores import Concurrency, Free, concurrency_for
from app.serving.load.law import ENCODER, GENERATOR, RERANKER
from app.serving.versions.fleet import Asked, each_by_its_own
from app.settings import Settings
from app.telemetry import Metrics
from models.contracts import (
    EncodeItem,
    EncoderModel,
    GeneratorModel,
    RerankerModel,
    RerankItem,
    RerankResult,
)
from models.generator import GenerateItem, GenerateResult
from models.runtimes.hardware import choose_device

Item = TypeVar("Item")
Result = TypeVar("Result")
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
_MEGABYTE = 1 << 20

RerankSlate = Sequence[Asked]  # of `RerankItem`s


def slates(
    run: Callable[[list[Item]], Sequence[RerankResult]],
) -> Callable[[list[Sequence[Item]]], list[list[RerankResult]]]:
    """The batch function over whole slates of one over pairs.

    It raises TypeError where it is not given one result for each pair: cut up, too few would give
    some slates short lists, and the scores of others.
    """

    def run_slates(batch: list[Sequence[Item]]) -> list[list[RerankResult]]:
        pairs = [item for slate in batch for item in slate]
        results = run(pairs)
        if not isinstance(results, Sequence) or len(results) != len(pairs):
            raise TypeError(f"the model returned no list of {len(pairs)} results")
        rest = iter(results)
        return [list(islice(rest, len(slate))) for slate in batch]

    return run_slates


def in_turn(
    cores: Concurrency, model: str, run: Callable[[list[Item]], Sequence[Result]]
) -> Callable[[list[Item]], Sequence[Result]]:
    """The same batch function, run when it is the model's turn."""

    def run_in_turn(batch: list[Item]) -> Sequence[Result]:
        with cores.turn(model):
            return run(batch)

    return run_in_turn


def step_by_step(
    cores: Concurrency, generator: GeneratorModel
) -> Callable[[list[GenerateItem]], list[GenerateResult]]:
    """The generator's batch function, which lets the other models go first between its steps."""

    def run_steps(batch: list[GenerateItem]) -> list[GenerateResult]:
        with cores.turn(GENERATOR) as turn:
            return generator.run(batch, between_steps=turn.give_way)

    return run_steps


class Lanes:
    """The batchers of an engine; each model has its own queue and its own native thread.

    `vectors` and `scores` know what need not be asked for; whoever submits asks them first.
    """

    def __init__(
        self,
        encoder: EncoderModel,
        metrics: Metrics,
        settings: Settings,
        observe: Callable[[BatchReport], None],
        guard: Callable[[str], Callable[[float], int]],
        *,
        generates: bool,
    ) -> None:
        """`generates`: there is a generator."""
        device = choose_device(settings.device).type
        half = settings.cache_mb * _MEGABYTE // 2
        self._policy = policy_for(settings.batching, device)
        self._cores = concurrency_for(settings.concurrency, device)
        self._metrics, self._observe, self._guard = metrics, observe, guard
        self.vectors = Recall(ENCODER, VectorCodec(), half, metrics)
        self.scores: Recall[Asked, RerankResult] = Recall(
            RERANKER, VersionedCodec(ScoreCodec()), half, metrics
        )
        self.encode: Batcher[EncodeItem, Vector] = self._lane(
            ENCODER,
            self.vectors.over(in_turn(self._sharing(encoder), ENCODER, encoder.run)),
            lambda item: item.length,
        )
        self.rerank: Batcher[RerankSlate, list[RerankResult]] = self._lane(
            RERANKER,
            slates(self.scores.over(each_by_its_own(self._rerank))),
            lambda slate: sum(asked.item.length for asked in slate),
            parts=len,
        )
        self.generate: Batcher[Asked, GenerateResult] | None = None
        if generates:
            self.generate = self._lane(
                GENERATOR,
                each_by_its_own(self._generate),
                lambda asked: int(asked.served.model.cost(asked.item)),
            )

    def backlogs(self) -> dict[str, Callable[[], Backlog]]:
        """What each model has before it, by name."""
        return {batcher.name: batcher.backlog for batcher in self._all()}

    def close(self) -> None:
        """End every batcher, answering all who wait; one that hangs delays no other's end."""
        self._cores.close()
        gevent.joinall([gevent.spawn(batcher.close) for batcher in self._all()])

    def _lane(
        self,
        name: str,
        run: Callable[[list[Item]], Sequence[Result]],
        length: Callable[[Item], int],
        parts: Callable[[Item], int] = lambda item: 1,
    ) -> Batcher[Item, Result]:
        return Batcher(
            name,
            run,
            BUDGETS[name],
            length,
            self._metrics,
            observe=self._observe,
            parts=parts,
            policy=self._policy,
            allowance=self._guard(name),
        )

    def _rerank(self, model: RerankerModel, items: list[RerankItem]) -> Sequence[RerankResult]:
        return in_turn(self._sharing(model), RERANKER, model.run)(items)

    def _generate(
        self, model: GeneratorModel, items: list[GenerateItem]
    ) -> Sequence[GenerateResult]:
        return step_by_step(self._sharing(model), model)(items)

    def _sharing(self, model: EncoderModel | RerankerModel | GeneratorModel) -> Concurrency:
        """A model that is computed elsewhere must not keep the cores while it waits."""
        return self._cores if model.local else Free()

    def _all(self) -> list[Batcher[Any, Any]]:
        lanes: list[Batcher[Any, Any]] = [self.encode, self.rerank]
        return lanes if self.generate is None else [*lanes, self.generate]
