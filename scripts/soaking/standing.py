"""gunicorn over Redis, as `scripts/serve` starts them, but each part can be killed by itself.

Everything listens on 127.0.0.1 or a unix socket, and is ended by process id.
"""

from __future__ import annotations

import ctypes
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.store.server.private_redis import PrivateRedis

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 400.0  # torch alone may take a minute to import on a busy machine
END_SECONDS = 60.0  # beyond gunicorn's grace of 30
_PR_SET_PDEATHSIG = 1  # Linux, sys/prctl.h


def eventually(what: Callable[[], Any], seconds: float = 60.0, why: str = "") -> Any:
    """The first true value of `what`, which is asked until then; AssertionError afterwards."""
    end = time.monotonic() + seconds
    while not (value := what()):
        if time.monotonic() > end:
            raise AssertionError(why or "it did not come to pass")
        time.sleep(0.05)
    return value


def alive(pid: int) -> bool:
    """Whether a process runs (one that ended and was not waited for does not)."""
    return _stat(pid)[:1] not in ([], ["Z"])


def resident_bytes(pid: int) -> int:
    """Memory of a process that is in RAM; 0 where it does not run."""
    fields = _stat(pid)
    return int(fields[21]) * os.sysconf("SC_PAGE_SIZE") if fields else 0


class Standing:
    """One gunicorn over one Redis, and their data.

    Args:
        folder: for data and log.
        environment: what is set beside the machine's own; no KINDRED_* of it is kept.
        redis_url: a Redis that is somebody else's; empty: a private one.
        app: the WSGI application.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        redis_url: str = "",
        app: str = "wsgi:app",
    ) -> None:
        self.var = folder / "var"
        self.log_path = folder / "log.txt"
        folder.mkdir(parents=True, exist_ok=True)
        self._app = app
        self._redis = None if redis_url else PrivateRedis(self.var)
        self.redis_url = redis_url or PrivateRedis(self.var).url
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("KINDRED_", "REDIS_URL"))}
        self.environment = {
            **kept,
            "KINDRED_VAR_DIR": str(self.var),
            "REDIS_URL": self.redis_url,
            "PROMETHEUS_MULTIPROC_DIR": str(self.var / "metrics"),
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(ROOT),
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen: int | None = None

    # Beginning and end

    def start(self, *, ready: bool = True) -> None:
        """Redis and gunicorn; waits until requests should be sent here."""
        self.start_redis()
        shutil.rmtree(self.var / "metrics", ignore_errors=True)
        (self.var / "metrics").mkdir(parents=True)
        command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py"]
        command += ["--bind", f"127.0.0.1:{self.port}", self._app]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment,
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
            if self._process is None or self._process.poll() is not None:
                raise AssertionError(f"gunicorn ended:\n{self.log()[-3000:]}")
            return self.ready()

        eventually(is_ready, seconds, "the service is not ready")

    def ready(self) -> bool:
        """Whether /readyz says 200 at this moment; False where nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10.0)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def terminate(self) -> None:
        """SIGTERM to the master; does not wait."""
        os.kill(self.master_pid, signal.SIGTERM)

    def wait_end(self, seconds: float = END_SECONDS) -> float:
        """Wait until gunicorn has ended; the seconds that it took from now on."""
        if self._process is None:
            raise AssertionError("gunicorn was not started")
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

    def log(self) -> str:
        """All that gunicorn and the app wrote."""
        return self.log_path.read_text(errors="replace")

    # Processes

    @property
    def master_pid(self) -> int:
        """gunicorn's master."""
        if self._process is None:
            raise AssertionError("gunicorn was not started")
        return self._process.pid

    @property
    def worker_pid(self) -> int:
        """The worker; AssertionError where there is none (any more, or yet)."""
        everybody = map(int, filter(str.isdigit, os.listdir("/proc")))
        found = [pid for pid in everybody if _parent(pid) == self.master_pid and alive(pid)]
        if not found:
            raise AssertionError("there is no worker")
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
        if self._redis is None:
            raise AssertionError("this service stands on a Redis of somebody else's")
        return self._redis

    def start_redis(self) -> None:
        """Start it, or use it where it runs; it answers then."""
        if self._redis is not None:
            self._redis.start()
            self._frozen = None

    def kill_redis(self) -> None:
        """SIGKILL, in the middle of whatever it does."""
        os.kill(self._known_redis(), signal.SIGKILL)
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

    def _known_redis(self) -> int:
        pid = self._frozen or self.redis_pid
        if pid is None:
            raise AssertionError("Redis does not run")
        return pid


def _end_with_parent() -> None:
    """A run that is killed itself leaves no gunicorn behind (its workers look after it)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def _stat(pid: int) -> list[str]:
    """A process's fields behind its name: state, parent, …; empty where it does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return []
