"""The whole way in the real service: gunicorn, real weights, people who write without a pause."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from models.checkpoint import write_manifest
from models.reranker import CONFIG
from tests.own_data import write_part

ROOT = Path(__file__).parents[3]
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
LINES = 4  # of each file of the bank


def another_reranker(folder: Path) -> str:
    """The shipped one with another penalty; its version."""
    shutil.copytree(ROOT / "artifacts" / "reranker", folder)
    base = json.loads((folder / "manifest.json").read_text())["base"]
    (folder / "manifest.json").unlink()
    config = json.loads((folder / CONFIG).read_text())
    config["serving"]["penalty"] += 0.01
    (folder / CONFIG).write_text(json.dumps(config))
    made = write_manifest(folder, name="new", kind="reranker", command="a test", base=base)
    return made.version


def another_generator(folder: Path) -> str:
    """The shipped one with a file beside it; its version."""
    shutil.copytree(ROOT / "artifacts" / "generator", folder)
    (folder / "manifest.json").unlink()
    (folder / "notes.txt").write_text("another")
    return write_manifest(folder, name="new", kind="generator", command="a test").version


class Service:
    """scripts/serve on a port of its own, with a small bank."""

    def __init__(self, folder: Path) -> None:
        write_part(folder / "data", bank=LINES)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("KINDRED", "REDIS"))}
        self.environment = {
            **kept,
            "KINDRED_VAR_DIR": str(folder / "var"),
            "KINDRED_DATA_DIR": str(folder / "data"),
            "KINDRED_THREADS": "1",
            "KINDRED_CHAT_DEADLINE_MS": "60000",
            "KINDRED_GATHER_DEADLINE_MS": "30000",
            "KINDRED_RANK_DEADLINE_MS": "30000",
            "KINDRED_FINISH_DEADLINE_MS": "30000",
        }
        command = [sys.executable, "-m", "scripts.launch", "--port", self.url.rsplit(":", 1)[1]]
        self.log = (folder / "log").open("wb")
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdout=self.log, stderr=self.log
        )

    def ask(self, path: str, body: dict[str, Any] | None = None, token: str = "") -> Any:
        """The JSON answer; urllib's error where it is none of 200."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers)
        with DIRECT.open(request, timeout=90) as answer:
            return json.loads(answer.read())

    def loaded(self, kind: str = "reranker") -> list[str]:
        """The versions of a kind, everybody's first; empty while it is not ready."""
        try:
            return list(self.ask("/readyz")["checks"]["versions"][kind])
        except OSError:
            return []

    def wait(self, *versions: str, kind: str = "reranker", seconds: float = 180.0) -> None:
        end = time.monotonic() + seconds
        while not (now := self.loaded(kind)) or (versions and tuple(now) != versions):
            assert self.process.poll() is None
            assert time.monotonic() < end, now
            time.sleep(0.3)

    def promote(self, *arguments: object, kind: str = "reranker") -> None:
        command = [sys.executable, "scripts/promote", *map(str, arguments), "--kind", kind]
        subprocess.run(command, cwd=ROOT, env=self.environment, check=True, timeout=120)

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.log.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    started = Service(tmp_path)
    yield started
    started.close()


@pytest.mark.slow
def test_no_request_is_dropped_from_promotion_to_rollback(service: Service, tmp_path: Path) -> None:
    new = another_reranker(tmp_path / "new")
    service.wait()
    (base,) = service.loaded()
    replies: list[dict[str, Any]] = []
    errors: list[str] = []
    over = threading.Event()

    def person(number: int) -> None:
        token = service.ask("/v1/auth/guest", {})["token"]
        turn = 0
        while not over.is_set():
            turn += 1
            try:
                body = {"message": f"i went for walk number {turn} in town {number}"}
                replies.append(service.ask("/v1/chat", body, token))
            except OSError as error:
                errors.append(repr(error))

    people = [threading.Thread(target=person, args=(number,)) for number in range(3)]
    for one in people:
        one.start()
    try:
        service.promote(tmp_path / "new", "--share", 100, "--force")
        service.wait(new, base)
        seen = len(replies)
        while len(replies) < seen + 6:
            time.sleep(0.1)
        service.promote("--rollback")
        service.wait(base)
        seen = len(replies)
        while len(replies) < seen + 6:
            time.sleep(0.1)
    finally:
        over.set()
        for one in people:
            one.join(120)
    assert errors == []
    met = [reply["variants"].get("reranker-model") for reply in replies]
    assert met[0] is None
    assert new in met
    assert met[-1] == base
    service.promote(tmp_path / "new", "--share", 100, "--force")
    service.wait(new, base)


HUB_SECONDS = 3.0  # that the hub may be away at most, on a machine that is busy with other things


@pytest.mark.slow
def test_replies_go_on_while_a_generator_is_loaded(service: Service, tmp_path: Path) -> None:
    """transformers reads weights with a thread pool of Python's, which gevent has patched."""
    new = another_generator(tmp_path / "new")
    service.wait()
    (base,) = service.loaded("generator")
    errors: list[str] = []
    waits: list[float] = []  # for an answer that needs nothing but the hub
    seen_loading: list[float] = []  # answers that were given while it loaded
    replies: list[float] = []
    over = threading.Event()

    def until_over(ask: Callable[[], None]) -> None:
        while not over.is_set():
            try:
                ask()
            except OSError as error:
                errors.append(repr(error))

    def look() -> None:
        began = time.monotonic()
        service.ask("/livez")
        waits.append(time.monotonic() - began)
        loading = service.ask("/readyz")["checks"].get("loading")
        if loading is not None and loading["version"] == new:
            seen_loading.append(time.monotonic())

    token = service.ask("/v1/auth/guest", {})["token"]

    def talk() -> None:
        body = {"message": f"i went for walk number {len(replies)}"}
        service.ask("/v1/chat", body, token)
        replies.append(time.monotonic())

    people = [threading.Thread(target=until_over, args=(act,)) for act in (look, look, talk)]
    for one in people:
        one.start()
    try:
        for _ in range(4):  # there and back: it is loaded anew each time
            service.promote(tmp_path / "new", "--share", 100, "--force", kind="generator")
            service.wait(new, base, kind="generator")
            service.promote("--rollback", kind="generator")
            service.wait(base, kind="generator")
    finally:
        over.set()
        for one in people:
            one.join(120)
    assert errors == []
    assert len(seen_loading) >= 4  # a hub that is held up could not have answered then
    assert max(waits) < HUB_SECONDS
    assert any(seen_loading[0] < at < seen_loading[-1] for at in replies)
    gaps = [after - before for before, after in itertools.pairwise(replies)]
    assert max(gaps) < 10 * HUB_SECONDS
