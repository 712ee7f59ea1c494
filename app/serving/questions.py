"""The questions that the dialog asks: texts in, vectors, hits, candidates and scores out.

Texts are tokenised on the hub (tenths of a millisecond); what a cache knows is not asked for, what
cannot be through before its deadline is not begun, and what is no number is left out. Deadlines
are `time.monotonic()` seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.errors import DeadlineExceeded, KindredError, ModelFailure, Overloaded
from app.serving.batching.pending import Pending
from app.serving.cache import filled, unknown
from app.serving.lanes import Lanes
from app.serving.load.controller import GENERATOR, RERANKER, LoadController
from app.serving.load.request import failed, stage
from app.serving.versions.fleet import Asked, Versions
from app.settings import Settings
from app.telemetry import Metrics
from models.contracts import EncoderModel, GeneratorModel, RerankerModel
from models.generator import GenerateItem, Generation
from models.prompt import normalise
from models.reranker import RerankResult
from models.sampling import Sampling
from retrieval.retriever import Hit, Retriever

Vector = NDArray[np.float32]


class Questions:
    """Asks the models through their lanes; an engine is this, and what keeps it alive."""

    _settings: Settings
    _metrics: Metrics
    _encoder: EncoderModel
    _retriever: Retriever
    _rerankers: Versions[RerankerModel]
    _generators: Versions[GeneratorModel] | None
    _sampling: Sampling
    _control: LoadController
    _lanes: Lanes

    def embed(
        self, texts: Sequence[str], deadline: float, *, background: bool = False
    ) -> Pending[list[Vector]]:
        """Unit vectors (dimension,) of texts, in order.

        `background`, here and below: nobody waits for it; what somebody waits for goes first.
        """
        items = self._encoder.prepare(texts)
        known = self._lanes.vectors.known(items)
        try:
            with stage():
                ticket = self._lanes.encode.submit(unknown(items, known), deadline, int(background))
        except KindredError as error:
            return Pending.failed(error)

        def finish() -> list[Vector]:
            with stage():
                vectors = filled(known, (outcome.get() for outcome in ticket.wait()))
                if not all(np.isfinite(vector).all() for vector in vectors):
                    self._metrics.failures.labels("encoder_nan").inc()
                    raise ModelFailure("The encoder gave no vector")
            return vectors

        return Pending(finish, ticket.cancel)

    def retrieve(self, vector: Vector, k: int) -> list[Hit]:
        """The `k` best replies of the bank for a unit vector (dimension,), best first."""
        return self._retriever.search(vector, k)

    def generate(
        self,
        turns: Sequence[str],
        facts: Sequence[str],
        *,
        n: int,
        seed: int,
        deadline: float,
        max_new_tokens: int | None = None,
        background: bool = False,
        version: str | None = None,
    ) -> Pending[list[Generation]]:
        """At most `n` distinct candidates for what to say after `turns` (oldest first).

        `version`, here and below: one that the caller holds; None: everybody's.
        """
        lane = self._lanes.generate
        if self._generators is None or lane is None or n <= 0:
            return Pending.of([])
        try:
            with stage():
                served = self._generators.held(version)
                generator = served.model
                context = self._context(generator, turns, facts)
                new_tokens = max_new_tokens or self._settings.new_tokens
                item = GenerateItem(context, n, seed, new_tokens, self._sampling)
                self._control.require(GENERATOR, generator.cost(item), deadline)
                ticket = lane.submit([Asked(served, item)], deadline, int(background))
        except KindredError as error:
            return Pending.failed(error)

        def finish() -> list[Generation]:
            with stage():
                candidates = ticket.wait()[0].get().candidates
            sound = [one for one in candidates if math.isfinite(one.mean_logprob)]
            if len(sound) < len(candidates):
                self._metrics.failures.labels("generator_nan").inc()
            return sound

        return Pending(finish, ticket.cancel)

    def score(
        self,
        turns: Sequence[str],
        responses: Sequence[str],
        facts: Sequence[str],
        deadline: float,
        *,
        background: bool = False,
        version: str | None = None,
    ) -> Pending[list[RerankResult | None]]:
        """A score for each response after `turns`; None where it is late, failed or no number."""
        worded = [i for i, response in enumerate(responses) if normalise(response)]
        scores: list[RerankResult | None] = [None] * len(responses)
        try:
            served = self._rerankers.held(version)
            prepared = served.model.prepare(turns, [responses[i] for i in worded], facts)
        except ModelFailure as error:  # a version that nobody holds
            failed(error)
            return Pending.of(scores)
        except ValueError:  # no turn has text that can be seen
            self._metrics.failures.labels("reranker_input").inc()
            failed(ModelFailure())
            return Pending.of(scores)
        items = [Asked(served, item) for item in prepared]
        self._control.ranking()
        known = self._lanes.scores.known(items)
        missing = unknown(items, known)
        for i, result in zip(worded, known, strict=True):
            scores[i] = result
        if not missing:
            return Pending.of(scores)
        tokens = sum(asked.item.length for asked in missing)
        try:
            with stage():
                self._control.require(RERANKER, tokens, deadline, len(missing))
                ticket = self._lanes.rerank.submit([missing], deadline, int(background))
        except (DeadlineExceeded, Overloaded):  # counted where they were raised
            return Pending.of(scores)

        def finish() -> list[RerankResult | None]:
            results = list(scores)
            asked = [i for i, result in zip(worded, known, strict=True) if result is None]
            for outcome in ticket.wait():  # one, of the whole slate
                if outcome.error is not None:
                    failed(outcome.error)
                for i, result in zip(asked, outcome.value or (), strict=False):
                    results[i] = self._sound(result)
            return results

        return Pending(finish, ticket.cancel)

    def _context(
        self, generator: GeneratorModel, turns: Sequence[str], facts: Sequence[str]
    ) -> tuple[int, ...]:
        """Token ids; ModelFailure where no turn has text that can be seen."""
        try:
            return generator.encode_context(turns, facts, self._settings.context_tokens)
        except ValueError as error:
            self._metrics.failures.labels("generator_input").inc()
            raise ModelFailure from error

    def _sound(self, result: RerankResult | None) -> RerankResult | None:
        """The same result, or None where it holds something that is not a number."""
        if result is None or all(map(math.isfinite, (result.serving, *result.heads.values()))):
            return result
        self._metrics.failures.labels("reranker_nan").inc()
        return None
