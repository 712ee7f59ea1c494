"""The connection to Redis: nothing is retried by it, and every failure has one name.

redis-py repeats a command whose answer was lost, which would write twice; here a command is sent
once, and idempotency lives inside the scripts. A breaker keeps callers from waiting, one after
another, for a server that does not answer.
"""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as TimedOut
from redis.retry import Retry

from app.errors import StartupError, StoreUnavailable
from app.store.link import durability, troubles
from app.store.link.breaker import Breaker, Outcome, State
from app.store.link.connections import Connections, NoneFree
from app.store.link.lateness import Lateness
from app.store.link.patience import seconds_left
from app.telemetry import Metrics, get_logger

_LUA = Path(__file__).parents[1] / "lua"
_POOL_MAX = 128  # connections of one process; more callers wait for one
_WAITAOF_FROM = (7, 2)
_SLOW_SHARE = 0.5  # of the time that a script may take: an answer so late counts as slow
_AWAIT_STEP_SECONDS = 0.1
_TELLING_SECONDS = 0.1  # a wait that was cut shorter says nothing of the server
# Scripts that write what is acknowledged as kept: where there are replicas, these have it too.
_PROMISED = frozenset({"react", "feel", "finish", "alternative", "judge", "forget"})

Argument = str | bytes | int | float


@dataclass(frozen=True, slots=True)
class Script:
    """One Lua script and its SHA-1, by which the server knows it."""

    name: str
    text: str
    sha: str


@functools.cache
def load_script(name: str) -> Script:
    """The script `lua/<name>.lua`, with `lua/common.lua` in front of it."""
    text = (_LUA / "common.lua").read_text("utf-8") + (_LUA / f"{name}.lua").read_text("utf-8")
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class Unreplicated(StoreUnavailable):
    """Written on the primary, but too few replicas said in time that they have it."""


@dataclass(frozen=True, slots=True)
class Replicas:
    """How many replicas must have a promised write before it counts, and for how long to wait."""

    count: int = 0
    seconds: float = 0.2


