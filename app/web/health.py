"""What machines ask: alive? ready? and the metrics."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from app.errors import NotReady, StoreUnavailable
from app.store.access.api_keys import Scope
from app.telemetry import Metrics, exposition_registry
from app.web.auth import Auth
from app.web.operation import Answer, Call, Operation, Result
from app.web.routes import Edge, Routes
from app.web.schemas.machines import HealthOut

LIVE = Operation(
    summary="Does this process live? (If not, restart it.)",
    tag="machines",
    auth=Auth.NONE,
    answers={200: Answer("It lives", HealthOut)},
    stored=False,
    counted=False,
)
READY = Operation(
    summary="Should requests be sent here? Runs a canary through the real models.",
    description="Not while it loads or ends, nor while a model hangs. Where Redis is away it stays "
    "ready and says so (`checks.store`): chat is answered from what clients send, and reactions "
    "are spooled, by every worker alike.",
    tag="machines",
    auth=Auth.NONE,
    answers={200: Answer("Ready", HealthOut)},
    problems=(NotReady,),
    stored=False,
    counted=False,
)
METRICS = Operation(
    summary="Metrics in Prometheus' text format",
    tag="machines",
    auth=Auth.NONE,
    answers={200: Answer("The metrics", media_type="text/plain")},
    stored=False,
)
# Where not everybody on the network should read them.
METRICS_FOR_SOME = replace(METRICS, auth=Auth.ADMIN, scopes=(Scope.OPERATE,))


def blueprint(edge: Edge) -> Blueprint:
    """The routes for machines."""
    routes = Routes("health", edge)
    views = _Health(edge)
    routes.add("GET", "/livez", views.livez, LIVE)
    routes.add("GET", "/readyz", views.readyz, READY)
    routes.add("GET", "/health", views.health, READY)
    metrics = METRICS if edge.services.settings.metrics_open else METRICS_FOR_SOME
    routes.add("GET", "/metrics", views.metrics, metrics)
    return routes.blueprint


# By what the engine says of its state; elsewhere it is a model that does not answer its canary.
_STATES = {
    "loading": "The models are loading.",
    "draining": "This worker is ending.",
    "closed": "This worker is ending.",
}


def _why(detail: Mapping[str, Any]) -> str:
    """In one sentence, why requests should go elsewhere."""
    if hung := detail.get("hung"):
        return f"The {hung} hangs; this worker is being replaced."
    state = str(detail.get("state", ""))
    if state in _STATES:
        return _STATES[state]
    models = detail.get("models", {})
    ill = [name for name, model in models.items() if not model.get("ok", True)]
    return f"Not well: {', '.join(ill)}." if ill else "The models are not ready."


class Exposition:
    """The metrics as text, made anew as far as a tenth of the time suffices.

    To make it takes some ten milliseconds, and nobody has to say who asks: whoever asks more often
    than that gets the last one again.
    """

    _SHARE = 0.1  # of the time
    _SAVED = 0.25  # seconds of making that a quiet while allows at once

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._text = b""
        self._left, self._told_at = self._SAVED, clock()

    def text(self) -> bytes:
        """Of all workers where they share a folder, else of this one."""
        begun = self._clock()
        earned = self._SHARE * (begun - self._told_at)
        self._left, self._told_at = min(self._SAVED, self._left + earned), begun
        if self._left > 0.0 or not self._text:
            folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
            self._text = generate_latest(exposition_registry(self._metrics, folder))
            self._left -= self._clock() - begun
        return self._text


class _Health:
    def __init__(self, edge: Edge) -> None:
        self._services = edge.services
        self._exposition = Exposition(edge.services.metrics)

    def livez(self, call: Call) -> Result:
        """That it answers is the answer."""
        return Result(HealthOut(status="ok"))

    def readyz(self, call: Call) -> Result:
        """The models give what they should, and this worker is not about to end."""
        health = self._services.engine_health()
        if not health.ready:
            raise NotReady(_why(health.detail))
        return Result(HealthOut(status="ready", checks={"store": self._store(), **health.detail}))

    def health(self, call: Call) -> Result:
        """Another name of readyz."""
        return self.readyz(call)

    def _store(self) -> str:
        """Whether Redis answers; sending people elsewhere would help nobody where it does not."""
        try:
            self._services.store.ping()
        except StoreUnavailable:
            return "away"
        return "ok"

    def metrics(self, call: Call) -> Response:
        """As a scraper reads them."""
        return Response(self._exposition.text(), content_type=CONTENT_TYPE_PLAIN_0_0_4)
