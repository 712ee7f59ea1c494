"""Starting the two sides of the chat benchmark, asking them how they are, ending them by id."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_READY_SECONDS = 300.0
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? ([\d.eE+-]+|NaN|\+Inf)$")


@dataclass(frozen=True)
class Service:
    """A running service: where it listens, and the folder with its data."""

    url: str
    folder: Path


@contextmanager
def kindred(environment: Mapping[str, str], workers: int = 1) -> Iterator[Service]:
    """The real service by its own launcher, with its own private Redis in a fresh folder."""
    with tempfile.TemporaryDirectory(prefix="kindred-bench-") as folder:
        port = free_port()
        command = [sys.executable, "-m", "scripts.launch"]
        command += ["--port", str(port), "--workers", str(workers)]
        extra = {"KINDRED_VAR_DIR": folder, "KINDRED_GUEST_LIMIT_PER_MINUTE": "100000"}
        with _process(command, {**extra, **environment}, port, "/readyz") as url:
            yield Service(url, Path(folder))


@contextmanager
def naive() -> Iterator[Service]:
    """The naive app under gunicorn's plain sync worker, one request at a time."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"]
    command += ["--timeout", "300", "scripts.benches.naive:create_app()"]
    with _process(command, {}, port, "/livez") as url:
        yield Service(url, Path())


@contextmanager
def _process(
    command: list[str], environment: Mapping[str, str], port: int, path: str
) -> Iterator[str]:
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdout=log, stderr=log
        )
        try:
            _wait(process, f"{url}{path}")
            yield url
        except Exception:
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace")[-4_000:])
            raise
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    end = time.monotonic() + _READY_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the service ended with status {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"{url} was not ready within {_READY_SECONDS:.0f} s")


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def load(service: Service, clients: int, seconds: float, messages: Path, *, auth: bool) -> dict:  # type: ignore[type-arg]
    """Run the load generator in its own process and return what it printed."""
    command = [sys.executable, "-m", "scripts.benches.load", "--url", service.url]
    command += ["--clients", str(clients), "--seconds", str(seconds), "--messages", str(messages)]
    output = subprocess.run(
        command + (["--auth"] if auth else []), cwd=ROOT, capture_output=True, check=True
    )
    result: dict[str, object] = json.loads(output.stdout)
    return result


def metrics(service: Service) -> dict[str, float]:
    """The samples of /metrics by `name{labels}`."""
    with urllib.request.urlopen(f"{service.url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    samples = {}
    for line in text.splitlines():
        if match := _SAMPLE.match(line):
            name, labels, value = match.groups()
            samples[f"{name}{{{labels or ''}}}"] = float(value)
    return samples


def quantile(before: dict[str, float], after: dict[str, float], name: str, q: float) -> float:
    """The upper bound (seconds) of the bucket that holds quantile `q` of the new samples."""
    buckets = []
    for key, value in after.items():
        match = re.match(rf'{name}_bucket{{.*le="([^"]+)".*}}$', key)
        if match:
            buckets.append((float(match[1].replace("+Inf", "inf")), value - before.get(key, 0.0)))
    buckets.sort()
    total = buckets[-1][1] if buckets else 0.0
    return next((bound for bound, count in buckets if total and count >= q * total), float("nan"))
