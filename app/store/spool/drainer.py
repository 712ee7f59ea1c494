"""Tells Redis what was promised, one after the other, once it answers again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from redis.exceptions import RedisError

from app.errors import KindredError, StoreUnavailable
from app.store.link import troubles
from app.store.link.client import RedisClient
from app.store.link.patience import patience
from app.store.sealing.codec import Unreadable
from app.store.spool.file import SpoolFile
from app.store.spool.frames import Frame
from app.store.spool.promises import Promise, Promises
from app.store.spool.spool import Spool
from app.telemetry import Metrics, get_logger

BUSY_SECONDS, IDLE_SECONDS = 0.1, 1.0  # between looks
_ADOPT_SECONDS = 5.0
_PING_SECONDS = 0.5
_STUCK_SECONDS = 60.0
_TRIES = 3  # of a promise at which the code fails in a way that nobody foresaw

Settle = Callable[[Promise], None]


class Drainer:
    """One thread (a greenlet under gevent) for a process; `close` ends it within its step."""

    def __init__(
        self,
        spool: Spool,
        promises: Promises,
        client: RedisClient,
        settle: Settle,
        metrics: Metrics,
        besides: Callable[[], None] = lambda: None,
    ) -> None:
        """`settle` tells Redis of one promise; it raises what the store raises. `besides` is done
        whenever Redis answers, for what else was left undone."""
        self._spool = spool
        self._promises = promises
        self._client = client
        self._settle = settle
        self._besides = besides
        self._metrics = metrics
        self._ended = threading.Event()
        self._adopted_at = time.monotonic()
        self._failed: tuple[str, int] = ("", 0)  # an operation, and how often it failed
        self._refused: tuple[str, float] = ("", 0.0)  # an operation, and since when
        self._thread = threading.Thread(target=self._run, name="kindred-spool", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self, seconds: float = 5.0) -> None:
        """End; a step in progress is waited for so long."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def round(self) -> None:
        """Tell Redis all that waits, as far as it answers."""
        if time.monotonic() - self._adopted_at > _ADOPT_SECONDS:
            self._adopted_at = time.monotonic()
            self._spool.adopt()
        self._spool.tell()
        away = self._client.state != "closed"
        if away and not self._answers():
            return
        self._do_besides()
        while not self._ended.is_set() and (head := self._spool.first()) is not None:
            if not self._step(*head):
                return

    def _run(self) -> None:
        while True:
            away = self._client.state != "closed"
            if self._ended.wait(BUSY_SECONDS if away or self._spool.entries else IDLE_SECONDS):
                return
            try:
                self.round()
            except Exception as error:  # noqa: BLE001 - nobody else would go on with it
                self._metrics.failures.labels("spool").inc()
                get_logger("store").error("drainer", error=type(error).__name__)

    def _do_besides(self) -> None:
        """What else was left undone; however it fails, what was promised is told all the same."""
        try:
            self._besides()
        except StoreUnavailable:
            pass
        except Exception as error:  # noqa: BLE001 - it is counted, and tried again the next round
            self._metrics.failures.labels("spool.besides").inc()
            get_logger("store").error("drainer_besides", error=type(error).__name__)

    def _answers(self) -> bool:
        """Ask in the place of people, who would wait: this may be the breaker's trial."""
        try:
            with patience(time.monotonic() + _PING_SECONDS):
                self._client.ping()
        except StoreUnavailable:
            return False
        return True

    def _step(self, file: SpoolFile, frame: Frame) -> bool:
        """Settle the first promise, or put it aside; False where Redis does not answer."""
        try:
            self._settle(self._promises.read(frame.entry))
        except StoreUnavailable as error:
            if not self._stuck(frame.entry.op, error):
                return False
            self._put_aside(file, frame, "refused")
        except (KindredError, Unreadable) as error:
            self._put_aside(file, frame, type(error).__name__)
        except Exception as error:
            if self._tried(frame.entry.op) < _TRIES:
                raise
            self._put_aside(file, frame, type(error).__name__)
        else:
            self._metrics.spool_outcomes.labels("settled").inc()
            self._spool.settle(file, frame)
        return True

    def _put_aside(self, file: SpoolFile, frame: Frame, why: str) -> None:
        """The reply is gone or was never theirs, the token revoked, the entry of no use.

        Of somebody who was erased nothing is kept: nobody could read it, and it names them.
        """
        gone = self._promises.is_of_nobody(frame.entry)
        self._metrics.spool_outcomes.labels("rejected").inc()
        told = "erased" if gone else why
        get_logger("store").warning("promise_rejected", why=told, op=frame.entry.op)
        if gone:
            self._spool.settle(file, frame)
        else:
            self._spool.reject(file, frame)

    def _stuck(self, op: str, error: StoreUnavailable) -> bool:
        """Whether Redis has refused this one promise, in words that name no trouble, for long."""
        cause = error.__cause__
        if not isinstance(cause, RedisError) or troubles.kind_of(cause) != troubles.REFUSED:
            return False
        now = time.monotonic()
        if self._refused[0] != op:
            self._refused = (op, now)
        return now - self._refused[1] > _STUCK_SECONDS

    def _tried(self, op: str) -> int:
        self._failed = (op, self._failed[1] + 1 if self._failed[0] == op else 1)
        return self._failed[1]
