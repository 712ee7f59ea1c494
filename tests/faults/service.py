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

import ctypes
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from app.store.private_redis import PrivateRedis

ROOT = Path(__file__).parents[2]
READY_SECONDS = 400.0  # torch alone may take a minute to import on a busy machine
CALL_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1  # Linux, sys/prctl.h
END_SECONDS = 60.0  # beyond gunicorn's grace of 30
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


def _end_with_parent() -> None:
    """A test run that is killed itself leaves no gunicorn behind (its workers look after it)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def eventually(what: Callable[[], Any], seconds: float = 60.0, why: str = "") -> Any:
    """The first true value of `what`, which is asked until then; AssertionError afterwards."""
    end = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < end, why or "it did not come to pass"
        time.sleep(0.05)
    return value


def alive(pid: int) -> bool:
    """Whether a process runs (one that ended and was not waited for does not)."""
    return _stat(pid) not in (None, "Z")


class Service:
    """One gunicorn over one Redis; made by the fixtures."""

    def __init__(
        self,
        folder: Path,
        models: Path,
        *,
        faulty: bool = False,
        redis_url: str = "",
        **env: object,
    ) -> None:
        self.var = folder / "var"
        self.log_path = folder / "log.txt"
        self.admin_key = ADMIN_KEY
        self.faulty = faulty
        self._faults = folder / "faults"
        self._faults.mkdir(parents=True)
        self._redis = None if redis_url else PrivateRedis(self.var)
        self.redis_url = redis_url or PrivateRedis(self.var).url
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = self._make_environment(models, env)
        self._process: subprocess.Popen[bytes] | None = None

    def _make_environment(self, models: Path, env: Mapping[str, object]) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("KINDRED_", "REDIS_URL"))}
        chosen = {f"KINDRED_{name.upper()}": str(value) for name, value in env.items()}
        return {
            **kept,
            **_DEFAULTS,
            "KINDRED_ENCODER": str(models / "encoder"),
            "KINDRED_RERANKER": str(models / "reranker"),
            "KINDRED_GENERATOR": str(models / "generator"),
            "KINDRED_DATA_DIR": str(models / "data"),
            "KINDRED_VAR_DIR": str(self.var),
            "KINDRED_TEST_FAULTS": str(self._faults),
            "REDIS_URL": self.redis_url,
            "PROMETHEUS_MULTIPROC_DIR": str(self.var / "metrics"),
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(ROOT),
            **chosen,
        }

    # Beginning and end

    def start(self, *, ready: bool = True) -> None:
        """Redis and gunicorn; waits until requests should be sent here."""
        self.start_redis()
        (self.var / "metrics").mkdir(parents=True, exist_ok=True)
        for stale in (self.var / "metrics").iterdir():
            stale.unlink()
        module = "tests.faults.faulty_wsgi:app" if self.faulty else "wsgi:app"
        command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py"]
        command += ["--bind", f"127.0.0.1:{self.port}", module]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        if ready:
            self.wait_ready()

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until /readyz says 200; fails with the log where gunicorn has ended."""

        def is_ready() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, f"gunicorn ended:\n{self.log()[-3000:]}"
            return self.ready()

        eventually(is_ready, seconds, "the service is not ready")

    def terminate(self) -> None:
        """SIGTERM to the master; does not wait."""
        os.kill(self.master_pid, signal.SIGTERM)

    def wait_end(self, seconds: float = END_SECONDS) -> float:
        """Wait until gunicorn has ended; the seconds that it took from now on."""
        assert self._process is not None
        start = time.monotonic()
        self._process.wait(seconds)
        return time.monotonic() - start

    def restart(self) -> None:
        """End gunicorn in order and start a new one over the same data."""
        self.terminate()
        self.wait_end()
        self.start()

    def close(self) -> None:
        """End everything that was started here."""
        if self._process is not None and self._process.poll() is None:
            self.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(END_SECONDS)
        if self._process is not None:
            with suppress(ProcessLookupError):  # its session: the workers too
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._redis is not None:
            self.thaw_redis()
            self._redis.stop()

    # Processes

    @property
    def master_pid(self) -> int:
        """gunicorn's master."""
        assert self._process is not None
        return self._process.pid

    @property
    def worker_pid(self) -> int:
        """The worker; AssertionError where there is none (any more, or yet)."""
        found = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
                 if _parent(pid) == self.master_pid and alive(pid)]  # fmt: skip
        assert found, "there is no worker"
        return min(found)

    def kill_worker(self) -> int:
        """SIGKILL; gives the pid that is no more."""
        pid = self.worker_pid
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not alive(pid), why="the worker outlived SIGKILL")
        return pid

    def wait_worker(self, other_than: int, seconds: float = READY_SECONDS) -> int:
        """Wait for the worker that comes after another; its pid."""

        def newer() -> int:
            try:
                pid = self.worker_pid
            except AssertionError:
                return 0
            return pid if pid != other_than else 0

        return int(eventually(newer, seconds, "no new worker came"))

    # Redis

    @property
    def redis_pid(self) -> int | None:
        """The Redis of this service; None where none runs, or where it is frozen."""
        return self._own_redis.pid

    @property
    def _own_redis(self) -> PrivateRedis:
        assert self._redis is not None, "this service stands on a Redis of the test's own"
        return self._redis

    def start_redis(self) -> None:
        """Start it, or use it where it runs; it answers then."""
        if self._redis is not None:
            self._redis.start()
            self._frozen = None

    def kill_redis(self) -> None:
        """SIGKILL, in the middle of whatever it does."""
        pid = self._known_redis()
        os.kill(pid, signal.SIGKILL)
        self._own_redis.stop()  # it is a zombie: this waits for it, and takes its pid file away
        self._frozen = None

    def freeze_redis(self) -> None:
        """SIGSTOP: connections stay open and are not answered."""
        self._frozen = self._known_redis()
        os.kill(self._frozen, signal.SIGSTOP)

    def thaw_redis(self) -> None:
        """SIGCONT, where it was frozen."""
        if self._frozen is not None:
            with suppress(ProcessLookupError):
                os.kill(self._frozen, signal.SIGCONT)
        self._frozen = None

    _frozen: int | None = None

    def _known_redis(self) -> int:
        pid = self._frozen or self.redis_pid
        assert pid is not None, "Redis does not run"
        return pid

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

    def ready(self) -> bool:
        """Whether /readyz says 200 at this moment; False where nobody answers."""
        try:
            return self.call("GET", "/readyz", timeout=10.0).status == 200
        except (OSError, http.client.HTTPException):
            return False

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

    def log(self) -> str:
        """All that gunicorn and the app wrote."""
        return self.log_path.read_text(errors="replace")

    # Faults of the models

    def breaks(self, model: str, kind: str, **more: Any) -> None:
        """Break "encoder", "reranker" or "generator" from its next batch on."""
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


def _stat(pid: int) -> str | None:
    """The state letter of a process."""
    fields = _fields(pid)
    return fields[0] if fields else None


def _parent(pid: int) -> int:
    fields = _fields(pid)
    return int(fields[1]) if fields else 0


def _fields(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return []
