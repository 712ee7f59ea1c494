"""Keeps the versions loaded that the flags name, one change at a time, while requests go on.

    what is named ─► drop what is not ─► wait for those who hold it ─► native thread: load, verify,
                                                                       warm, canary ─► serve

A version that does not load, or whose canary fails, is given to nobody: those it was meant for get
everybody's, a metric and a log line say so, and it is tried again ever more rarely. Nothing is
done to everybody's version until another is ready to take its place.

Two greenlets follow: one loads and drops, and may wait as long as that takes; the other makes a
version that is loaded everybody's, and waits for nothing, so that a load that hangs keeps nobody
from going back. Whoever asks for the state of the process is told of such a load.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gevent

from app.serving.batching.native import NativeThread, Runner
from app.serving.versions.fleet import LOADED_MAX, Versions
from app.telemetry import Metrics, get_logger

POLL_SECONDS = 1.0
_RETRY_FIRST, _RETRY_MOST = 60.0, 3_600.0  # seconds before a version that failed is tried again
_OVERDUE_SECONDS = 300.0  # a load that takes longer probably hangs
_LEAVE_SECONDS = 60.0  # that those who hold a dropped version are waited for: far beyond deadlines
_LOOK_SECONDS = 0.02
_STEPS = 8  # between two polls

Named = Callable[[], Mapping[str, Sequence[str]]]
"""The versions that are to be loaded by kind, everybody's first; asked again and again."""
Load = Callable[[str, str], Any]
"""Loads, verifies, warms and tries one version of a kind; runs in a native thread, may raise."""
Check = Callable[[str, str], Any]
"""Tells, by raising, that a version cannot be loaded: cheaply, before another makes room for it."""
StandIns = Callable[[], Mapping[str, str]]
"""By kind the version that is everybody's for as long as the first one named does not load."""


@dataclass(slots=True)
class _Loading:
    """The load that runs; `told`: that it takes too long was logged."""

    kind: str
    version: str
    since: float
    told: bool = False


