"""Starts all of Kindred and ends it again: a private Redis where none is named, then gunicorn."""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType
from typing import IO

from app.errors import StartupError
from app.secrets import admin_key_file
from app.settings import Settings, load_settings
from app.store.server.private_redis import PrivateRedis
from app.store.store import Store
from app.telemetry import Metrics
from models.checkpoint import ModelFileError, verify

ROOT = Path(__file__).resolve().parent.parent
_DISK_BYTES = 200 * 1024 * 1024
_READY_SECONDS = 900.0  # as long as gunicorn lets a worker boot
_GRACE_SECONDS = 35.0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/serve",
        description="Serve Kindred: Redis (a private one unless REDIS_URL is set), models, "
        "gunicorn with the gevent worker. Everything else is set by KINDRED_* variables: "
        "see the README's table.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=_port, default=8000, help="port (%(default)s)")
    parser.add_argument("--workers", type=_workers, default=1, help="processes (%(default)s)")
    return parser.parse_args()


def _port(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 65_535:
        raise argparse.ArgumentTypeError("a port is 1 to 65535")
    return value


def _workers(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 64:
        raise argparse.ArgumentTypeError("1 to 64 workers")
    return value


def main() -> int:
    """Check, start, wait for a signal, end what was started. Returns the exit status."""
    options = arguments()
    alone: IO[str] | None = None
    redis: PrivateRedis | None = None
    server: subprocess.Popen[bytes] | None = None
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)  # a closed terminal ends all, too
    try:
        settings = load_settings()
        _check_disk(settings)
        _check_weights(settings)
        _check_port(options.host, options.port)
        alone = _alone(settings)
        redis_url = settings.redis_url
        if not redis_url:
            redis = PrivateRedis(settings.var_dir, max_mb=settings.redis_max_mb)
            redis.start()
            redis_url = redis.url
        _check_store(settings.model_copy(update={"redis_url": redis_url}))
        key_file = admin_key_file(settings)
        server = _start_gunicorn(options, settings, redis_url)
        _wait_until_ready(server, options)
        _greet(options, settings, key_file)
        return server.wait()
    except StartupError as error:
        print(f"scripts/serve: {error.detail}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if server is not None:
            _end(server)
        if redis is not None:
            redis.stop()
        if alone is not None:
            alone.close()


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _check_disk(settings: Settings) -> None:
    try:
        settings.var_dir.mkdir(parents=True, exist_ok=True)
        probe = settings.var_dir / ".writable"
        probe.write_bytes(b"x")
        probe.unlink()
        free = shutil.disk_usage(settings.var_dir).free
    except OSError as error:
        raise StartupError(
            f"KINDRED_VAR_DIR: cannot write to {settings.var_dir} ({error})"
        ) from None
    if free < _DISK_BYTES:
        raise StartupError(
            f"KINDRED_VAR_DIR: only {free // 1024**2} MiB free at {settings.var_dir}; "
            f"{_DISK_BYTES // 1024**2} are needed"
        )


def _alone(settings: Settings) -> IO[str]:
    """The lock of `var_dir`, held while this launcher lives: two would end each other's Redis."""
    file = (settings.var_dir / "serve.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise StartupError(
            f"KINDRED_VAR_DIR: another scripts/serve already runs on {settings.var_dir}"
        ) from None
    return file


def _check_weights(settings: Settings) -> None:
    """Shipped weights are there and unaltered; a hub id is left to its loader."""
    folders = [("KINDRED_RERANKER", settings.reranker_path)]
    if settings.candidates_max > 0:
        folders.append(("KINDRED_GENERATOR", settings.generator_path))
    for variable, folder in folders:
        path = Path(folder)
        own = path == settings.artifacts_dir / path.name
        if not own and path.is_absolute() and not path.is_dir():
            raise StartupError(f"{variable}: there is no folder {folder}")
        if not own and not (path / "manifest.json").exists():
            continue
        try:
            verify(path)
        except ModelFileError as error:
            raise StartupError(f"{variable}: {error}") from None


def _check_store(settings: Settings) -> None:
    """Redis answers and is durable, and the key store opens: said here, in one line."""
    Store.open(settings, Metrics()).close()


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StartupError(
                f"--port {port}: cannot listen on {host}:{port} ({error.strerror}); "
                "choose another with --port"
            ) from None


def _start_gunicorn(
    options: argparse.Namespace, settings: Settings, redis_url: str
) -> subprocess.Popen[bytes]:
    metrics_dir = settings.var_dir / "metrics"
    shutil.rmtree(metrics_dir, ignore_errors=True)
    metrics_dir.mkdir(parents=True)
    environment = {
        **os.environ,
        "REDIS_URL": redis_url,
        "KINDRED_WORKERS": str(options.workers),
        "PROMETHEUS_MULTIPROC_DIR": str(metrics_dir.resolve()),
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py"]
    command += ["--bind", _bind(options), "--workers", str(options.workers), "wsgi:app"]
    return subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)


def _bind(options: argparse.Namespace) -> str:
    return (
        f"[{options.host}]:{options.port}"
        if ":" in options.host
        else f"{options.host}:{options.port}"
    )


def _url(options: argparse.Namespace) -> str:
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # nosec B104: read, not listened on
    host = everywhere.get(options.host, options.host)
    return f"http://{host}:{options.port}"


def _wait_until_ready(server: subprocess.Popen[bytes], options: argparse.Namespace) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by a proxy
    end = time.monotonic() + _READY_SECONDS
    while time.monotonic() < end:
        if server.poll() is not None:
            raise StartupError("the server ended while starting: its last lines above say why")
        try:
            with direct.open(f"{_url(options)}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.2)
    raise StartupError(f"the server was not ready within {_READY_SECONDS:.0f} s")


def _greet(options: argparse.Namespace, settings: Settings, key_file: Path | None) -> None:
    url = _url(options)
    key = str(key_file) if key_file else "the value of KINDRED_ADMIN_KEY"
    print(
        f"\nKindred answers.\n"
        f"  page         {url}/\n"
        f"  admin pages  {url}/admin/   (the key is in {key})\n"
        f"  try it       {_curl(url)}\n"
        f"Ctrl-C ends it; conversations stay in {settings.var_dir}.\n",
        flush=True,
    )


def _curl(url: str) -> str:
    token = f'curl -s -X POST {url}/v1/auth/guest | sed \'s/.*"token": *"\\([^"]*\\)".*/\\1/\''
    return (
        f'curl -s {url}/v1/chat -H "Authorization: Bearer $({token})" '
        "-H 'Content-Type: application/json' -d '{\"message\": \"hello there\"}'"
    )


def _end(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is not None:
        return
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


if __name__ == "__main__":
    sys.exit(main())
