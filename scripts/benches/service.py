"""Starting the services that are measured, loading them, asking how they are, ending them by id."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROMPTS = ROOT / "data" / "bench" / "prompts.txt"
_READY_SECONDS = 900.0
_INDEX = ROOT / "var" / "bench" / "index"
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
        extra = {
            "KINDRED_VAR_DIR": folder,
            "KINDRED_GUEST_LIMIT_PER_MINUTE": "100000",
            "KINDRED_MESSAGE_LIMIT_PER_MINUTE": "100000",
            "KINDRED_PERSON_IN_FLIGHT_MAX": "10000",
            "KINDRED_ADDRESS_LIMIT_PER_MINUTE": "1000000",
            "KINDRED_REQUEST_LIMIT_PER_MINUTE": "100000",
        }
        index = Path(folder) / "index"
        if _INDEX.is_dir():
            shutil.copytree(_INDEX, index)  # one that does not fit is built anew
        with _process(command, {**extra, **environment}, port, "/readyz") as url:
            _keep(index)
            yield Service(url, Path(folder))


def _keep(index: Path) -> None:
    """Embedding the bank takes a while: the next service starts with this one's index."""
    manifest = "manifest.json"
    if not _INDEX.is_dir() or (_INDEX / manifest).read_bytes() != (index / manifest).read_bytes():
        shutil.rmtree(_INDEX, ignore_errors=True)
        shutil.copytree(index, _INDEX)


@contextmanager
def naive(environment: Mapping[str, str]) -> Iterator[Service]:
    """The naive app under gunicorn's plain sync worker, one request at a time."""
    with _plain("naive", environment, "--backlog", "2048") as service:
        yield service


@contextmanager
def streamer(environment: Mapping[str, str], clients: int) -> Iterator[Service]:
    """The naive app on service-streamer, under the thread worker with a thread for each client."""
    threads = ["--worker-class", "gthread", "--threads", str(clients)]
    with _plain("streamer", environment, *threads) as service:
        yield service


@contextmanager
def _plain(module: str, environment: Mapping[str, str], *options: str) -> Iterator[Service]:
    port = free_port()
    # Kindred's own gunicorn.conf.py lies in this folder and would be taken otherwise.
    command = [sys.executable, "-m", "gunicorn", "--config", "/dev/null"]
    command += ["--bind", f"127.0.0.1:{port}", *options]
    command += ["--timeout", "600", f"scripts.benches.{module}:create_app()"]
    with _process(command, environment, port, "/livez") as url:
        yield Service(url, Path())


def _clean() -> dict[str, str]:
    """This process's environment without settings of Kindred's: only a bench's own count."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KINDRED_")}


@contextmanager
def _process(
    command: list[str], environment: Mapping[str, str], port: int, path: str
) -> Iterator[str]:
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**_clean(), **environment}, stdout=log, stderr=log
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


def load(
    service: Service, on_step: Callable[[int], None] | None = None, **options: object
) -> dict[str, Any]:
    """Run the load generator in its own process; its last event.

    Args:
        on_step: told the number of each step as it begins.
        options: of `load.py`, by name; True is a flag.
    """
    command = [sys.executable, "-m", "scripts.benches.load", "--url", service.url]
    command += ["--prompts", str(PROMPTS)]
    for name, value in options.items():
        command += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    event: dict[str, Any] = {}
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                event = json.loads(line)
                if event["event"] == "step" and on_step is not None:
                    on_step(event["step"])
        except BaseException:  # an interrupted bench does not wait for the end of its load
            process.kill()
            raise
    if process.returncode or event.get("event") != "end":
        raise RuntimeError(f"the load generator ended with status {process.returncode}")
    return event


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


def growth(before: dict[str, float], after: dict[str, float], name: str) -> float:
    """By how much a counter grew, over all its labels."""
    return sum(v - before.get(k, 0.0) for k, v in after.items() if k.startswith(f"{name}{{"))


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
