"""The store as the rest of Kindred sees it: one object, one attribute a noun."""

from __future__ import annotations

import time
from collections.abc import Callable

from app.errors import StartupError, StoreUnavailable
from app.settings import Settings
from app.store import keys
from app.store.access.api_keys import ApiKeys
from app.store.access.sessions import Sessions
from app.store.access.subjects import Subjects
from app.store.contexts import Contexts
from app.store.core import Core, person_ttl
from app.store.dump import Dump
from app.store.export import Export
from app.store.flags import Flags
from app.store.idempotency import Idempotency
from app.store.impressions import Impressions
from app.store.in_service import InService
from app.store.link.brief import ConnectionPool, brief_pool
from app.store.link.client import RedisClient, Replicas
from app.store.people import People
from app.store.privacy.ledger import LEDGER_SECONDS, Ledger, Offload, inline
from app.store.privacy.personal import Personal
from app.store.privacy.retention import Retention
from app.store.profile import Profile
from app.store.reactions import Reactions
from app.store.sealing.keystore import KeyRing, KeyStore
from app.store.sealing.master_key import load_master_key
from app.store.sealing.redis_keys import RedisKeyStore
from app.store.sealing.sqlite_keys import SqliteKeyStore
from app.store.server.private_redis import PrivateRedis
from app.store.spool.drainer import Drainer, Settle
from app.store.spool.promises import Promises
from app.store.spool.spool import Bounds, Spool
from app.store.tallies import Tallies
from app.telemetry import Metrics, get_logger

_SPARE_SECONDS = 3 * 86_400  # keys outlive what they seal by this much


