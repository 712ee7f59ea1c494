"""gunicorn's settings; read in the master, which never loads a model: no torch, no redis here.

The gevent worker patches itself before it loads the app, so the app (and with it torch, the
models and every connection) is built in the worker, after the fork. Address and number of workers
come from the command line (`--bind`, `--workers`) or from KINDRED_BIND and KINDRED_WORKERS.
"""

from __future__ import annotations

import _thread
import faulthandler
import os
import resource
import signal
import time
from typing import Any

worker_class = "app.worker.Worker"  # the gevent one, which quotes nothing of a request
logger_class = "app.worker.Log"
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

# No header of a request says which path it asks for: one that went through a local proxy could name
# a SCRIPT_NAME, and so reach what the proxy closes.
forwarder_headers = ""

# Browsers send some thirty. Longer heads than this are read, and then refused (app/web/head.py).
limit_request_fields = 64

# Nothing of ours uses the control socket, and it would be made in the home folder.
control_socket_disable = True
proc_name = "kindred"
accesslog = None
errorlog = "-"
loglevel = "warning"

_BOOT_SECONDS = 900.0  # loading and a first index on a slow machine
_HEARTBEAT_SECONDS = 1.0
_ENDING_SECONDS = 10.0  # beyond the last deadline, for a worker whose model hangs
_OTHER_FILES = 1_000  # beside people's connections: Redis, the key store, libraries, weights
_booting: dict[int, bool] = {}


def post_fork(server: Any, worker: Any) -> None:
    """In the new worker, before it loads anything: thread counts, and a heartbeat for the load."""
    _make_room(worker)
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


def _make_room(worker: Any) -> None:
    """Open files enough for every connection, or no more connections than there are files for.

    A shell gives 1,024, and more where it is asked: a thousand idle connections would leave none
    for Redis.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    asked = worker.worker_connections
    wanted = asked + _OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft != resource.RLIM_INFINITY:
        room = max(soft // 2, soft - _OTHER_FILES)
        worker.worker_connections = min(asked, room)


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
    kindred = _kindred_of(worker)
    if kindred is not None:
        _drain_when_ended(worker, kindred)
        kindred.when_hung(lambda model: _replace(worker, kindred, model))


def _kindred_of(worker: Any) -> Any:
    """What the app of a worker owns; None where it is not loaded."""
    return getattr(getattr(worker, "wsgi", None), "extensions", {}).get("kindred")


def _drain_when_ended(worker: Any, kindred: Any) -> None:
    """At SIGTERM the worker is not ready at once; gunicorn itself notices within a second."""

    def handle_exit(number: int, frame: Any) -> None:
        kindred.drain()
        worker.handle_exit(number, frame)

    signal.signal(signal.SIGTERM, handle_exit)
    signal.siginterrupt(signal.SIGTERM, False)


def _replace(worker: Any, kindred: Any, model: str) -> None:
    """A model hangs: let the deadlines answer, then end; the master starts another worker.

    The order to end may not be carried out, since the native thread is never done. So a thread of
    the C library, which needs neither the interpreter nor the hub, ends the process in any case,
    and says where every thread was.
    """
    worker.log.error("Worker %s is replaced: the %s hangs", worker.pid, model)
    seconds = kindred.settings.chat_deadline_ms / 1000 + _ENDING_SECONDS
    faulthandler.dump_traceback_later(seconds, exit=True)
    os.kill(os.getpid(), signal.SIGTERM)


def worker_exit(server: Any, worker: Any) -> None:
    """In the worker, when it ends: answer who still waits, end the models and connections."""
    _booting.pop(worker.pid, None)
    kindred = _kindred_of(worker)
    if kindred is not None:
        kindred.close()


def child_exit(server: Any, worker: Any) -> None:
    """In the master, when a worker has ended: its live gauges count no more."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)
