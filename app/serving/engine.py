"""The engine: owns the models, gives each a batcher, and answers the dialog's questions.

    embed ──► encoder's batcher          plan, admission ──► load controller
    retrieve ► FAISS, on the hub         health ──► canaries and the hub monitor
    generate ► generator's batcher
    score ──► reranker's batcher          sentences, replies ► the screens' own batchers

The models run on one native thread each. Of the reranker and the generator several versions may be
loaded (`versions/`); whoever names none gets everybody's.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from app.errors import KindredError, Overloaded, StartupError
from app.serving.batching.batcher import Backlog, BatchReport
from app.serving.batching.hang_watch import HangWatch
from app.serving.batching.pending import Pending
from app.serving.health import Canaries, Health, HubMonitor
from app.serving.lanes import BUDGETS, Lanes
from app.serving.load.controller import ENCODER, GENERATOR, RERANKER, LoadController, limits_of
from app.serving.load.gain import load_gain
from app.serving.load.law import Plan
from app.serving.load.peers import cores_share, peers_of
from app.serving.probes import Probes
from app.serving.questions import Questions
from app.serving.screens.replies import Replies
from app.serving.screens.sentences import SentenceLane, Sentences
from app.serving.versions.fleet import Fleet, Held, Versions
from app.serving.versions.loading import Models, folder_of, load_models, load_version
from app.serving.versions.swap import Named, StandIns, Swap
from app.settings import Settings
from app.telemetry import Metrics, get_logger
from models.contracts import GeneratorModel, RerankerModel
from models.generator import Generation
from models.reranker import RerankResult
from models.sampling import Sampling
from retrieval.retriever import Hit

__all__ = ["Engine", "Generation", "Health", "Hit", "Pending", "Plan", "RerankResult"]

_WARM_SECONDS = 120.0
_WARM_ROUNDS = 3
_REPLACED_SECONDS = 10.0  # until another worker answers, where this one's model hangs

# What an engine is in, one after the other. Draining, it answers those who were accepted; the
# others are sent away.
LOADING, SERVING, DRAINING, HUNG, CLOSED = "loading", "serving", "draining", "hung", "closed"


class Engine(Questions):
    """All models of one process, ready to serve; made by `open`."""

    def __init__(self, settings: Settings, metrics: Metrics, models: Models) -> None:
        self._settings = settings
        self._metrics = metrics
        self._encoder, self._retriever = models.encoder, models.retriever
        self._rerankers = Versions(models.reranker)
        self._generators = Versions(models.generator) if models.generator is not None else None
        kinds: dict[str, Versions[Any]] = {RERANKER: self._rerankers}
        if self._generators is not None:
            kinds[GENERATOR] = self._generators
        self._fleet = Fleet(
            kinds, {ENCODER: models.encoder.version, "index": models.retriever.version}
        )
        # Not those of what serves at the moment: every worker must decide alike.
        self._heads = tuple(models.reranker.heads)
        self._swap: Swap | None = None
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
        self._state = LOADING
        self._hung: str | None = None
        self._when_hung: Callable[[str], None] = lambda model: None
        self._watch: HangWatch | None = None
        self._log = get_logger("serving.engine")
        self._lanes = Lanes(
            models.encoder,
            metrics,
            settings,
            self._observe,
            self._control.allowance,
            generates=models.generator is not None,
        )
        self._control.watch(self._lanes.backlogs())
        self._sentences = None if models.sentences is None else Sentences(models.sentences, metrics)
        self._replies = None if models.replies is None else Replies(models.replies, metrics)
        self._probes = Probes(
            models.encoder, self._rerankers, self._generators, self._lanes, settings
        )
        screened = {lane.name: lane.canary for lane in self._screens()}
        self._canaries = Canaries(self._probes.canaries() | screened, self._last_good)
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

    @property
    def versions(self) -> Mapping[str, str]:
        """The version of each part that is everybody's, for slates and explanations."""
        return self._fleet.versions

    def holding(self, wanted: Mapping[str, str]) -> AbstractContextManager[Held]:
        """Hold, for a block, the versions that answer one request: the wanted ones by kind.

        Who wants none, or one that is not loaded, gets everybody's; what is held says which.
        """
        return self._fleet.holding(wanted)

    def follow(self, named: Named, stand_ins: StandIns = dict) -> None:
        """Keep loaded and serve what is named, from now on; returns once that is so now.

        A version that cannot be loaded is left out, now and later.
        """
        self._swap = Swap(
            self._fleet.kinds,
            self._load,
            named,
            self._metrics,
            check=self._check,
            stand_ins=stand_ins,
        )
        self._swap.settle()
        self._swap.start()

    @property
    def sentences(self) -> Sentences | None:
        """The input screen's sentence reader; no limit and no other model stands before it."""
        return self._sentences

    @property
    def replies(self) -> Replies | None:
        """The output screen's sentence reader."""
        return self._replies

    def plan(self) -> Plan:
        """How many candidates a request that arrives now may have generated, and how long."""
        return self._control.plan()

    def admission(
        self, *, background: bool = False, source: str = ""
    ) -> AbstractContextManager[None]:
        """Counts a request while it is answered; entering raises Overloaded (retry_after).

        `background`: nobody waits for it, so it is refused first. `source`: where it comes from;
        who holds most of what is under way is refused before others.
        """
        if self._state == HUNG:
            raise Overloaded("A model hangs", retry_after=_REPLACED_SECONDS)
        if self._state != SERVING and (background or self._state != DRAINING):
            raise Overloaded("Not serving", retry_after=1.0)
        return self._control.admission(background=background, source=source)

    def health(self) -> Health:
        """Ready if every model and screen answers a canary; not while loading, draining or hung."""
        detail: dict[str, object] = {
            "state": self._state,
            "in_flight": self._control.in_flight,
            "trim": round(self._control.trim, 2),
            "hub_gap_p99_ms": round(1000 * self._monitor.p99(), 2),
            "queued": {name: of().items for name, of in self._backlogs().items()},
            "screens": [lane.name for lane in self._screens()],
            "versions": {kind: list(of.loaded) for kind, of in self._fleet.kinds.items()},
        }
        if self._swap is not None and self._swap.loading is not None:
            detail["loading"] = self._swap.loading
        if self._hung is not None:
            detail["hung"] = self._hung
        if self._state != SERVING:
            return Health(False, detail)
        asked = self._canaries.ask()
        return Health(asked.ready, {**detail, **asked.detail})

    def warm(self) -> None:
        """Run every model full, small and as usual, so that no request pays for the first time.

        The load control starts from the better times of the second and the third round.

        Raises:
            StartupError: a model does not answer.
        """
        try:
            self._probes.fill(time.monotonic() + _WARM_SECONDS)
            for number in range(_WARM_ROUNDS):
                if number == 1:  # what is only slow the first time is not measured
                    self._control.forget()
                self._probes.warm(time.monotonic() + _WARM_SECONDS)
        except KindredError as error:
            cause = error.__cause__ or error
            raise StartupError(f"a model fails on its first batch: {cause}") from error
        self._control.settle()
        self._state = SERVING
        self._watch = HangWatch(self._backlogs(), self._settings.hang_seconds, self._found_hung)

    def drain(self) -> None:
        """Not ready from now on; who comes all the same is answered. Safe in a signal handler."""
        if self._state == SERVING:
            self._state = DRAINING

    def when_hung(self, act: Callable[[str], None]) -> None:
        """Call `act` with a model's name when its native thread hangs; at once if it does.

        By then this engine is not ready, and refuses. Only the end of the process frees it.
        """
        self._when_hung = act
        if self._hung is not None:
            act(self._hung)

    def close(self) -> None:
        """End everything, answering all who wait; may be called twice."""
        if self._state == CLOSED:
            return
        self._state = CLOSED
        if self._swap is not None:
            self._swap.close()
        self._lanes.close()
        for lane in self._screens():
            lane.close()
        self._control.close()
        self._monitor.close()
        if self._watch is not None:
            self._watch.close()

    def _backlogs(self) -> dict[str, Callable[[], Backlog]]:
        """Of every native thread what it has before it, the screens' among them."""
        return self._lanes.backlogs() | {lane.name: lane.backlog for lane in self._screens()}

    def _screens(self) -> list[SentenceLane]:
        return [lane for lane in (self._sentences, self._replies) if lane is not None]

    def _last_good(self, name: str) -> float | None:
        """The time of the last good batch of a model or a screen, None before any."""
        screens = {lane.name: lane.last_batch for lane in self._screens()}
        return screens[name] if name in screens else self._last_batch.get(name)

    def _load(self, kind: str, version: str) -> RerankerModel | GeneratorModel:
        installed = self._fleet.kinds[kind].installed
        return load_version(self._settings, self._encoder, kind, version, installed, self._heads)

    def _check(self, kind: str, version: str) -> None:
        folder_of(self._settings, kind, version, self._fleet.kinds[kind].installed)

    def _found_hung(self, model: str) -> None:
        if self._state == CLOSED:
            return
        self._hung, self._state = model, HUNG
        self._metrics.failures.labels(f"hung_{model}").inc()
        self._log.error("model_hangs", model=model, seconds=self._settings.hang_seconds)
        self._when_hung(model)

    def _observe(self, report: BatchReport) -> None:
        asked = {ENCODER: self._lanes.vectors.asked, RERANKER: self._lanes.scores.asked}
        if not asked.get(report.model, True):
            return  # a cache answered: nothing is learned of the model, not even that it is well
        self._last_batch[report.model] = time.monotonic()
        self._control.observe(report)


def _say(line: str) -> None:
    print(f"kindred: {line}", file=sys.stderr, flush=True)
