"""What a Redis must be set to so that what it acknowledges is on the disk; asked at the start."""

from __future__ import annotations

import redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from app.errors import StartupError

_OLDEST = (6, 2)
_DURABLE = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",  # yes: nothing is fsynced while the log is rewritten
    "maxmemory-policy": "noeviction",
}
_MIN_REPLICAS = "min-replicas-to-write"


def check(client: redis.Redis, where: str, trusted: bool, replicas: int) -> tuple[int, ...]:
    """Refuse a Redis that is away, too old, or would forget what it acknowledged.

    Args:
        where: names this Redis and the variable that it comes from, for the message.
        trusted: accept a server that does not show its configuration.
        replicas: how many must have what is acknowledged.

    Returns:
        its version: major, minor.

    Raises:
        StartupError: one line that says what to change.
    """
    try:
        version = str(client.info("server")["redis_version"])
        numbers = tuple(int(part) for part in version.split(".")[:2])
        if numbers < _OLDEST:
            wanted = ".".join(str(part) for part in _OLDEST)
            raise StartupError(f"{where} is version {version}; {wanted} or newer is needed")
        _check_settings(client, where, trusted, replicas)
    except RedisError as error:
        raise StartupError(f"{where} does not answer: {error}") from None
    return numbers


def _check_settings(client: redis.Redis, where: str, trusted: bool, replicas: int) -> None:
    try:
        found: dict[str | None, str | None] = {}
        for name in (*_DURABLE, _MIN_REPLICAS):
            found.update(client.config_get(name))
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
    least = int(found.get(_MIN_REPLICAS) or 0)
    if least < min(1, replicas):  # else a primary that lost its replicas would go on writing
        wrong.append(
            f"{_MIN_REPLICAS} is {least}, it must be 1 or more (KINDRED_REDIS_REPLICAS={replicas})"
        )
    if wrong:
        raise StartupError(f"{where} may lose what it acknowledged: {'; '.join(wrong)}")
