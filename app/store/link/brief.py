"""Connections for a library that brings its own commands: short waits, and nothing sent twice."""

from __future__ import annotations

from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.store.link.connections import Connections

_MOST = 16

__all__ = ["ConnectionPool", "brief_pool"]


def brief_pool(url: str, seconds: float) -> ConnectionPool:
    """A pool whose connecting, lending and answers may each take so long (RedisError beyond)."""
    return Connections.from_url(
        url,
        max_connections=_MOST,
        wait_seconds=seconds,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
