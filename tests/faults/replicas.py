"""Real redis-servers of which one follows another, for tests that kill the first."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import redis

from app.store.server.binary import find_binary
from tests.faults.service import eventually

MAX_LAG = 2  # seconds: min-replicas-max-lag
CONFIG = """\
bind 127.0.0.1
port {port}
unixsocket {folder}/redis.sock
unixsocketperm 700
dir {folder}
appendonly yes
appendfsync always
save ""
maxmemory-policy noeviction
min-replicas-to-write {replicas}
min-replicas-max-lag {lag}
repl-diskless-sync yes
repl-diskless-sync-delay 0
"""


class Server:
    """One redis-server on a port and a socket of its own; `of`: whom it follows."""

    def __init__(self, folder: Path, replicas: int = 0, of: Server | None = None) -> None:
        folder.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        text = CONFIG.format(port=self.port, folder=folder, replicas=replicas, lag=MAX_LAG)
        if of is not None:
            text += f"replicaof 127.0.0.1 {of.port}\n"
        (folder / "redis.conf").write_text(text)
        self.socket = folder / "redis.sock"
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process = subprocess.Popen(
            [find_binary()[0], str(folder / "redis.conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.client = redis.Redis.from_url(self.url, protocol=2, socket_timeout=5)
        eventually(self.answers, 30)

    def answers(self) -> bool:
        """Whether it does, at this moment."""
        assert self.process.poll() is None, "redis-server ended"
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False

    def signal(self, number: int) -> None:
        """Send it one."""
        os.kill(self.process.pid, number)

    def has_replica(self) -> bool:
        """Whether one follows it, and is in step."""
        state = self.client.info("replication").get("slave0", {}).get("state")
        return str(state) == "online"

    def promote(self) -> None:
        """Make it a primary, as an operator or a sentinel would."""
        self.signal(signal.SIGCONT)
        eventually(self.answers, 30)
        self.client.execute_command("REPLICAOF", "NO", "ONE")

    def close(self) -> None:
        """End it."""
        self.client.close()
        self.client.connection_pool.disconnect()
        with suppress(ProcessLookupError):
            self.signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
