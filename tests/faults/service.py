"""The real service for fault tests: gunicorn, Redis, small models; its parts can be killed apart.

Fixtures (`conftest.py`):

    service                 ready, shared by the whole session: for tests that harm nothing
    start_service(**env)    a service of the test's own, ended with it: for tests that kill
    start_service(faulty=True, **env)       its models can be broken: `service.breaks(...)`
    start_service(redis_url="unix://…")     over a Redis of the test's own making
    start_service(ready=False)              does not wait: `service.wait_ready()` does

`env` are variables of `app/settings.py`, their names without `KINDRED_` and in any case:
`start_service(chat_deadline_ms=800, redis_timeout_ms=300)`. Deadlines are long by default, since a
busy machine must not fail tests that ask what is answered, not how fast.

A `Service` has

    url, port, var, admin_key       where it is, its data folder, the administrator's key
    guest()                         → token of a new person
    chat(token, text, **body)       → Answer; `headers=` go along
    react(token, reply_id, "love")  → Answer
    call(method, path, token=None, body=None, headers=None)     → Answer of any route
    admin(method, path, body=None)  → Answer, with the admin key
    ready()                         → bool: /readyz says 200 at this moment
    metrics()                       → {'kindred_x_total{model="a"}': 1.0}; metric(name, **labels)
    master_pid, worker_pid, redis_pid (None where there is none)
    kill_worker()                   → pid of the killed one; wait_worker(other_than=pid)
    kill_redis(), start_redis(), freeze_redis(), thaw_redis()
    redis()                         → a plain client, for looking inside
    terminate()                     SIGTERM to the master, without waiting; wait_end() → seconds
    restart()                       a new gunicorn over the same data; ready again
    log()                           all that gunicorn and the app wrote
    breaks(model, kind, **more), mends(model)       see `faulty_wsgi.py`

An `Answer` has `status`, `headers` (lower-case names), `text`, `json`, `seconds`. Everything is
bounded in time, listens on 127.0.0.1 alone, and is ended by process id.
"""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from scripts.soaking.standing import Standing, alive, eventually

__all__ = ["Answer", "Service", "alive", "eventually"]

CALL_SECONDS = 60.0
_LABEL = re.compile(r'(\w+)="([^"]*)"')
ADMIN_KEY = "an-administrator-of-the-fault-tests-0123456789"
_DEFAULTS = {
    "KINDRED_ADMIN_KEY": ADMIN_KEY,
    "KINDRED_RUNTIME": "torch",
    "KINDRED_DEVICE": "cpu",
    "KINDRED_DTYPE": "fp32",
    "KINDRED_THREADS": "1",
    "KINDRED_CHAT_DEADLINE_MS": "20000",
    "KINDRED_GATHER_DEADLINE_MS": "8000",
    "KINDRED_RANK_DEADLINE_MS": "8000",
    "KINDRED_FINISH_DEADLINE_MS": "3000",
    "KINDRED_CANDIDATES_PINNED": "2",
    "KINDRED_CANDIDATES_MAX": "4",
    "KINDRED_NEW_TOKENS": "8",
    "KINDRED_EXPLORATION": "0",
    "KINDRED_PARTITIONS": "4",
    "KINDRED_GUEST_LIMIT_PER_MINUTE": "100000",
    "KINDRED_MESSAGE_LIMIT_PER_MINUTE": "100000",
    "KINDRED_PERSON_IN_FLIGHT_MAX": "10000",
    "KINDRED_ADDRESS_LIMIT_PER_MINUTE": "1000000",
    "KINDRED_REQUEST_LIMIT_PER_MINUTE": "100000",
}


@dataclass(frozen=True)
class Answer:
    """What a route answered."""

    status: int
    headers: Mapping[str, str]
    text: str
    seconds: float

    @property
    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.text)


