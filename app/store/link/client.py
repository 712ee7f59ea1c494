"""The connection to Redis: nothing is retried by it, and every failure has one name.

redis-py repeats a command whose answer was lost, which would write twice; here a command is sent
once, and idempotency lives inside the scripts.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.exceptions import (
    NoPermissionError,
    NoScriptError,
    RedisError,
    ResponseError,
)
from redis.retry import Retry

from app.errors import StartupError, StoreUnavailable
from app.store.link.connections import Connections
from app.telemetry import Metrics

_LUA = Path(__file__).parents[1] / "lua"
_POOL_MAX = 128  # connections of one process; more callers wait for one
_OLDEST = (6, 2)
_DURABLE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}

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


class RedisClient:
    """One pool of connections to one Redis (`redis://`, `rediss://` or `unix://`)."""

    def __init__(self, url: str, timeout_seconds: float, metrics: Metrics) -> None:
        self.url = url
        self._metrics = metrics
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

    @contextmanager
    def guard(self) -> Iterator[redis.Redis]:
        """The redis-py client; inside the block each of its errors becomes StoreUnavailable."""
        try:
            yield self._redis
        except RedisError as error:
            self._metrics.failures.labels("store").inc()
            raise StoreUnavailable(retry_after=1.0) from error

    def run(self, name: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Run one script by its hash, sending its text only to a server that lacks it."""
        script = load_script(name)
        with self.guard():
            try:
                return self._pool.ask("EVALSHA", script.sha, len(keys), *keys, *arguments)
            except NoScriptError:
                return self._pool.ask("EVAL", script.text, len(keys), *keys, *arguments)

    def run_many(
        self, name: str, calls: Sequence[tuple[Sequence[str], Sequence[Argument]]]
    ) -> list[Any]:
        """Run one script many times in one round trip; the answers in order."""
        script = load_script(name)
        with self.pipeline() as pipe:
            pipe.script_load(script.text)
            for keys, arguments in calls:
                pipe.evalsha(script.sha, len(keys), *keys, *arguments)
            return list(pipe.execute()[1:])

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
        self._redis.close()
        self._redis.connection_pool.disconnect()

    def check(self, variable: str, trusted: bool) -> None:
        """Refuse a Redis that is away, too old, or would forget what it acknowledged.

        Args:
            variable: the environment variable that named this Redis, for the message.
            trusted: accept a server that does not show its configuration.

        Raises:
            StartupError: one line that says what to change.
        """
        where = f"the Redis of {variable} ({_public(self.url)})"
        try:
            version = str(self._redis.info("server")["redis_version"])
            self._check_version(version, where)
            self._check_durability(where, trusted)
        except RedisError as error:
            raise StartupError(f"{where} does not answer: {error}") from None

    def _check_version(self, version: str, where: str) -> None:
        if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
            wanted = ".".join(str(part) for part in _OLDEST)
            raise StartupError(f"{where} is version {version}; {wanted} or newer is needed")

    def _check_durability(self, where: str, trusted: bool) -> None:
        try:
            found: dict[str | None, str | None] = {}
            for name in _DURABLE:
                found.update(self._redis.config_get(name))
        except (NoPermissionError, ResponseError) as error:
            if trusted:
                return
            raise StartupError(
                f"{where} does not show its configuration ({error}); where it is known to keep "
                "what it acknowledged, set KINDRED_REDIS_TRUSTED=true"
            ) from None
        wrong = [
            f"{name} is {found.get(name, 'unknown')}, it must be {wanted}"
            for name, wanted in _DURABLE.items()
            if found.get(name) != wanted
        ]
        if wrong:
            raise StartupError(f"{where} may lose what it acknowledged: {'; '.join(wrong)}")


def _public(url: str) -> str:
    """The URL without its password."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
