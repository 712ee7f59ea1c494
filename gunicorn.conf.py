"""gunicorn's settings; read in the master, which never loads a model: no torch, no redis here.

The gevent worker patches itself before it loads the app, so the app (and with it torch, the
models and every connection) is built in the worker, after the fork. Address and number of workers
come from the command line (`--bind`, `--workers`) or from KINDRED_BIND and KINDRED_WORKERS.
"""

from __future__ import annotations

import _thread
import os
import time
from typing import Any

worker_class = "gevent"
preload_app = False
bind = os.environ.get("KINDRED_BIND", "127.0.0.1:8000")
workers = int(os.environ.get("KINDRED_WORKERS", "1"))

# Far above the admission limit (KINDRED_IN_FLIGHT_MAX, 256): requests are refused inside the app,
# with a 503 that says when to come back. What waits in the kernel's backlog instead is answered
# by nobody, and gets a reset when the worker ends.
worker_connections = 4_000
backlog = 2_048

# Idle connections hold a shutdown up for as long as they are kept.
keepalive = 5
graceful_timeout = 30

# A heartbeat of the hub, not a request deadline: a worker whose hub is stuck is replaced.
timeout = 30

# Nothing of ours uses the control socket, and it would be made in the home folder.
control_socket_disable = True
proc_name = "kindred"
accesslog = None
errorlog = "-"
loglevel = "warning"

_BOOT_SECONDS = 900.0  # loading and a first index on a slow machine
_HEARTBEAT_SECONDS = 1.0
_booting: dict[int, bool] = {}


def post_fork(server: Any, worker: Any) -> None:
    """In the new worker, before it loads anything: thread counts, and a heartbeat for the load."""
    count = worker.cfg.workers
    os.environ["KINDRED_WORKERS"] = str(count)
    # OpenMP reads these once, when torch or FAISS is first imported.
    threads = int(os.environ.get("KINDRED_THREADS", "0"))
    threads = threads or max(1, len(os.sched_getaffinity(0)) // count)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))
    # Waiting OpenMP threads must not burn the cores that the other models' threads want; but one
    # that sleeps at once is woken for every layer: a forward pass then took four times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _booting[worker.pid] = True
    # A native thread that knows nothing of gevent: the hub does not run while models load.
    _thread.start_new_thread(_beat_while_booting, (worker, time.sleep, time.monotonic))


def _beat_while_booting(worker: Any, sleep: Any, clock: Any) -> None:
    """Tell the master that the worker lives, until it serves or has had its time.

    `sleep` is the real one: by the time it is called, gevent has replaced the module's.
    """
    end = clock() + _BOOT_SECONDS
    while _booting.get(worker.pid) and clock() < end:
        worker.tmp.notify()
        sleep(_HEARTBEAT_SECONDS)


def post_worker_init(worker: Any) -> None:
    """The app is loaded: from now on the hub itself is the heartbeat."""
    _booting.pop(worker.pid, None)


def worker_exit(server: Any, worker: Any) -> None:
    """In the worker, when it ends: answer who still waits, end the models and connections."""
    _booting.pop(worker.pid, None)
    app = getattr(worker, "wsgi", None)
    kindred = getattr(app, "extensions", {}).get("kindred")
    if kindred is not None:
        kindred.close()


def child_exit(server: Any, worker: Any) -> None:
    """In the master, when a worker has ended: its live gauges count no more."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)