class Service(Standing):
    """One gunicorn over one Redis; made by the fixtures. What is killed and started: `Standing`."""

    def __init__(
        self,
        folder: Path,
        models: Path,
        *,
        faulty: bool = False,
        redis_url: str = "",
        **env: object,
    ) -> None:
        self.admin_key = ADMIN_KEY
        self.faulty = faulty
        self._faults = folder / "faults"
        self._faults.mkdir(parents=True)
        chosen = {
            **_DEFAULTS,
            "KINDRED_ENCODER": str(models / "encoder"),
            "KINDRED_RERANKER": str(models / "reranker"),
            "KINDRED_GENERATOR": str(models / "generator"),
            "KINDRED_DATA_DIR": str(models / "data"),
            "KINDRED_TEST_FAULTS": str(self._faults),
            **{f"KINDRED_{name.upper()}": str(value) for name, value in env.items()},
        }
        app = "tests.faults.faulty_wsgi:app" if faulty else "wsgi:app"
        super().__init__(folder, chosen, redis_url=redis_url, app=app)

    def redis(self) -> redis.Redis:
        """A plain client, for looking inside; the caller closes it."""
        return redis.Redis.from_url(self.redis_url, protocol=2, socket_timeout=10.0)

    # Requests

    def call(
        self,
        method: str,
        path: str,
        token: str | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = CALL_SECONDS,
    ) -> Answer:
        """One request on a connection of its own. `body`: bytes as they are, else as JSON."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if data is not None else {}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        start = time.monotonic()
        try:
            connection.request(method, path, data, {**sent, **(headers or {})})
            answer = connection.getresponse()
            text = answer.read().decode()
            seconds = time.monotonic() - start
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, names, text, seconds)
        finally:
            connection.close()

    def guest(self) -> str:
        """The token of a new person."""
        made = self.call("POST", "/v1/auth/guest", body={})
        assert made.status == 201, made.text
        return str(made.json["token"])

    def chat(
        self, token: str, text: str, headers: Mapping[str, str] | None = None, **body: Any
    ) -> Answer:
        """Say something."""
        return self.call("POST", "/v1/chat", token, {"message": text, **body}, headers)

    def react(
        self,
        token: str,
        reply_id: str,
        reaction: str = "love",
        headers: Mapping[str, str] | None = None,
        **body: Any,
    ) -> Answer:
        """React to a reply."""
        path = f"/v1/replies/{reply_id}/reaction"
        return self.call("PUT", path, token, {"reaction": reaction, **body}, headers)

    def admin(self, method: str, path: str, body: Any = None) -> Answer:
        """As an administrator."""
        return self.call(method, path, body=body, headers={"X-API-Key": self.admin_key})

    def metrics(self) -> dict[str, float]:
        """Every sample of /metrics, by its name with its labels in order of their names."""
        text = self.admin("GET", "/metrics").text
        found = re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", text, re.MULTILINE)
        return {_sample(name, _LABEL.findall(inside)): float(v) for name, inside, v in found}

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels; 0 where there is none."""
        wanted = {f'{key}="{value}"' for key, value in labels.items()}
        return sum(
            value
            for sample, value in self.metrics().items()
            if sample.partition("{")[0] == name and all(label in sample for label in wanted)
        )

    # Faults of the models

    def breaks(self, model: str, kind: str, **more: Any) -> None:
        """Break "encoder", "reranker", "generator", "input_screen" or "output_screen" from its next
        batch on."""
        assert self.faulty, "start_service(faulty=True)"
        path = self._faults / model
        path.with_suffix(".tmp").write_text(json.dumps({"kind": kind, **more}))
        path.with_suffix(".tmp").rename(path)

    def mends(self, model: str) -> None:
        """From its next batch on (or its next moment, if it hangs) it is as it was."""
        (self._faults / model).unlink(missing_ok=True)


def _sample(name: str, labels: Sequence[tuple[str, str]]) -> str:
    inside = ",".join(f'{key}="{value}"' for key, value in sorted(labels))
    return f"{name}{{{inside}}}" if inside else name
