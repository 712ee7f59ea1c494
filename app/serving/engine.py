"""The engine: owns the models, gives each a batcher, and answers the dialog's questions.

    embed ──► encoder's batcher          plan, admission ──► load controller
    retrieve ► FAISS, on the hub         health ──► canaries and the hub monitor
    generate ► generator's batcher
    score ──► reranker's batcher

Texts are tokenised on the hub (tenths of a millisecond), the models run on one native thread each.
Deadlines are `time.monotonic()` seconds.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np
from numpy.typing import NDArray

from app.errors import (
    DeadlineExceeded,
    KindredError,
    ModelFailure,
    Overloaded,
    StartupError,
)
from app.serving.batcher import BatchReport
from app.serving.cache import filled, unknown
from app.serving.control import ENCODER, GENERATOR, RERANKER, LoadController, limits_of
from app.serving.control_request import failed, stage
from app.serving.gain import load_gain
from app.serving.health import Canaries, Health, HubMonitor
from app.serving.lanes import BUDGETS, Lanes
from app.serving.load import Plan
from app.serving.loading import Models, load_models
from app.serving.peers import cores_share, peers_of
from app.serving.pending import Pending
from app.serving.probes import Probes
from app.settings import Settings
from app.telemetry import Metrics
from models.contracts import GeneratorModel
from models.generator import GenerateItem, Generation
from models.prompt import normalise
from models.reranker import RerankResult
from models.sampling import Sampling
from retrieval.retriever import Hit

__all__ = ["Engine", "Generation", "Health", "Hit", "Pending", "Plan", "RerankResult"]

Vector = NDArray[np.float32]

_WARM_SECONDS = 120.0
_WARM_ROUNDS = 3


class Engine:
    """All models of one process, ready to serve; made by `open`."""

    def __init__(self, settings: Settings, metrics: Metrics, models: Models) -> None:
        self.versions: Mapping[str, str] = models.versions
        self._settings = settings
        self._metrics = metrics
        self._models = models
        self._sampling = Sampling(
            temperature=settings.temperature, top_p=settings.top_p, top_k=settings.top_k
        )
        gain = load_gain(settings.artifacts_dir, models.versions)
        self._control = LoadController(
            limits_of(settings, BUDGETS, gain),
            metrics,
            cores_share=cores_share(settings),
            peers=peers_of(settings),
        )
        self._last_batch: dict[str, float] = {}
        self._state = "loading"  # then "serving", "draining"
        self._closed = False
        self._lanes = Lanes(models, metrics, settings, self._observe, self._control.allowance)
        self._control.watch(self._lanes.backlogs())
        self._probes = Probes(models, self._lanes, settings)
        self._canaries = Canaries(self._probes.canaries(), self._last_batch.get)
        self._monitor = HubMonitor(metrics)

    @classmethod
    def open(cls, settings: Settings, metrics: Metrics) -> Engine:
        """Load, check, index and warm.

        Raises:
            StartupError: one clear line on what must be changed.
        """
        start = time.monotonic()
        models = load_models(settings, _say)
        engine = cls(settings, metrics, models)
        try:
            engine.warm()
        except BaseException:
            engine.close()
            raise
        _say(f"models ready in {time.monotonic() - start:.1f} s")
        return engine

    def embed(
        self, texts: Sequence[str], deadline: float, *, background: bool = False
    ) -> Pending[list[Vector]]:
        """Unit vectors (dimension,) of texts, in order.

        `background`, here and below: nobody waits for it; what somebody waits for goes first.
        """
        items = self._models.encoder.prepare(texts)
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
        return self._models.retriever.search(vector, k)

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
    ) -> Pending[list[Generation]]:
        """At most `n` distinct candidates for what to say after `turns` (oldest first)."""
        generator, lane = self._models.generator, self._lanes.generate
        if generator is None or lane is None or n <= 0:
            return Pending.of([])
        try:
            with stage():
                context = self._context(generator, turns, facts)
                new_tokens = max_new_tokens or self._settings.new_tokens
                item = GenerateItem(context, n, seed, new_tokens, self._sampling)
                self._control.require(GENERATOR, generator.cost(item), deadline)
                ticket = lane.submit([item], deadline, int(background))
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
    ) -> Pending[list[RerankResult | None]]:
        """A score for each response after `turns`; None where it is late, failed or no number."""
        worded = [i for i, response in enumerate(responses) if normalise(response)]
        scores: list[RerankResult | None] = [None] * len(responses)
        try:
            items = self._models.reranker.prepare(turns, [responses[i] for i in worded], facts)
        except ValueError:  # no turn has text that can be seen
            self._metrics.failures.labels("reranker_input").inc()
            failed(ModelFailure())
            return Pending.of(scores)
        self._control.ranking()
        known = self._lanes.scores.known(items)
        missing = unknown(items, known)
        for i, result in zip(worded, known, strict=True):
            scores[i] = result
        if not missing:
            return Pending.of(scores)
        tokens = sum(item.length for item in missing)
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

    def plan(self) -> Plan:
        """How many candidates a request that arrives now may have generated, and how long."""
        return self._control.plan()

    def admission(self, *, background: bool = False) -> AbstractContextManager[None]:
        """Counts a request while it is answered; entering raises Overloaded (retry_after).

        `background`: nobody waits for it, so it is refused first.
        """
        if self._state != "serving":
            raise Overloaded("Not serving", retry_after=1.0)
        return self._control.admission(background=background)

    def health(self) -> Health:
        """Ready if every model answers a canary; not while loading or draining."""
        detail: dict[str, object] = {
            "state": self._state,
            "in_flight": self._control.in_flight,
            "trim": round(self._control.trim, 2),
            "hub_gap_p99_ms": round(1000 * self._monitor.p99(), 2),
            "queued": {name: of().items for name, of in self._lanes.backlogs().items()},
        }
        if self._state != "serving":
            return Health(False, detail)
        asked = self._canaries.ask()
        return Health(asked.ready, {**detail, **asked.detail})

    def warm(self) -> None:
        """Run every model at a small and a usual size, so that no request pays for the first time.

        The load control starts from the better times of the second and the third round.

        Raises:
            StartupError: a model does not answer.
        """
        try:
            for number in range(_WARM_ROUNDS):
                if number == 1:  # what is only slow the first time is not measured
                    self._control.forget()
                self._probes.warm(time.monotonic() + _WARM_SECONDS)
        except KindredError as error:
            cause = error.__cause__ or error
            raise StartupError(f"a model fails on its first batch: {cause}") from error
        self._control.settle()
        self._state = "serving"

    def drain(self) -> None:
        """Refuse new requests; those in progress go on."""
        self._state = "draining"

    def close(self) -> None:
        """End everything, answering all who wait; may be called twice."""
        if self._closed:
            return
        self._state = "draining"
        self._closed = True
        self._lanes.close()
        self._control.close()
        self._monitor.close()

    def _observe(self, report: BatchReport) -> None:
        asked = {ENCODER: self._lanes.vectors.asked, RERANKER: self._lanes.scores.asked}
        if not asked.get(report.model, True):
            return  # a cache answered: nothing is learned of the model, not even that it is well
        self._last_batch[report.model] = time.monotonic()
        self._control.observe(report)

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


def _say(line: str) -> None:
    print(f"kindred: {line}", file=sys.stderr, flush=True)
