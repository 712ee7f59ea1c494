"""The plain way to do the same thing: one request at a time, no batching, no Redis.

A Flask app under a sync worker, the models of `plain` called one after another in the request.
"""

from __future__ import annotations

from flask import Flask, request

from scripts.benches.plain import Plain, answer, candidates, hung_up


def create_app() -> Flask:
    """The naive app."""
    plain = Plain()
    app = Flask(__name__)

    @app.get("/livez")
    def livez() -> str:
        return "ok"

    @app.post("/v1/chat")
    def chat() -> dict[str, str] | tuple[str, int]:
        if hung_up(request.environ):
            return "", 499
        message = request.get_json()["message"]
        found = plain.retrieve(plain.embed([message])[0])
        replies = candidates(found, plain.generate([message])[0])
        return answer(replies, plain.rank([(message, reply) for reply in replies]))

    return app
