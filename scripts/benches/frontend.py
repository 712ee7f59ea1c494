"""The HTTP path without models: a message in, a 20-candidate slate screened, sealed and saved.

The real app under gunicorn's gevent worker, kept to one core; an engine that answers at once (10
retrieved, 10 generated candidates); a real private Redis that fsyncs every write; guests with
tokens, flags, a `message_id` a message, Kindred's last 30 lines and eight messages a conversation.
The load generator and Redis have the other core. `rps a core` is answers by seconds of the
worker's processor time: what one core gives when nothing else wants it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.store.server.private_redis import PrivateRedis
from scripts.benches import report, service

TITLE = "The HTTP path without models"
PROMPTS = service.ROOT / "data" / "bench" / "prompts.txt"
_PROBES = 300
_READY_SECONDS = 120.0


@dataclass(frozen=True)
class Served:
    """One running side: where it listens, its processes, its Redis, where samples go."""

    url: str
    worker: int
    redis: int
    socket: Path
    samples: Path


@contextmanager
def served(root: Path, core: int, other: int) -> Iterator[Served]:
    """The app of a checkout on one core, its Redis on the other."""
    with tempfile.TemporaryDirectory(prefix="kindred-bench-") as folder:
        redis = PrivateRedis(Path(folder))
        redis.start()
        redis_pid = redis.pid or 0
        os.sched_setaffinity(redis_pid, {other})
        port, samples = service.free_port(), Path(folder) / "samples.json"
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("KINDRED_")},
            "PYTHONPATH": str(root),
            "REDIS_URL": redis.url,
            "KINDRED_VAR_DIR": folder,
            "KINDRED_GUEST_LIMIT_PER_MINUTE": "100000",
            "KINDRED_MESSAGE_LIMIT_PER_MINUTE": "100000",
            "KINDRED_PERSON_IN_FLIGHT_MAX": "10000",
            "KINDRED_ADDRESS_LIMIT_PER_MINUTE": "1000000",
            "KINDRED_REQUEST_LIMIT_PER_MINUTE": "100000",
            "KINDRED_LOG_LEVEL": "info",
            "BENCH_CORE": str(core),
            "BENCH_PROFILE": str(samples),
        }
        command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py"]
        command += ["--bind", f"127.0.0.1:{port}", "scripts.benches.frontend_app:create()"]
        log = (Path(folder) / "log").open("wb")
        process = subprocess.Popen(command, cwd=root, env=environment, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(process, url, Path(log.name))
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
            yield Served(url, int(children.split()[0]), redis_pid, redis.socket, samples)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            log.close()
            redis.stop()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + _READY_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the app ended: {log.read_text(errors='replace')[-2_000:]}")
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"{url} was not ready within {_READY_SECONDS:.0f} s")


def load(
    side: Served, clients: int, seconds: float, core: int, turns: int, warm: float = 1.0
) -> dict[str, Any]:
    """One closed loop in a process of its own; what it measured."""
    command = [sys.executable, "-m", "scripts.benches.frontend_load", "--url", side.url]
    command += ["--clients", str(clients), "--seconds", str(seconds), "--warm", str(warm)]
    command += ["--turns", str(turns), "--messages", str(PROMPTS), "--core", str(core)]
    command += ["--worker", str(side.worker), "--redis", str(side.redis)]
    output = subprocess.run(command, cwd=service.ROOT, stdout=subprocess.PIPE, check=True)
    result: dict[str, Any] = json.loads(output.stdout)
    return result


def fsync_ms(side: Served) -> dict[str, float]:
    """Median milliseconds of a read and of a write to this Redis; the difference is the disk."""
    times: dict[str, list[float]] = {"read": [], "write": []}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(side.socket))
        for i in range(_PROBES):
            for kind, line in (
                ("read", b"GET bench:probe\r\n"),
                ("write", b"SET bench:probe 1\r\n"),
            ):
                began = time.perf_counter()
                connection.sendall(line)
                connection.recv(4_096)
                if i:
                    times[kind].append(time.perf_counter() - began)
        connection.sendall(b"DEL bench:probe\r\n")
        connection.recv(4_096)
    return {kind: 1e3 * statistics.median(values) for kind, values in times.items()}


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the rounds of one side at one number of clients."""

    def middle(value: Any) -> float:
        return statistics.median(value(run) for run in runs)

    def each(run: dict[str, Any], who: str) -> float:
        return 1e6 * run["cpu_seconds"][who] / len(run["latencies"])

    figures = {
        "rps": middle(lambda run: len(run["latencies"]) / run["seconds"]),
        "rps_a_core": middle(lambda run: 1e6 / each(run, "worker")),
        "answers": sum(len(run["latencies"]) for run in runs),
        "statuses": {k: sum(r["statuses"].get(k, 0) for r in runs) for k in _statuses(runs)},
        "load_cpu_share": middle(lambda run: run["cpu_seconds"]["load"] / run["seconds"]),
    }
    for q in (0.5, 0.95, 0.99):
        figures[f"p{int(q * 100)}_ms"] = middle(
            lambda run, q=q: 1e3 * report.percentile(run["latencies"], q)
        )
    for who in ("worker", "redis", "load"):
        figures[f"{who}_us"] = middle(lambda run, who=who: each(run, who))
    return figures


