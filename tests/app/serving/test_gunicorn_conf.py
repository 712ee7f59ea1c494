"""The engine under real gunicorn with its gevent worker and our configuration."""

from __future__ import annotations

import json
import os
import resource
import runpy
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[3]

# A WSGI app with the real engine over tiny models, and what the configuration's hooks look for.
_APP = """
import json, os, sys, time
from pathlib import Path

here = Path(__file__).parent
(here / f"patched.{os.getpid()}").write_text(json.dumps({
    "torch_before": "torch" in sys.modules,
    "threads": os.environ["OMP_NUM_THREADS"],
    "workers": os.environ["KINDRED_WORKERS"],
}))

from app.errors import Overloaded
from app.serving.engine import Engine
from app.settings import Settings
from app.telemetry import Metrics

tiny = Path(os.environ["TINY"])
settings = Settings(
    encoder=str(tiny / "encoder"), reranker=str(tiny / "reranker"),
    generator=str(tiny / "generator"), data_dir=tiny / "data", var_dir=here / "var",
    device="cpu", dtype="fp32", new_tokens=8, candidates_max=3,
)
engine = Engine.open(settings, Metrics())


class Kindred:
    def drain(self):
        engine.drain()

    def when_hung(self, act):
        engine.when_hung(act)

    def close(self):
        engine.close()
        (here / f"closed.{os.getpid()}").write_text("closed")


class App:
    extensions = {"kindred": Kindred()}

    def __call__(self, environ, start_response):
        try:
            return self.answer(environ, start_response)
        except Overloaded:  # a slow machine turns some of a crowd away, as it should
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return []

    def answer(self, environ, start_response):
        with engine.admission():
            if environ["PATH_INFO"] == "/slow":
                time.sleep(0.5)  # patched: the others are served meanwhile
            deadline = time.monotonic() + 60
            turns = ["hello", "hi", environ["QUERY_STRING"]]
            generating = engine.generate(turns, [], n=3, seed=1, deadline=deadline)
            vector = engine.embed(turns[-1:], deadline).wait()[0]
            hits = engine.retrieve(vector, 3)
            generating.wait()
            scores = engine.score(turns, [hit.text for hit in hits], [], deadline).wait()
        body = json.dumps({
            "best": hits[0].entry_id,
            "scored": sum(score is not None for score in scores),
            "ready": engine.health().ready,
            "pid": os.getpid(),
        }).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]


app = App()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """gunicorn in a process of its own."""

    def __init__(self, folder: Path, tiny: Path) -> None:
        (folder / "tiny_wsgi.py").write_text(_APP)
        self.folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("KINDRED", "OMP"))}
        environment |= {"TINY": str(tiny), "PYTHONPATH": f"{folder}:{ROOT}"}
        command = [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py")]
        command += ["--bind", self.url.removeprefix("http://"), "tiny_wsgi:app"]
        self.process = subprocess.Popen(command, env=environment, cwd=folder)

    def ask(self, path: str) -> dict[str, object]:
        """The answer; who is turned away comes again, for a minute."""
        end = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}{path}", timeout=60) as answer:
                    document: dict[str, object] = json.load(answer)
                    return document
            except urllib.error.HTTPError as refused:
                if refused.code != 503 or time.monotonic() > end:
                    raise
            time.sleep(0.2)

    def wait_until_ready(self) -> None:
        for _ in range(600):
            assert self.process.poll() is None, "gunicorn ended"
            try:
                self.ask("/?hello")
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError("gunicorn is not ready")


@pytest.fixture
def server(tiny: Path, tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path, tiny)
    yield started
    if started.process.poll() is None:
        started.process.kill()
        started.process.wait()


def test_the_engine_serves_under_gunicorn_and_ends_cleanly(server: Server) -> None:
    server.wait_until_ready()
    started = json.loads(next(server.folder.glob("patched.*")).read_text())
    assert not started["torch_before"]  # the master and the configuration never import it
    assert int(started["threads"]) >= 1
    assert started["workers"] == "1"

    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(server.ask, ["/?i+went+hiking"] * 48))
        assert all(answer["scored"] == 3 and answer["ready"] for answer in answers)

        last = [clients.submit(server.ask, "/slow?goodbye") for _ in range(8)]
        time.sleep(0.2)  # they are accepted
        server.process.send_signal(signal.SIGTERM)
        assert all(one.result()["scored"] == 3 for one in last)
    assert server.process.wait(timeout=40) == 0
    assert [path.read_text() for path in server.folder.glob("closed.*")] == ["closed"]


@pytest.mark.parametrize(
    ("soft", "hard", "files", "connections"),
    [
        (1_024, 1_048_576, 5_000, 4_000),  # a shell's
        (1_024, resource.RLIM_INFINITY, 5_000, 4_000),
        (1_024, 4_096, 4_096, 3_096),
        (1_024, 1_024, 1_024, 512),
        (65_536, 65_536, 65_536, 4_000),
    ],
)
def test_there_are_files_for_every_connection(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, files: int, connections: int
) -> None:
    limits = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: limits.append(both))
    make_room = runpy.run_path(str(ROOT / "gunicorn.conf.py"))["_make_room"]
    worker = SimpleNamespace(worker_connections=4_000)
    make_room(worker)
    assert limits[-1] == (files, hard)
    assert worker.worker_connections == connections
    fewer = SimpleNamespace(worker_connections=300)
    make_room(fewer)
    assert fewer.worker_connections == 300, "as the command line asked"