class Store:
    """Redis and the key store, opened once a process (in the worker, after the fork)."""

    def __init__(self, core: Core, offload: Offload = inline) -> None:
        self._core = core
        self._pools: list[ConnectionPool] = []
        self._offload = offload
        self._drainer: Drainer | None = None
        self._in_service: InService | None = None
        self.people = People(core)
        self.subjects = Subjects(core, self.people)
        self.api_keys = ApiKeys(core)
        self.sessions = Sessions(core)
        self.contexts = Contexts(core)
        self.impressions = Impressions(core)
        self.reactions = Reactions(core, self.people)
        self.profile = Profile(core)
        self.flags = Flags(core)
        self.idempotency = Idempotency(core)
        self.export = Export(core)
        self.promises = Promises(core)
        self.personal = Personal(core, self.contexts)
        self.dump = Dump(core)
        self.retention = Retention(core)
        self.tallies = Tallies(core)

    @classmethod
    def open(
        cls,
        settings: Settings,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
        offload: Offload | None = None,
        *,
        restoring: bool = False,
        wait_seconds: float = 0.0,
    ) -> Store:
        """Connect, check that nothing acknowledged can be lost, and replay the erasure ledger.

        `offload` runs the calls of the sqlite key store, which wait in C (see `sqlite_keys`); None
        runs them in place. `REDIS_URL` unset: the private Redis of `var_dir` (see `private_redis`),
        which must run. `restoring`: for the command that puts a backup back; others are refused
        while one is being put back. `wait_seconds`: how long a Redis that is away is waited for, so
        that a worker that is replaced while Redis restarts need not give up.

        Raises:
            StartupError: one line that names what to change.
        """
        url = settings.redis_url or PrivateRedis(settings.var_dir).url
        timeout = settings.redis_timeout_ms / 1000
        replicas = Replicas(settings.redis_replicas, settings.redis_replica_ms / 1000)
        client = RedisClient(url, timeout, metrics, replicas=replicas)
        client.await_answer(wait_seconds)
        try:
            client.check("REDIS_URL", settings.redis_trusted)
            ring = open_ring(settings, metrics, clock, offload)
        except StartupError:
            client.close()
            raise
        store = cls(Core(client, ring, settings, metrics, clock), offload or inline)
        try:
            store._prepare(restoring)
        except StartupError:
            store.close()
            raise
        except StoreUnavailable as error:
            store.close()
            raise StartupError(f"the store cannot be prepared: {error.__cause__}") from None
        return store

    @property
    def ring(self) -> KeyRing:
        """The people's keys."""
        return self._core.ring

    def brief_pool(self, seconds: float) -> ConnectionPool:
        """Connections of short waits, for a library with commands of its own; see `brief`."""
        pool = brief_pool(self._core.client.url, seconds)
        self._pools.append(pool)
        return pool

    def keep_promises(self, settle: Settle) -> None:
        """From now on what Redis cannot be told is promised, and told once it can be.

        For the process that serves: it adopts what others promised before they died. `settle`
        tells Redis of one promise.

        Raises:
            StartupError: the folder of the spool cannot be used, or somebody has `var` to
                themselves.
        """
        core = self._core
        self._in_service = InService(core.settings.var_dir)
        bounds = Bounds(core.settings.spool_entries, core.settings.spool_mb * 1024 * 1024)
        folder = core.settings.var_dir / "spool"
        spool = Spool(folder, core.metrics, core.clock, self._offload, bounds)
        self.promises.spool = spool
        finish = self.people.finish_erasures
        self._drainer = Drainer(spool, self.promises, core.client, settle, core.metrics, finish)
        self._drainer.start()

    def ping(self) -> None:
        """Ask Redis for an answer (StoreUnavailable where none comes)."""
        self._core.client.ping()

    def close(self) -> None:
        """Send the counts that wait, then close connections and files."""
        if self._drainer is not None:
            self._drainer.close()
        if self.promises.spool is not None:
            self.promises.spool.close()
            self.promises.spool = None
        if self._in_service is not None:
            self._in_service.end()
        self.tallies.close()
        for pool in self._pools:
            pool.disconnect()
        self._core.client.close()
        self._core.ring.store.close()

    def _prepare(self, restoring: bool) -> None:
        core = self._core
        if not restoring:
            self.dump.require_whole()
        core.client.register()
        core.client.run("partitions", [keys.PARTITIONS], [core.settings.partitions])
        core.ring.store.prune(core.clock())
        core.ring.ledger.prune(core.clock() - LEDGER_SECONDS)
        again = self.people.replay_erasures()
        if again:
            get_logger("store").warning("erasures_replayed", people=again)


def open_ring(
    settings: Settings,
    metrics: Metrics,
    clock: Callable[[], float] = time.time,
    offload: Offload | None = None,
) -> KeyRing:
    """The people's keys alone, for whoever reads the training data without Redis.

    Raises:
        StartupError: the key store cannot be used, or the master key is not its own.
    """
    master = load_master_key(settings.master_key, settings.var_dir / "master_key")
    ledger = Ledger(settings.var_dir / "keys" / "erasures", master, offload or inline)
    backend = open_key_store(settings, metrics, offload)
    try:
        return KeyRing(backend, ledger, master, clock)
    except StoreUnavailable as error:
        backend.close()
        raise StartupError(f"the key store does not answer: {error.__cause__}") from None
    except StartupError:
        backend.close()
        raise


def open_key_store(
    settings: Settings, metrics: Metrics, offload: Offload | None = None
) -> KeyStore:
    """Where the settings say that people's keys are (StartupError: it cannot be used)."""
    keep = person_ttl(settings) + _SPARE_SECONDS
    timeout = settings.redis_timeout_ms / 1000
    if not settings.keystore_url:
        path = settings.var_dir / "keys" / "keys.sqlite"
        return SqliteKeyStore(path, keep, timeout, offload or inline)
    client = RedisClient(settings.keystore_url, timeout, metrics, name="keys")
    try:
        client.check("KINDRED_KEYSTORE_URL", settings.redis_trusted)
    except StartupError:
        client.close()
        raise
    return RedisKeyStore(client, keep)
