"""The only place that builds and wires things: settings → store, engine, dialog → web."""

from __future__ import annotations

import sys

import gevent
from flask import Flask

from app import secrets
from app.dialog.companion import Companion
from app.errors import StartupError
from app.experiments.defaults import DEFAULT_FLAGS
from app.serving.engine import Engine
from app.settings import Settings, load_settings
from app.store.store import Store
from app.telemetry import Metrics, configure_logging, get_logger
from app.web.register import register
from app.web.services import Services

_BOOT_ERROR = 3  # what gunicorn takes from a worker that cannot boot: it ends, and does not retry


class Kindred:
    """What one process owns; `close` ends it all, and may be called twice."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.store = Store.open(settings, self.metrics)
        try:
            self.engine = Engine.open(settings, self.metrics)
        except BaseException:
            self.store.close()
            raise
        _plant_flags(self.store)
        self.companion = Companion(self.store, self.engine, settings, self.metrics)
        self._open = True

    def close(self) -> None:
        """End the models and the connections."""
        if self._open:
            self._open = False
            self.engine.close()
            self.store.close()


def _plant_flags(store: Store) -> None:
    """A store that never had a flag starts with the default ones; later they are its own."""
    if store.flags.all().version == 0:
        for key, definition in DEFAULT_FLAGS.items():
            store.flags.put(key, definition)


def create_app(settings: Settings | None = None) -> Flask:
    """The Flask application; `app.extensions["kindred"]` is what it owns.

    What must be changed is said in one clear line on stderr, and the process ends (SystemExit).
    """
    try:
        settings = settings or load_settings()
        configure_logging(settings.log_level)
        kindred = Kindred(settings)
    except StartupError as error:
        print(f"kindred: {error.detail}", file=sys.stderr, flush=True)
        raise SystemExit(_BOOT_ERROR) from None
    app = Flask(__name__, static_folder=None)
    app.extensions["kindred"] = kindred
    register(app, services_of(kindred))
    get_logger("factory").info("ready", versions=dict(kindred.engine.versions))
    return app


def services_of(kindred: Kindred) -> Services:
    """What the web room is given."""
    return Services(
        settings=kindred.settings,
        metrics=kindred.metrics,
        store=kindred.store,
        companion=kindred.companion,
        engine_health=kindred.engine.health,
        body_timeout=gevent.Timeout,
        jwt_secret=secrets.jwt_secret(kindred.settings),
        admin_key=secrets.admin_key(kindred.settings),
    )