def _statuses(runs: list[dict[str, Any]]) -> list[str]:
    return sorted({status for run in runs for status in run["statuses"]})


def profile(side: Served, options: argparse.Namespace, other: int) -> dict[str, Any]:
    """Microseconds a request by stage: the worker's processor time, sampled and shared out."""
    os.kill(side.worker, signal.SIGUSR2)
    run = load(side, options.clients, options.seconds, other, options.turns)
    os.kill(side.worker, signal.SIGUSR2)
    end = time.monotonic() + 10
    while not side.samples.exists() and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.2)
    found = json.loads(side.samples.read_text(encoding="utf-8"))
    side.samples.unlink()
    total = sum(found["stages"].values())
    micro = 1e6 * run["cpu_seconds"]["worker"] / len(run["latencies"])
    return {
        "samples": total,
        "stages_us": {stage: micro * n / total for stage, n in found["stages"].items()},
        "lines": found["lines"],
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All sides up, their rounds alternating; one client, many, and many in long conversations."""
    cores = sorted(os.sched_getaffinity(0))
    core, other = cores[0], cores[-1]
    roots = {"kindred": service.ROOT}
    if options.against:
        roots["against"] = options.against
    kinds = {
        "one": (1, options.turns),
        "many": (options.clients, options.turns),
        "long": (options.clients, 40),
    }
    runs: dict[str, dict[str, list[dict[str, Any]]]] = {
        side: {kind: [] for kind in kinds} for side in roots
    }
    figures: dict[str, Any] = {}
    with _all(roots, core, other) as sides:
        for side in sides.values():
            load(side, options.clients, 1.0, other, options.turns)
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
            for kind, (clients, turns) in kinds.items():
                for name, side in sides.items():
                    warm = 2.0 if kind == "long" else 0.5
                    found = load(side, clients, options.seconds, other, turns, warm)
                    runs[name][kind].append(found)
        for name, side in sides.items():
            figures[name] = {kind: summary(found) for kind, found in runs[name].items()}
            figures[name]["redis_ms"] = fsync_ms(side)
            figures[name]["profile"] = profile(side, options, other)
    return {"machine": report.machine(), "clients": options.clients, "sides": figures}


@contextmanager
def _all(roots: dict[str, Path], core: int, other: int) -> Iterator[dict[str, Served]]:
    if not roots:
        yield {}
        return
    (name, root), *rest = roots.items()
    with served(root, core, other) as side, _all(dict(rest), core, other) as others:
        yield {name: side, **others}


_KINDS = {
    "one": "1 client",
    "many": "{} clients",
    "long": "{} clients, conversations of 40 messages",
}


def show(result: dict[str, Any]) -> str:
    """The tables of a result: latency and throughput, then where the time goes."""
    rows = []
    for name, side in result["sides"].items():
        for kind, title in _KINDS.items():
            s = side[kind]
            rows.append(
                [
                    title.format(result["clients"]),
                    name,
                    *(f"{s[f'p{q}_ms']:.2f}" for q in (50, 95, 99)),
                    f"{s['rps']:.0f}",
                    f"{s['rps_a_core']:.0f}",
                    *(f"{s[f'{who}_us']:.0f}" for who in ("worker", "redis", "load")),
                    f"{s['load_cpu_share']:.0%}",
                ]
            )
    header = ["load", "side", "p50 ms", "p95 ms", "p99 ms", "rps", "rps a core"]
    header += ["worker µs", "Redis µs", "load µs", "load's core"]
    return (
        f"{report.describe(result['machine'])}\n\n{report.table(header, rows)}\n\n"
        f"{_disk(result)}\n\n{_stages(result)}\n"
    )


def _disk(result: dict[str, Any]) -> str:
    found = result["sides"]["kindred"]["redis_ms"]
    each = found["write"] - found["read"]
    return (
        f"A write to this Redis takes {found['write']:.2f} ms, a read {found['read']:.2f} ms: the "
        f"fsync of a message's two writes is {2 * each:.2f} ms of what one client waits, and none "
        "of the worker's processor time."
    )


def _stages(result: dict[str, Any]) -> str:
    names = list(result["sides"])
    tables = {name: result["sides"][name]["profile"]["stages_us"] for name in names}
    order = sorted(tables["kindred"], key=lambda stage: -tables["kindred"][stage])
    rows = [[stage, *(f"{tables[name].get(stage, 0.0):.0f}" for name in names)] for stage in order]
    rows.append(["all", *(f"{sum(tables[name].values()):.0f}" for name in names)])
    title = "Processor time of a request by stage, sampled every millisecond:"
    return f"{title}\n\n{report.table(['stage', *(f'{name} µs' for name in names)], rows)}"


def main() -> int:
    """Run, print the tables, save the JSON."""
    parser = argparse.ArgumentParser(prog="scripts/bench frontend", description=__doc__)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=4.0, help="of one round of one kind")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turns", type=int, default=8, help="messages of one conversation")
    parser.add_argument("--against", type=Path, help="another checkout, which takes turns")
    parser.add_argument(
        "--out", type=Path, default=service.ROOT / "var" / "bench" / "frontend.json"
    )
    options = parser.parse_args()
    result = measure(options)
    report.save(options.out, result)
    print(show(result))
    print(f"(figures in {options.out})", file=sys.stderr)
    return 0
