"""A service whose models do nothing until they are let, and guests on raw connections to it."""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
WAIT = 30.0


# The whole app over two models that do nothing until a file says so, and write down what they ran.
_APP = """
from pathlib import Path

from gevent.monkey import get_original

from app.factory import create_app
from app.serving.batching.batcher import Batcher
from app.serving.fakes import FakeEngine
from app.serving.batching.pending import Pending
from app.serving.batching.queue import Budget

here = Path(__file__).parent
sleep = get_original("time", "sleep")


class Busy(FakeEngine):
    def __init__(self, metrics):
        super().__init__(candidates=1)
        lanes = [
            Batcher(name, self.run_of(name), Budget(tokens=1, items=1), lambda item: 1, metrics)
            for name in ("encoder", "generator")
        ]
        self.encoder, self.generator = lanes

    def run_of(self, name):
        def run(items):
            with (here / "ran").open("a") as file:
                file.writelines(f"{name} {item[0]}\\n" for item in items)
            for _ in range(3000):
                if (here / "go").exists():
                    break
                sleep(0.01)
            return [item[1] for item in items]

        return run

    def embed(self, texts, deadline):
        vectors = super().embed(texts, deadline).wait()
        return self.queued(self.encoder, texts[0], vectors, deadline)

    def generate(self, turns, facts, **more):
        lines = super().generate(turns, facts, **more).wait()
        return self.queued(self.generator, turns[-1], lines, more["deadline"])

    def queued(self, lane, text, value, deadline):
        ticket = lane.submit([(text, value)], deadline)
        return Pending(lambda: ticket.wait()[0].get(), ticket.cancel)

    def close(self):
        self.encoder.close()
        self.generator.close()


app = create_app(open_engine=lambda settings, metrics: Busy(metrics))
"""


class Server:
    """gunicorn in a process of its own, with one worker."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        (folder / "busy_wsgi.py").write_text(_APP)
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        environment = {k: v for k, v in os.environ.items() if not k.startswith("KINDRED")}
        environment |= {
            "PYTHONPATH": f"{folder}:{ROOT}",
            "REDIS_URL": redis_url,
            "KINDRED_ARTIFACTS_DIR": str(ROOT / "artifacts"),
            "KINDRED_VAR_DIR": str(folder / "var"),
            "KINDRED_CHAT_DEADLINE_MS": "60000",
            "KINDRED_GATHER_DEADLINE_MS": "50000",
        }
        command = [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py")]
        command += ["--bind", f"127.0.0.1:{self.port}", "busy_wsgi:app"]
        self.process = subprocess.Popen(command, env=environment, cwd=folder)

    def release(self) -> None:
        """Let the models work."""
        (self.folder / "go").touch()

    def ran(self) -> list[str]:
        """What the models were given: the model's name and the message."""
        path = self.folder / "ran"
        return path.read_text().splitlines() if path.exists() else []

    def metric(self, name: str, **labels: str) -> float:
        """One sample of /metrics; 0 where there is none."""
        url = f"http://127.0.0.1:{self.port}/metrics"
        with urllib.request.urlopen(url, timeout=WAIT) as answer:
            text = answer.read().decode()
        inside = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        match = re.search(rf"^{re.escape(f'{name}{{{inside}}}')} (\S+)$", text, re.MULTILINE)
        return float(match[1]) if match else 0.0

    def queued(self) -> tuple[float, float]:
        """Items that wait for the encoder and for the generator."""
        names = ("encoder", "generator")
        encoder, generator = (self.metric("kindred_queued_items", model=name) for name in names)
        return encoder, generator


class Client:
    """A guest on one raw connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT)
        self._token = ""
        self._rest = b""
        self.send("POST", "/v1/auth/guest", {})
        status, guest = self.answer()
        assert status == 201
        self._token = guest["token"]

    def send(self, method: str, path: str, body: Any = None, accept: str = "*/*") -> None:
        """A request; whether it is ever answered is another matter."""
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: kindred", f"Content-Length: {len(data)}"]
        lines += [f"Accept: {accept}"]
        lines += ["Content-Type: application/json"] if data else []
        lines += [f"Authorization: Bearer {self._token}"] if self._token else []
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode() + data)

    def say(self, message: str) -> None:
        """A chat request, whose message id is the message."""
        self.send("POST", "/v1/chat", {"message": message, "message_id": message.replace(" ", "-")})

    def stream(self, message: str) -> None:
        """A chat request that is answered by events; the first has come."""
        self.send("POST", "/v1/chat", {"message": message}, accept="text/event-stream")
        while b"event: typing" not in self._rest:
            received = self._socket.recv(65_536)
            assert received, "the server hung up"
            self._rest += received

    def answer(self) -> tuple[int, Any]:
        """The next answer: status and JSON."""
        while (parsed := self._parsed()) is None:
            received = self._socket.recv(65_536)
            assert received, "the server hung up"
            self._rest += received
        return parsed

    def farewell(self) -> None:
        """Shut down the writing half: what the server still says can be read."""
        self._socket.shutdown(socket.SHUT_WR)

    def rest(self) -> bytes:
        """All that the server says until it hangs up."""
        while received := self._socket.recv(65_536):
            self._rest += received
        return self._rest

    def hang_up(self, *, rudely: bool) -> None:
        """Close; rudely: with a reset instead of a farewell."""
        if rudely:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def again(self, port: int) -> None:
        """Come back on a new connection as the same person."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT)

    def _parsed(self) -> tuple[int, Any] | None:
        head, divider, body = self._rest.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if not divider or length is None or len(body) < int(length[1]):
            return None
        self._rest = body[int(length[1]) :]
        return int(head.split(b" ", 2)[1]), json.loads(body[: int(length[1])])
