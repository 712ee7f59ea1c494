"""The naive app with its models behind service-streamer, which batches across requests.

service-streamer 0.1.2's `ThreadedStreamer` in front of each of the three models (batches of up to
32 requests, 20 ms of waiting), under gunicorn's thread worker with a thread for every client: its
README's way of serving, but for the threads, which leave the models their own as gevent's
greenlets would not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from flask import Flask, request

from scripts.benches.borrowed import borrow
from scripts.benches.plain import GENERATED, RETRIEVED, Plain, answer, candidates, hung_up

PEER = "service-streamer"
REQUESTS = 32
LATENCY_SECONDS = 0.02
_ANSWER_SECONDS = 300  # its own limit of 20 would fail whole rounds of slow models


class _Streamed:
    """A streamer whose `submit` is one thread's at a time: it counts its tasks without a lock."""

    def __init__(self, streamer: Any) -> None:
        self._streamer = streamer
        self._lock = threading.Lock()

    def __call__(self, batch: Sequence[Any]) -> Callable[[], list[Any]]:
        """Submit; what is returned waits for the results."""
        with self._lock:
            future = self._streamer.submit(batch)
        return lambda: future.result(_ANSWER_SECONDS)


def create_app() -> Flask:
    """The app on service-streamer."""
    borrow(PEER)
    from service_streamer import ThreadedStreamer

    plain = Plain()
    pairs = REQUESTS * (RETRIEVED + GENERATED)
    embed = _Streamed(ThreadedStreamer(plain.embed, REQUESTS, LATENCY_SECONDS))
    generate = _Streamed(ThreadedStreamer(plain.generate, REQUESTS, LATENCY_SECONDS))
    rank = _Streamed(ThreadedStreamer(plain.rank, pairs, LATENCY_SECONDS))
    app = Flask(__name__)

    @app.get("/livez")
    def livez() -> str:
        return "ok"

    @app.post("/v1/chat")
    def chat() -> dict[str, str] | tuple[str, int]:
        if hung_up(request.environ):
            return "", 499
        message = request.get_json()["message"]
        generating = generate([message])
        found = plain.retrieve(embed([message])()[0])
        replies = candidates(found, generating()[0])
        return answer(replies, rank([(message, reply) for reply in replies])())

    return app
