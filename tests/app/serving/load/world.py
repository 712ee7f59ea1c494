"""A clock to turn and queues to fill, for tests of the load controller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from app.serving.batching.batcher import Backlog, BatchReport
from app.serving.batching.queue import Budget
from app.serving.load.controller import ENCODER, GENERATOR, RERANKER, LoadController, limits_of
from app.serving.load.gain import measured
from app.serving.load.peers import Peers
from app.settings import Settings
from app.telemetry import Metrics

EMPTY = Backlog(items=0, tokens=0, running_tokens=0, running_seconds=0.0)
BUDGETS = {ENCODER: Budget(1_024, 32), RERANKER: Budget(2_048, 4), GENERATOR: Budget(6_144, 16)}


@dataclass
class World:
    """A clock to turn, and queues to fill."""

    now: float = 100.0
    backlogs: dict[str, Backlog] = field(
        default_factory=lambda: {ENCODER: EMPTY, RERANKER: EMPTY, GENERATOR: EMPTY}
    )
    metrics: Metrics = field(default_factory=Metrics)

    def controller(
        self, peers: Peers | None = None, cores_share: float = 1.0, **changes: object
    ) -> LoadController:
        settings = Settings(candidates_max=10, new_tokens=40, **changes)  # type: ignore[arg-type]
        control = LoadController(
            limits_of(settings, BUDGETS, measured([0.9, *(0.92 + n / 500 for n in range(10))])),
            self.metrics,
            lambda: self.now,
            cores_share=cores_share,
            peers=peers,
        )
        control.watch({name: self._backlog(name) for name in self.backlogs})
        for model, slope in ((ENCODER, 1e-5), (RERANKER, 5e-5), (GENERATOR, 2e-4)):
            for tokens in (100, 500):
                control.observe(BatchReport(model, tokens // 10, tokens, 0.01 + slope * tokens, 0))
                self.now += 1.0  # one after the other
        control.settle()
        return control

    def _backlog(self, name: str) -> Callable[[], Backlog]:
        return lambda: self.backlogs[name]
