"""The only place that builds and wires things: settings → store, engine, dialog → web."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

import gevent
from flask import Flask
from gevent.threadpool import ThreadPool

from app import secrets
from app.dialog.companion import Companion
from app.dialog.safety import InputScreen
from app.errors import Conflict, StartupError, StoreUnavailable
from app.experiments.defaults import DEFAULT_FLAGS
from app.experiments.model_flags import named, stand_ins
from app.experiments.schema import is_sound
from app.redaction import Redact, frames_of, hush_interpreter, tell
from app.serving.contract import AnyEngine
from app.serving.engine import Engine
from app.serving.hang_ups import HangUps
from app.serving.screens.required import require_screens
from app.serving.screens.safety_reader import SafetyReader
from app.serving.screens.toxicity import ToxicityReader
from app.serving.versions.lineage import models_of
from app.settings import Settings, load_settings
from app.store.privacy.ledger import Offload
from app.store.store import Store
from app.telemetry import Metrics, configure_logging, get_logger
from app.web.register import register
from app.web.services import Services

_DISK_THREADS = 4
_BOOT_ERROR = 3  # what gunicorn takes from a worker that cannot boot: it ends, and does not retry


OpenEngine = Callable[[Settings, Metrics], AnyEngine]


class Kindred:
    """What one process owns; `close` ends it all, and may be called twice.

    `open_engine` opens the real engine; benches and tests of what stands above it give a fake.
    """

    def __init__(self, settings: Settings, open_engine: OpenEngine = Engine.open) -> None:
        require_screens(settings)
        self.settings = settings
        self.metrics = Metrics()
        # The key store waits for the disk in C, which would hold the hub: it waits over there.
        self._disk = ThreadPool(_DISK_THREADS)
        self.off_hub: Offload = self._disk.apply
        wait = settings.redis_wait_seconds
        self.store = Store.open(settings, self.metrics, offload=self.off_hub, wait_seconds=wait)
        try:
            _plant_flags(self.store)
            self.store.flags.demand(is_sound)
            self.secrets = (secrets.jwt_secret(settings), secrets.admin_key(settings))
            self._toxicity = ToxicityReader.open(settings.artifacts_dir)
            learned = SafetyReader.open(settings.artifacts_dir)
            self.engine = open_engine(settings, self.metrics)
            self.input_screen = InputScreen(
                None if learned is None else learned.margins,
                self.metrics.failures.labels("input_screen").inc,
                self.engine.sentences,
            )
        except BaseException:
            self.store.close()
            raise
        flags = self.store.flags
        self.engine.follow(
            lambda: named(flags.current().definitions),
            lambda: stand_ins(flags.current().definitions),
        )
        self.companion = Companion(self.store, self.engine, settings, self.metrics, self._toxicity)
        try:
            self.store.keep_promises(self.companion.settle)
        except BaseException:
            self.engine.close()
            self.store.close()
            raise
        self._open = True

    def drain(self) -> None:
        """Say that no more requests should come; a signal handler may call it."""
        self.engine.drain()

    def when_hung(self, act: Callable[[str], None]) -> None:
        """Call `act` with the model's name where one hangs: the process must be replaced."""
        self.engine.when_hung(act)

    def close(self) -> None:
        """End the models and the connections."""
        if self._open:
            self._open = False
            self.engine.close()
            self.store.close()
            self._disk.kill()


def _plant_flags(store: Store) -> None:
    """A store starts with the default flags; whatever administrators made of them stays.

    A default flag that was deleted comes back at the next start: the code behind it is there. Where
    there are as many as may be, the code's own default stands for it.
    """
    there = store.flags.all().definitions
    for key, definition in DEFAULT_FLAGS.items():
        if key not in there:
            try:
                store.flags.put(key, definition)
            except Conflict as error:
                get_logger("factory").error("flag_left_out", flag=key, why=error.detail)


def create_app(settings: Settings | None = None, open_engine: OpenEngine = Engine.open) -> Flask:
    """The Flask application; `app.extensions["kindred"]` is what it owns.

    What must be changed is said in one clear line on stderr, and the process ends (SystemExit).
    """
    try:
        settings = settings or load_settings()
        configure_logging(settings.log_level)
        _hush()
        kindred = Kindred(settings, open_engine)
        app = Flask(__name__, static_folder=None)
        app.extensions["kindred"] = kindred
        register(app, services_of(kindred))
    except (StartupError, StoreUnavailable) as error:
        print(f"kindred: {error.detail}", file=sys.stderr, flush=True)
        raise SystemExit(_BOOT_ERROR) from None
    get_logger("factory").info("ready", versions=dict(kindred.engine.versions))
    return app


def _hush() -> None:
    """Errors that nobody catches, and other libraries, may quote a person: only places are told."""
    hush_interpreter(Redact())
    # gevent itself would print a greenlet's error with its message.
    gevent.get_hub().print_exception = lambda _context, kind, _value, trace: tell(
        "greenlet", kind, frames_of(trace)
    )


def services_of(kindred: Kindred) -> Services:
    """What the web room is given."""
    jwt_secret, admin_key = kindred.secrets
    return Services(
        settings=kindred.settings,
        metrics=kindred.metrics,
        store=kindred.store,
        companion=kindred.companion,
        engine_health=kindred.engine.health,
        body_timeout=gevent.Timeout,
        attend=HangUps(kindred.metrics).watch,
        read=kindred.input_screen.read,
        learned=lambda person: kindred.off_hub(
            partial(models_of, kindred.settings.var_dir, person)
        ),
        jwt_secret=jwt_secret,
        admin_key=admin_key,
    )
