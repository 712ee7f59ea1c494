"""Clients hang up while their requests are queued: dropped before the batch (row 24)."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from app.store.private_redis import PrivateRedis

pytestmark = pytest.mark.faults(24)
ROOT = Path(__file__).parents[2]
WAIT = 30.0

# The whole app over two models that do nothing until a file says so, and write down what they ran.
_APP = """
from pathlib import Path

from gevent.monkey import get_original

from app.factory import create_app
from app.serving.batcher import Batcher
from app.serving.fakes import FakeEngine
from app.serving.pending import Pending
from app.serving.queue import Budget

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


Join = Callable[[], Client]


@pytest.fixture
def join(server: Server) -> Iterator[Join]:
    """Makes guests, and closes what they leave open."""
    with ExitStack() as ended:

        def make() -> Client:
            client = Client(server.port)
            ended.callback(lambda: client.hang_up(rudely=False))
            return client

        yield make


def eventually(what: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not what():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


@pytest.fixture
def server(
    tmp_path: Path, redis_server: PrivateRedis, empty_redis: redis.Redis
) -> Iterator[Server]:
    started = Server(tmp_path, redis_server.url)

    def up() -> bool:
        assert started.process.poll() is None, "gunicorn ended"
        try:
            socket.create_connection(("127.0.0.1", started.port), timeout=1).close()
            return bool(started.metric("kindred_in_flight_requests") == 0.0)
        except OSError:
            return False

    eventually(up)
    yield started
    started.release()
    started.process.send_signal(signal.SIGTERM)
    try:
        started.process.wait(40)
    except subprocess.TimeoutExpired:
        started.process.kill()
        started.process.wait()


def test_clients_that_hang_up_while_queued_are_dropped_before_the_batch(
    server: Server, join: Join
) -> None:
    staying = join()
    staying.say("i stay")
    eventually(lambda: len(server.ran()) == 2)  # both models are busy with it
    leaving = [join() for _ in range(8)]
    for number, client in enumerate(leaving):
        client.say(f"i leave {number}")
    eventually(lambda: server.queued() == (8, 8))

    for number, client in enumerate(leaving):
        client.hang_up(rudely=number % 2 == 1)
    eventually(lambda: server.queued() == (0, 0))
    server.release()
    status, reply = staying.answer()
    assert (status, reply["degraded"]) == (200, False)
    assert sorted(server.ran()) == ["encoder i stay", "generator i stay"]
    assert server.metric("kindred_dropped_total", model="chat", reason="hung_up") == 8
    for model in ("encoder", "generator"):
        assert server.metric("kindred_dropped_total", model=model, reason="cancelled") == 8

    # What they said is saved, once; the same message later gets its answer.
    late = leaving[0]
    late.again(server.port)
    late.send("GET", "/v1/conversations")
    _, page = late.answer()
    assert [item["last_text"] for item in page["items"]] == ["i leave 0"]
    late.say("i leave 0")
    status, reply = late.answer()
    assert status == 200
    late.send("GET", f"/v1/conversations/{reply['conversation_id']}")
    _, found = late.answer()
    assert [turn["speaker"] for turn in found["turns"]] == ["person", "kindred"]


def test_a_request_that_is_sent_early_is_no_hang_up(server: Server, join: Join) -> None:
    client = join()
    client.say("first")
    eventually(lambda: len(server.ran()) == 2)
    client.say("second")  # while the first is still being answered
    time.sleep(0.2)
    assert server.metric("kindred_dropped_total", model="chat", reason="hung_up") == 0
    server.release()
    replies = [client.answer() for _ in range(2)]
    assert [(status, reply["degraded"]) for status, reply in replies] == [(200, False)] * 2
    assert len({reply["reply_id"] for _, reply in replies}) == 2


def test_no_later_answer_takes_the_place_of_one_that_was_dropped(
    server: Server, join: Join
) -> None:
    client = join()
    client.say("first")
    eventually(lambda: len(server.ran()) == 2)
    client.send("GET", "/v1/conversations")  # would be answered at once
    client.farewell()
    assert client.rest() == b""
    assert server.metric("kindred_dropped_total", model="chat", reason="hung_up") == 1


def test_a_stream_whose_reader_is_gone_is_dropped_too(server: Server, join: Join) -> None:
    staying = join()
    staying.say("i stay")
    eventually(lambda: len(server.ran()) == 2)
    leaving = join()
    leaving.stream("i leave")
    eventually(lambda: server.queued() == (1, 1))
    leaving.hang_up(rudely=False)
    eventually(lambda: server.queued() == (0, 0))
    server.release()
    assert staying.answer()[0] == 200
    assert not [line for line in server.ran() if "leave" in line]
