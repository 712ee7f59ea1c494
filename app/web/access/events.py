"""Security events: what only an attacker does, or somebody's mistake.

Each is a log line and a count. It names the route and the caller's keyed hash, so that the lines of
one caller can be put together; never the ids that were asked for, which may be somebody else's.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from flask import request

from app.telemetry import Children, Metrics, get_logger


class SecurityEvents:
    """Notes them."""

    def __init__(self, secret: str, metrics: Metrics) -> None:
        self._key = hashlib.sha256(b"kindred security events\0" + secret.encode()).digest()
        self._counts = Children(metrics.security.labels)
        self._log = get_logger("web")

    def note(self, kind: str, caller: str, **more: Any) -> None:
        """One event of this kind by this caller: a person's id, a key's prefix, an address."""
        route = request.url_rule.rule if request.url_rule is not None else "unmatched"
        self._counts[kind,].inc()
        self._log.warning("security", kind=kind, route=route, caller=self._hash(caller), **more)

    def _hash(self, caller: str) -> str:
        return hmac.digest(self._key, caller.encode("utf-8", "replace"), "sha256").hex()[:16]