class RedisClient:
    """One pool of connections to one Redis (`redis://`, `rediss://` or `unix://`).

    `name` says in metrics which Redis it is.
    """

    def __init__(
        self,
        url: str,
        timeout_seconds: float,
        metrics: Metrics,
        *,
        name: str = "data",
        replicas: Replicas | None = None,
    ) -> None:
        self.url = url
        self._timeout = timeout_seconds
        self._metrics = metrics
        self._name = name
        self._replicas = replicas or Replicas()
        self._fsynced_replicas = False  # the server has WAITAOF
        self._breaker = Breaker(changed=self._tell)
        self._lateness = Lateness()
        metrics.breaker_open.labels(name).set(0)
        try:
            self._pool = Connections.from_url(
                url,
                max_connections=_POOL_MAX,
                wait_seconds=timeout_seconds,
                socket_timeout=timeout_seconds,
                socket_connect_timeout=timeout_seconds,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
            )
        except ValueError as error:
            raise StartupError(f"REDIS_URL {_public(url)!r} cannot be used: {error}") from None
        self._redis = redis.Redis(connection_pool=self._pool)
        self._lateness.start()

    @property
    def state(self) -> State:
        """Whether Redis is asked at this moment: "closed" where it is."""
        return self._breaker.state

    @contextmanager
    def guard(self, slow_seconds: float = float("inf")) -> Iterator[redis.Redis]:
        """The redis-py client; inside the block each of its errors becomes StoreUnavailable.

        Where Redis did not answer lately the block is not entered. `slow_seconds`: a block that
        takes longer speaks against Redis though it ended well. Time that we ourselves lost does
        not, nor that all connections were lent out.
        """
        permit = self._breaker.enter()
        if permit is None:
            self._count(troubles.OPEN)
            raise StoreUnavailable(retry_after=max(1.0, self._breaker.wait))
        outcome: Outcome | None = None
        given, waited = seconds_left(self._timeout), self._stopwatch()
        try:
            yield self._redis
            outcome = Outcome.SLOW if waited() > slow_seconds else Outcome.FINE
        except RedisError as error:
            kind = troubles.kind_of(error)
            ours = given < _TELLING_SECONDS or waited() < _SLOW_SHARE * given
            if not (kind == "timeout" and ours) and not isinstance(error, NoneFree):
                outcome = troubles.outcome_of(kind)
            self._count(kind)
            raise StoreUnavailable(retry_after=1.0) from error
        finally:
            self._breaker.leave(permit, outcome)

    def _stopwatch(self) -> Callable[[], float]:
        """Tells the seconds from now on in which this process could have read an answer."""
        started, lost = time.monotonic(), self._lateness.lost()
        return lambda: time.monotonic() - started - (self._lateness.lost() - lost)

    def run(self, name: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Run one script by its hash, sending its text only to a server that lacks it.

        Raises:
            StoreUnavailable; Unreplicated where the script writes what is promised and there are
            replicas (`Replicas`) of which too few have it.
        """
        script = load_script(name)
        rest = (len(keys), *keys, *arguments)
        with self.guard(_SLOW_SHARE * self._timeout):
            ask = self._ask_replicated if self._replicas.count and name in _PROMISED else self._ask
            try:
                return ask("EVALSHA", script.sha, *rest)
            except NoScriptError:
                return ask("EVAL", script.text, *rest)

    def _ask(self, *command: Argument) -> Any:
        return self._pool.ask(*command)

    def _ask_replicated(self, *command: Argument) -> Any:
        """As `_ask`, and then wait on the same connection until enough replicas have it."""
        answer, reached = self._pool.ask_all((command, self._wait()))
        for each in (answer, reached):
            if isinstance(each, ResponseError):
                raise each
        self._require(reached)
        return answer

    def _wait(self) -> tuple[Argument, ...]:
        """The command that waits for the replicas, less long than the socket's own patience."""
        wanted = self._replicas.count
        milliseconds = max(
            1, int(1000 * min(self._replicas.seconds, seconds_left(self._timeout) / 2))
        )
        if self._fsynced_replicas:
            return ("WAITAOF", 1, wanted, milliseconds)
        return ("WAIT", wanted, milliseconds)

    def _require(self, reached: Any) -> None:
        """Whether enough replicas have it, by what the command said (Unreplicated)."""
        if (reached[1] if self._fsynced_replicas else reached) < self._replicas.count:
            self._count(troubles.UNREPLICATED)
            raise Unreplicated("Too few replicas have it", retry_after=1.0)

    def _count(self, kind: str) -> None:
        self._metrics.failures.labels("store").inc()
        self._metrics.store_unavailable.labels(self._name, kind).inc()

    def _tell(self, is_open: bool) -> None:
        self._metrics.breaker_open.labels(self._name).set(int(is_open))
        if is_open:
            self._metrics.breaker_opened.labels(self._name).inc()
        get_logger("store").warning("breaker", store=self._name, open=is_open)

    def run_many(
        self, name: str, calls: Sequence[tuple[Sequence[str], Sequence[Argument]]]
    ) -> list[Any]:
        """Run one script many times in one round trip; the answers in order. Raises as `run`."""
        script = load_script(name)
        replicated = bool(self._replicas.count) and name in _PROMISED
        with self.pipeline() as pipe:
            pipe.script_load(script.text)
            for keys, arguments in calls:
                pipe.evalsha(script.sha, len(keys), *keys, *arguments)
            if replicated:
                pipe.execute_command(*self._wait())  # type: ignore[no-untyped-call]
            answers = list(pipe.execute()[1:])
        if replicated:
            self._require(answers.pop())
        return answers

    def register(self) -> None:
        """Give the server the text of every script, so that each runs by its hash at once."""
        with self.pipeline() as pipe:
            for path in sorted(_LUA.glob("*.lua")):
                if path.stem != "common":
                    pipe.script_load(load_script(path.stem).text)
            pipe.execute()

    @contextmanager
    def pipeline(self) -> Iterator[Pipeline]:
        """Commands sent together, not as a transaction; errors as in `guard`."""
        with self.guard() as connection, connection.pipeline(transaction=False) as pipe:
            yield pipe

    def ping(self) -> None:
        """Ask for an answer (StoreUnavailable where none comes)."""
        with self.guard() as connection:
            connection.ping()

    def close(self) -> None:
        """Close the connections."""
        self._lateness.close()
        self._redis.close()
        self._redis.connection_pool.disconnect()

    def await_answer(self, seconds: float) -> None:
        """Wait, for so long at most, until the server is there and has loaded its data."""
        end = time.monotonic() + seconds
        while True:
            try:
                self._redis.ping()
            except (Disconnected, TimedOut):
                if time.monotonic() >= end:
                    return  # `check` says what is wrong
                time.sleep(_AWAIT_STEP_SECONDS)
            except RedisError:
                return
            else:
                return

    def check(self, variable: str, trusted: bool) -> None:
        """Refuse a Redis that is away, too old, or would forget (`durability.check`)."""
        where = f"the Redis of {variable} ({_public(self.url)})"
        version = durability.check(self._redis, where, trusted, self._replicas.count)
        self._fsynced_replicas = version >= _WAITAOF_FROM


def _public(url: str) -> str:
    """The URL without its password."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
