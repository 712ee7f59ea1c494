"""A real service and a real Chromium for the pages' tests; both end with the session."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 400.0  # the first start builds the index
WAIT_MS = 20_000  # for anything on the page: machines may be slow and busy
# Deadlines that a busy machine keeps: these tests ask what is answered, not how fast.
PATIENT = {
    "KINDRED_CHAT_DEADLINE_MS": "12000",
    "KINDRED_GATHER_DEADLINE_MS": "6000",
    "KINDRED_RANK_DEADLINE_MS": "5000",
    "KINDRED_FINISH_DEADLINE_MS": "900",
    "KINDRED_CANDIDATES_PINNED": "2",
    "KINDRED_GUEST_LIMIT_PER_MINUTE": "10000",
}


@dataclass(frozen=True)
class Service:
    """A running Kindred: where it is, and its admin key."""

    url: str
    admin_key: str

    def admin(self, path: str) -> Any:
        """The JSON of an admin route."""
        request = urllib.request.Request(
            f"{self.url}/admin/v1/{path}", headers={"X-API-Key": self.admin_key}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Kindred on a free port, with data of its own."""
    folder = tmp_path_factory.mktemp("kindred")
    port = _free_port()
    environment = {k: v for k, v in os.environ.items() if k != "REDIS_URL"}
    environment |= {"KINDRED_VAR_DIR": str(folder / "var"), **PATIENT}
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "scripts.launch", "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(process, url, folder / "log.txt")
            yield Service(url, (folder / "var" / "admin_key").read_text().strip())
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=10) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    pytest.fail("the service did not start:\n" + log.read_text(errors="replace")[-3000:])


@dataclass
class Visitor:
    """A person's browser on the service: new, without anything kept."""

    service: Service
    context: Any
    page: Any
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str = "/") -> Visitor:
        """Go to a page of the service."""
        self.page.goto(self.service.url + path)
        return self

    def another_tab(self) -> Any:
        """A second tab of the same browser, on the chat page."""
        page = self.context.new_page()
        watch(self, page)
        page.goto(f"{self.service.url}/")
        return page

    def say(self, text: str) -> Any:
        """Send a message and wait for its reply, which is given back."""
        replies = self.page.locator("article.theirs")
        before = replies.count()
        self.page.get_by_label("Your message").fill(text)
        self.page.keyboard.press("Enter")
        replies.nth(before).wait_for()
        return replies.nth(before)

    def api(self, path: str) -> Any:
        """The JSON of a route, asked with the visitor's own token."""
        kept = self.page.evaluate("localStorage.getItem('kindred.session')")
        headers = {"Authorization": f"Bearer {json.loads(kept)['token']}"}
        return self.context.request.get(self.service.url + path, headers=headers).json()

    def forget_complaints(self) -> None:
        """After a step where the browser reports an answer that is not 2xx, as meant."""
        self.complaints.clear()


@pytest.fixture
def visit(service: Service, chromium: Any) -> Iterator[Any]:
    """Makes visitors; the test fails where a page logged an error or broke its content policy."""
    visitors: list[Visitor] = []

    def make(**options: Any) -> Visitor:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        context.set_default_timeout(WAIT_MS)
        visitor = Visitor(service, context, context.new_page())
        watch(visitor, visitor.page)
        visitors.append(visitor)
        return visitor

    yield make
    complaints = [line for visitor in visitors for line in visitor.complaints]
    for visitor in visitors:
        visitor.context.close()
    assert complaints == []


def watch(visitor: Visitor, page: Any) -> None:
    """Note every error that a page logs or throws."""
    page.on(
        "console",
        lambda message: message.type == "error" and visitor.complaints.append(message.text),
    )
    page.on("pageerror", lambda error: visitor.complaints.append(str(error)))


@pytest.fixture(autouse=True, scope="session")
def _expectations() -> None:
    playwright.expect.set_options(timeout=WAIT_MS)
