"""`./scripts/serve` as a person runs it: it greets, answers, restarts without loss, ends all."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.store.server.private_redis import PrivateRedis

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 400.0  # the first start builds the index


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(var: Path, **more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k != "REDIS_URL" and k[:8] != "KINDRED_"}
    return {**kept, "KINDRED_VAR_DIR": str(var), "KINDRED_CHAT_DEADLINE_MS": "20000", **more}


def serve(var: Path, *options: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.launch", *options],
        cwd=ROOT,
        env=environment(var, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell's background job ignores Ctrl-C, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@contextmanager
def serving(var: Path, port: int) -> Iterator[str]:
    """The greeting of a running Kindred, ended by Ctrl-C afterwards."""
    process = serve(var, "--port", str(port))
    assert process.stdout is not None
    greeting: list[str] = []
    end = time.monotonic() + SECONDS
    try:
        for line in process.stdout:
            greeting.append(line)
            if "Ctrl-C" in line or time.monotonic() > end:
                break
        assert any("Kindred answers" in line for line in greeting), "".join(greeting)
        yield "".join(greeting)
    finally:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=90)
    assert process.returncode == 0, output


def call(url: str, token: str | None = None, body: Any = None) -> Any:
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60) as answer:
        return json.load(answer)


@pytest.mark.slow
def test_it_greets_answers_restarts_without_loss_and_ends_all(tmp_path: Path) -> None:
    var, port = tmp_path / "var", free_port()
    base = f"http://127.0.0.1:{port}"
    with serving(var, port) as greeting:
        assert f"{base}/" in greeting
        assert str(var / "admin_key") in greeting
        assert (var / "admin_key").stat().st_mode & 0o777 == 0o600
        curl = re.search(r"try it +(curl .*)", greeting)
        assert curl is not None
        if shutil.which("curl"):
            shown = subprocess.run(["bash", "-c", curl[1]], capture_output=True, check=True)
            assert json.loads(shown.stdout)["text"]
        token = call(f"{base}/v1/auth/guest", body={})["token"]
        first = call(f"{base}/v1/chat", token, {"message": "hi, my name is Lena"})
        redis_pid = PrivateRedis(var).pid
        assert redis_pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(redis_pid, 0)
    with serving(var, port):
        kept = call(f"{base}/v1/conversations/{first['conversation_id']}", token)
        assert [turn["text"] for turn in kept["turns"]] == ["hi, my name is Lena", first["text"]]
        message = {"message": "what's my name?", "conversation_id": first["conversation_id"]}
        assert "Lena" in call(f"{base}/v1/chat", token, message)["text"]


def refused(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1, output
    lines = output.strip().splitlines()
    assert len(lines) == 1, output
    return lines[0]


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"--port {port}" in refused(serve(tmp_path / "var", "--port", str(port)))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("KINDRED_TURNS_MAX", "many"),
        ("KINDRED_RERANKER", "/nowhere/reranker"),
        ("REDIS_URL", "redis://127.0.0.1:1/0"),
        ("KINDRED_VAR_DIR", "/proc/nowhere"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(tmp_path: Path, variable: str, value: str) -> None:
    line = refused(serve(tmp_path / "var", "--port", str(free_port()), **{variable: value}))
    assert variable in line


def test_altered_weights_are_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "reranker"
    shutil.copytree(ROOT / "artifacts" / "reranker", folder)
    with (folder / "delta.safetensors").open("ab") as file:
        file.write(b"x")
    options = {"KINDRED_RERANKER": str(folder)}
    line = refused(serve(tmp_path / "var", "--port", str(free_port()), **options))
    assert "KINDRED_RERANKER" in line
    assert "delta.safetensors" in line


@pytest.mark.parametrize("name", ["serve", "build_index", "bench"])
def test_help_tells_what_a_command_does(name: str) -> None:
    shown = subprocess.run(
        [str(ROOT / "scripts" / name), "--help"], capture_output=True, text=True, check=True
    )
    assert "usage" in shown.stdout