class Swap:
    """Follows what is named; `step` makes one change, `start` goes on making them."""

    def __init__(
        self,
        kinds: Mapping[str, Versions[Any]],
        load: Load,
        named: Named,
        metrics: Metrics,
        *,
        check: Check = lambda kind, version: None,
        stand_ins: StandIns = dict,
        clock: Callable[[], float] = time.monotonic,
        pool: Runner | None = None,
    ) -> None:
        self._kinds = kinds
        self._load = load
        self._named = named
        self._check = check
        self._stand_ins = stand_ins
        self._failures = {kind: metrics.failures.labels(f"swap_{kind}") for kind in kinds}
        self._clock = clock
        self._pool: Runner = pool if pool is not None else NativeThread()
        self._log = get_logger("serving.swap")
        self._failed: dict[tuple[str, str], tuple[float, float]] = {}  # (since, pause)
        self._loading: _Loading | None = None
        self._seconds = metrics.swap_load_seconds
        self._greenlets: list[gevent.Greenlet] = []

    def settle(self, steps: int = _STEPS) -> None:
        """Make the changes that are due now (so many at most), before anybody is served."""
        self._steps(steps)

    def start(self) -> None:
        """From now on follow by itself."""
        self._greenlets = [
            gevent.spawn(self._follow, lambda: self._steps(_STEPS)),
            gevent.spawn(self._follow, self._look),
        ]

    def close(self) -> None:
        """Stop; a load that runs is left behind."""
        gevent.killall(self._greenlets)
        self._pool.close()

    @property
    def loading(self) -> dict[str, Any] | None:
        """The load that runs, as plain JSON; None where none does."""
        if self._loading is None:
            return None
        seconds = self._clock() - self._loading.since
        return {
            "kind": self._loading.kind,
            "version": self._loading.version,
            "seconds": round(seconds, 1),
            "overdue": seconds > _OVERDUE_SECONDS,
        }

    def step(self) -> bool:
        """Make the next change that is due; False where there is none."""
        if self.serve():
            return True
        for kind, versions, names in self._wanted():
            self._forgive(kind, names)
            if self._towards(kind, versions, names):
                return True
        return False

    def serve(self) -> bool:
        """Make everybody's what is named first and loaded already, or its stand-in; never waits.

        Returns whether anything changed.
        """
        stand_ins = self._stand_ins()
        changed = False
        for kind, versions, names in self._wanted():
            first, now = names[0], versions.default.version
            failed = (kind, first) in self._failed and first not in versions.loaded
            wanted = versions.named(stand_ins.get(kind, now)) if failed else first
            if wanted != now and wanted in versions.loaded:
                versions.serve(wanted)
                self._log.info("model_served", kind=kind, version=wanted, instead=failed)
                changed = True
        return changed

    def _wanted(self) -> Iterator[tuple[str, Versions[Any], tuple[str, ...]]]:
        """Each kind, and the versions of it that are named; a kind of which none is, is left."""
        named = self._named()
        for kind, versions in self._kinds.items():
            names = tuple(versions.named(name) for name in named.get(kind, ()))[:LOADED_MAX]
            if names:
                yield kind, versions, names

    def _towards(self, kind: str, versions: Versions[Any], names: Sequence[str]) -> bool:
        """One change of a kind towards what is named, everybody's version first."""
        for version in versions.loaded[1:]:
            if version not in names:
                self._drop(kind, versions, version)
                return True
        missing = [name for name in names if name not in versions.loaded]
        full = len(versions.loaded) >= LOADED_MAX
        due = [name for name in missing if self._due(kind, name, rarely=full)]
        if not due:
            return False
        if full and due[0] != names[0]:
            return False  # everybody's failed to load, so what serves instead takes the room
        if full:
            return self._make_room(kind, versions, due[0])
        self._bring(kind, versions, due[0])
        return True

    def _make_room(self, kind: str, versions: Versions[Any], version: str) -> bool:
        """Drop what is tried for a version that would be everybody's, if that one is sound."""
        checked = self._pool.call(lambda asked: self._check(*asked), (kind, version))
        if not checked.ok:
            self._refuse(kind, version, checked.value, checked.where)
        elif version not in versions.loaded and len(versions.loaded) >= LOADED_MAX:
            self._drop(kind, versions, versions.loaded[-1])  # loaded again behind everybody's
            self._bring(kind, versions, version)
        return True

    def _bring(self, kind: str, versions: Versions[Any], version: str) -> None:
        self._log.info("model_loading", kind=kind, version=version)
        self._loading = _Loading(kind, version, self._clock())
        try:
            ended = self._pool.call(lambda asked: self._load(*asked), (kind, version))
        finally:
            self._loading = None
            self._seconds.set(0)
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
        self._failed[kind, version] = (self._clock(), pause)
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

    def _due(self, kind: str, version: str, *, rarely: bool) -> bool:
        """Whether it is time to try a version; `rarely`: another one has to be dropped for it.

        One that failed would else take the place of the other again and again.
        """
        failed = self._failed.get((kind, version))
        if failed is None:
            return True
        since, pause = failed
        return self._clock() >= since + (_RETRY_MOST if rarely else pause)

    def _forgive(self, kind: str, names: Sequence[str]) -> None:
        """A version that is not named any more may be tried at once when it is named anew."""
        for key in [key for key in self._failed if key[0] == kind and key[1] not in names]:
            del self._failed[key]

    def _follow(self, act: Callable[[], None]) -> None:
        while True:
            gevent.sleep(POLL_SECONDS)
            act()

    def _look(self) -> None:
        """Serve what needs no load, and see how long the load takes that runs."""
        self._guarded(self.serve)
        running, now = self._loading, self.loading
        if running is None or now is None:
            return
        self._seconds.set(now["seconds"])
        if now["overdue"] and not running.told:
            running.told = True
            self._failures[running.kind].inc()
            self._log.error("model_load_overdue", **now)

    def _steps(self, most: int) -> None:
        for _ in range(most):
            if not self._guarded(self.step):
                return

    def _guarded(self, change: Callable[[], bool]) -> bool:
        """Whether a change was made; what serves now goes on serving, whatever goes wrong."""
        try:
            return change()
        except Exception as error:  # noqa: BLE001 - a greenlet that ended would follow no more
            self._log.error("swap_failed", error=type(error).__name__, detail=str(error)[:300])
            return False
