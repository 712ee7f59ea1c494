"""What a text-embeddings-inference service says of itself: `GET /info`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from models.runtimes.remote.answers import member
from models.runtimes.remote.client import Client, Request
from models.runtimes.remote.errors import RemoteRefusal

TEXTS_MOST = 32
"""Texts of one request: what such a service takes unless it is set up otherwise."""
_ROUTE_MISSING = {404, 405, 501}


@dataclass(frozen=True)
class Info:
    """`version`: the model's name and commit, empty where unknown."""

    version: str = ""
    texts_most: int = TEXTS_MOST

    def version_or(self, given: str) -> str:
        """The version that was given, else the service's. Raises ValueError where neither is."""
        version = given or self.version
        if not version:
            raise ValueError("the service does not name its model: give its version")
        return version


def ask_info(client: Client) -> Info:
    """What the service says; nothing where it has no such route. Raises RemoteError."""
    request: Request[Info] = Request("/info", None, _read)
    try:
        return client.one(request, client.endpoint.start_seconds)
    except RemoteRefusal as refusal:
        if refusal.status in _ROUTE_MISSING:
            return Info()
        raise


def _read(answer: Any) -> Info:
    name, commit = member(answer, "model_id"), member(answer, "model_sha")
    most = member(answer, "max_client_batch_size")
    parts = [part for part in (name, str(commit)[:12] if commit else "") if isinstance(part, str)]
    version = "@".join(part for part in parts if part)
    known = isinstance(most, int) and not isinstance(most, bool) and most >= 1
    return Info(version, min(int(most), 1024) if known else TEXTS_MOST)
