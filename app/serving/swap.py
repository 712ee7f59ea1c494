"""Keeps the versions loaded that the flags name, one change at a time, while requests go on.

    what is named ─► drop what is not ─► wait for those who hold it ─► native thread: load, verify,
                                                                       warm, canary ─► serve

A version that does not load, or whose canary fails, is given to nobody: those it was meant for get
everybody's, a metric and a log line say so, and it is tried again ever more rarely. Nothing is
done to everybody's version until another is ready to take its place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gevent

from app.serving.native import NativeThread, Runner
from app.serving.versions import LOADED_MAX, Versions
from app.telemetry import Metrics, get_logger

POLL_SECONDS = 1.0
_RETRY_FIRST, _RETRY_MOST = 60.0, 3_600.0  # seconds before a version that failed is tried again
_LEAVE_SECONDS = 60.0  # that those who hold a dropped version are waited for: far beyond deadlines
_LOOK_SECONDS = 0.02
_STEPS = 8  # between two polls

Named = Callable[[], Mapping[str, Sequence[str]]]
"""The versions that are to be loaded by kind, everybody's first; asked again and again."""
Load = Callable[[str, str], Any]
"""Loads, verifies, warms and tries one version of a kind; runs in a native thread, may raise."""


class Swap:
    """Follows what is named; `step` makes one change, `start` goes on making them."""

    def __init__(
        self,
        kinds: Mapping[str, Versions[Any]],
        load: Load,
        named: Named,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.monotonic,
        pool: Runner | None = None,
    ) -> None:
        self._kinds = kinds
        self._load = load
        self._named = named
        self._failures = {kind: metrics.failures.labels(f"swap_{kind}") for kind in kinds}
        self._clock = clock
        self._pool: Runner = pool if pool is not None else NativeThread()
        self._log = get_logger("serving.swap")
        self._failed: dict[tuple[str, str], tuple[float, float]] = {}  # (again at, pause)
        self._watch: gevent.Greenlet | None = None

    def settle(self, steps: int = _STEPS) -> None:
        """Make the changes that are due now (so many at most), before anybody is served."""
        self._steps(steps)

    def start(self) -> None:
        """From now on follow by itself."""
        self._watch = gevent.spawn(self._follow)

    def close(self) -> None:
        """Stop; a load that runs is left behind."""
        if self._watch is not None:
            self._watch.kill()
        self._pool.close()

    def step(self) -> bool:
        """Make the next change that is due; False where there is none."""
        named = self._named()
        for kind, versions in self._kinds.items():
            names = tuple(versions.named(name) for name in named.get(kind, ()))[:LOADED_MAX]
            self._forgive(kind, names)
            if names and self._towards(kind, versions, names):
                return True
        return False

    def _towards(self, kind: str, versions: Versions[Any], names: Sequence[str]) -> bool:
        """One change of a kind towards what is named, everybody's version first."""
        first = names[0]
        if first in versions.loaded and versions.default.version != first:
            versions.serve(first)
            self._log.info("model_served", kind=kind, version=first)
            return True
        for version in versions.loaded[1:]:
            if version not in names:
                self._drop(kind, versions, version)
                return True
        missing = [name for name in names if name not in versions.loaded]
        due = [name for name in missing if self._due(kind, name)]
        if not due:
            return False
        others = versions.loaded[1:]
        if len(versions.loaded) >= LOADED_MAX and due[0] != first:
            return False  # everybody's failed to load, so what serves instead takes the room
        if len(versions.loaded) >= LOADED_MAX:
            self._drop(kind, versions, others[0])  # it is loaded again behind everybody's
        self._bring(kind, versions, due[0])
        return True

    def _bring(self, kind: str, versions: Versions[Any], version: str) -> None:
        self._log.info("model_loading", kind=kind, version=version)
        ended = self._pool.call(lambda asked: self._load(*asked), (kind, version))
        if not ended.ok:
            self._refuse(kind, version, ended.value, ended.where)
            return
        found = str(ended.value.version)
        if version == versions.installed and found != version:
            versions.installed = found  # the files that the settings name were exchanged
        elif found != version:
            self._refuse(kind, version, ValueError(f"the folder holds version {found}"), "")
            return
        versions.add(ended.value)
        self._failed.pop((kind, version), None)
        self._log.info("model_loaded", kind=kind, version=found, seconds=round(ended.seconds, 1))

    def _drop(self, kind: str, versions: Versions[Any], version: str) -> None:
        """Give a version to nobody any more, and wait until nobody holds it."""
        gone = versions.drop(version)
        end = self._clock() + _LEAVE_SECONDS
        while gone.users and self._clock() < end:
            gevent.sleep(_LOOK_SECONDS)
        versions.forget(gone)
        # The last reference ends in the native thread: freeing a large model takes its time.
        self._pool.call(list.clear, gone.let_go())
        self._log.info("model_dropped", kind=kind, version=version)

    def _refuse(self, kind: str, version: str, error: BaseException, where: str) -> None:
        _, pause = self._failed.get((kind, version), (0.0, _RETRY_FIRST / 2))
        pause = min(_RETRY_MOST, 2 * pause)
        self._failed[kind, version] = (self._clock() + pause, pause)
        self._failures[kind].inc()
        lines = str(error).strip().splitlines() or [""]
        self._log.error(
            "model_refused",
            kind=kind,
            version=version,
            error=type(error).__name__,
            detail=lines[0][:300],
            where=where,
            again_in=pause,
        )

    def _due(self, kind: str, version: str) -> bool:
        again = self._failed.get((kind, version))
        return again is None or self._clock() >= again[0]

    def _forgive(self, kind: str, names: Sequence[str]) -> None:
        """A version that is not named any more may be tried at once when it is named anew."""
        for key in [key for key in self._failed if key[0] == kind and key[1] not in names]:
            del self._failed[key]

    def _follow(self) -> None:
        while True:
            gevent.sleep(POLL_SECONDS)
            self._steps(_STEPS)

    def _steps(self, most: int) -> None:
        try:
            for _ in range(most):
                if not self.step():
                    return
        except Exception as error:  # noqa: BLE001 - what serves now must go on serving
            self._log.error("swap_failed", error=type(error).__name__, detail=str(error)[:300])
