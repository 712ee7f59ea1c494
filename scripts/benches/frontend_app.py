"""The app that `scripts/bench frontend` measures: the real one over an engine without models.

`gunicorn 'scripts.benches.frontend_app:create()'`. Two variables are the bench's own:
BENCH_CORE, the one core that the worker may use, and BENCH_PROFILE, a file for samples. SIGUSR2
starts the sampling, the next one ends it and writes the file.
"""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path
from types import FrameType

from flask import Flask

from app.factory import create_app
from app.serving.fakes import FakeEngine
from app.settings import Settings
from app.telemetry import Metrics

INTERVAL = 0.001  # seconds of processor time between samples


def create() -> Flask:
    """The app, in a worker that keeps to one core."""
    core = os.environ.get("BENCH_CORE")
    if core is not None:
        os.sched_setaffinity(0, {int(core)})
    path = os.environ.get("BENCH_PROFILE")
    if path is not None:
        Sampler(Path(path)).install()
    return create_app(open_engine=_fake)


def _fake(settings: Settings, metrics: Metrics) -> FakeEngine:
    return FakeEngine(10, 20, settings.in_flight_max)


# Where a sample belongs: the innermost frame whose file (and function) a line names decides.
_RULES = (
    ("app/store/sealing/codec.py", "", "seal and open"),
    ("app/store/sealing/keystore.py", "", "seal and open"),
    ("app/store/records.py", "", "records (JSON)"),
    ("app/store/link/client.py", "", "Redis client"),
    ("/redis/", "", "Redis client"),
    ("app/store/contexts.py", "begin", "begin"),
    ("app/store/contexts.py", "_begin", "begin"),
    ("app/store/contexts.py", "_context", "begin"),
    ("app/store/contexts.py", "finish", "finish"),
    ("app/store/impressions.py", "", "finish"),
    ("app/store/flags.py", "", "flags"),
    ("app/experiments/", "", "flags"),
    ("app/dialog/features.py", "", "flags"),
    ("app/store/profile.py", "", "begin"),
    ("app/store/turns.py", "", "begin"),
    ("app/dialog/safety/", "", "input screen"),
    ("app/dialog/screen/", "", "output screen"),
    ("app/dialog/likeness.py", "", "output screen"),
    ("app/dialog/memory/", "", "facts"),
    ("app/dialog/policy.py", "", "choose"),
    ("app/dialog/candidates.py", "", "gather"),
    ("app/dialog/rank.py", "", "rank"),
    ("app/dialog/personalize.py", "", "rank"),
    ("app/dialog/", "", "pipeline"),
    ("app/serving/fakes.py", "", "fake engine"),
    ("/jwt/", "", "token"),
    ("app/web/access/", "", "token"),
    ("app/web/limits.py", "", "quota"),
    ("/limits/", "", "quota"),
    ("/structlog/", "", "log line"),
    ("/prometheus_client/", "", "metrics"),
    ("app/telemetry.py", "", "metrics"),
    ("app/web/body.py", "", "request and reply JSON"),
    ("app/web/schemas/", "", "request and reply JSON"),
    ("/pydantic/", "", "request and reply JSON"),
    ("app/web/", "", "edge"),
    ("/flask/", "", "flask, werkzeug"),
    ("/werkzeug/", "", "flask, werkzeug"),
    ("/gunicorn/", "", "gunicorn"),
    ("/gevent/", "", "gevent"),
)
STAGES = tuple(dict.fromkeys(stage for *_, stage in _RULES))


class Sampler:
    """Notes what runs, every millisecond of processor time; costs a hundredth of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stages: Counter[str] = Counter()
        self._lines: Counter[str] = Counter()
        self._running = False

    def install(self) -> None:
        """Listen for SIGUSR2."""
        signal.signal(signal.SIGPROF, self._sample)
        signal.signal(signal.SIGUSR2, self._switch)

    def _switch(self, signum: int, frame: FrameType | None) -> None:
        self._running = not self._running
        signal.setitimer(signal.ITIMER_PROF, *((INTERVAL,) * 2 if self._running else (0.0,)))
        if not self._running:
            found = {
                "stages": dict(self._stages.most_common()),
                "lines": dict(self._lines.most_common(150)),
            }
            self._path.write_text(json.dumps(found), encoding="utf-8")
            self._stages.clear()
            self._lines.clear()

    def _sample(self, signum: int, frame: FrameType | None) -> None:
        self._stages[stage_of(frame)] += 1
        if frame is not None:
            code = frame.f_code
            self._lines[f"{code.co_filename[-60:]}:{frame.f_lineno} {code.co_name}"] += 1


def stage_of(frame: FrameType | None) -> str:
    """The stage that the innermost known frame belongs to."""
    while frame is not None:
        name, function = frame.f_code.co_filename, frame.f_code.co_name
        for part, of, stage in _RULES:
            if part in name and (not of or of == function):
                return stage
        frame = frame.f_back
    return "other"
