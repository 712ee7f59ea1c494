"""What a run leaves behind, and what it shows while it works.

A run has a folder: `run.json` (command, configuration, seed, hashes of the data, revision of the
code, machine, and in the end the metrics), `metrics.jsonl` (one line a report), TensorBoard's
event file, and `curves.svg`. A run that is started again in the same folder goes on in the same
files. SIGTERM and SIGINT set `stopping`: the loop saves its state, the command ends with status 0
and says so, and the same command resumes it.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from models.checkpoint import file_sha256, write_atomically

RUN_FILE = "run.json"
METRICS_FILE = "metrics.jsonl"
CURVES_FILE = "curves.svg"


class RunConflict(ValueError):
    """The folder holds a run with another configuration, seed or data."""


class Run:
    """One run in one folder; `open` starts it or goes on with it."""

    def __init__(self, folder: Path, document: dict[str, Any]) -> None:
        self.folder = folder
        self.stopping = False
        self._document = document
        self._writer: Any = None

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        command: str,
        config: Mapping[str, Any],
        seed: int,
        data: Sequence[Path] = (),
    ) -> Run:
        """Start a run, or go on with the one in `folder`.

        Args:
            command: as it was typed; paths that name this machine are the caller's to replace.
            config: all that the result depends on, as JSON values.
            data: files that are read; their names and hashes are kept, not their folders (of
                files of one name, as much of the folders as tells them apart).

        Raises:
            RunConflict: the folder's run had another configuration, seed or data.
        """
        # Through JSON, so that tuples and lists compare equal when it is read back.
        wanted: dict[str, Any] = json.loads(
            json.dumps(
                {
                    "config": dict(config),
                    "seed": seed,
                    "data": {name: file_sha256(path) for name, path in named(data).items()},
                }
            )
        )
        path = folder / RUN_FILE
        if path.exists():
            document = json.loads(path.read_text(encoding="utf-8"))
            for name, value in wanted.items():
                if document.get(name) != value:
                    raise RunConflict(f"{folder}: holds a run with another {name}")
            made_by = document.setdefault("revisions", [document.get("revision", "")])
            if made_by[-1] != (now := revision()):
                made_by.append(now)
                write_atomically(path, json.dumps(document, indent=2) + "\n")
        else:
            now = revision()
            document = {
                "command": command,
                **wanted,
                "revision": now,
                "revisions": [now],  # of each start, where it differs from the one before
                "machine": machine(),
                "started": datetime.now(UTC).isoformat(timespec="seconds"),
                "seconds": 0.0,
            }
            write_atomically(path, json.dumps(document, indent=2) + "\n")
        _end_torn_line(folder / METRICS_FILE)
        return cls(folder, document)

    @property
    def document(self) -> Mapping[str, Any]:
        """What `run.json` says."""
        return self._document

    def log(self, line: str) -> None:
        """Show a line with the time, and keep it in `log.txt`."""
        stamped = f"{datetime.now():%H:%M:%S} {line}"
        print(stamped, flush=True)
        with (self.folder / "log.txt").open("a", encoding="utf-8") as stream:
            stream.write(stamped + "\n")

    def report(self, step: int, **values: float) -> None:
        """Keep figures of a step: a JSON line, and TensorBoard where it is installed."""
        # NumPy's and torch's numbers are no JSON.
        figures = {name: float(value) for name, value in values.items()}
        line = {"step": step, "time": round(time.time(), 1), **figures}
        with (self.folder / METRICS_FILE).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
        writer = self._tensorboard()
        for name, value in figures.items():
            if writer is not None:
                writer.add_scalar(name, value, step)

    def progress(self, total: float, unit: str, done: float = 0.0) -> Progress:
        """Shows share done, throughput and the time left, at most every few seconds."""
        return Progress(self, total, unit, done)

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """Within, SIGTERM and SIGINT set `stopping` instead of ending the process."""
        previous = {s: signal.signal(s, self._stop) for s in (signal.SIGTERM, signal.SIGINT)}
        began = time.monotonic()
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            self._document["seconds"] = round(
                self._document["seconds"] + time.monotonic() - began, 1
            )
            self._write()

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """Keep the final metrics in `run.json` and draw the curves."""
        self._document["metrics"] = dict(metrics)
        self._document["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
        self._write()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        draw_curves(self.folder)

    def _write(self) -> None:
        write_atomically(self.folder / RUN_FILE, json.dumps(self._document, indent=2) + "\n")

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def _tensorboard(self) -> Any:
        if self._writer is None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:  # requirements-train.txt has it
                return None
            self._writer = SummaryWriter(str(self.folder))
        return self._writer


class Progress:
    """Where a loop stands: `update` after each step."""

    def __init__(
        self, run: Run, total: float, unit: str, done: float = 0.0, every: float = 10.0
    ) -> None:
        self._run, self._total, self._unit, self._every = run, total, unit, every
        self.done = self._first = done
        self._began = self._shown = time.monotonic()

    def update(self, count: float, **values: float) -> None:
        """Count `count` more units; now and then show the share done, the speed and `values`."""
        self.done += count
        now = time.monotonic()
        if now - self._shown < self._every:
            return
        self._shown = now
        speed = (self.done - self._first) / max(1e-9, now - self._began)
        left = max(0.0, self._total - self.done) / max(1e-9, speed)
        figures = "".join(f" | {name} {value:.4g}" for name, value in values.items())
        self._run.log(
            f"{100 * self.done / max(1e-9, self._total):5.1f} % | {duration(left)} left | "
            f"{speed:.1f} {self._unit}/s{figures}"
        )


def duration(seconds: float) -> str:
    """Seconds in words of a clock: `42 s`, `7:05 min`, `2:03 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"


def named(paths: Sequence[Path]) -> dict[str, Path]:
    """Paths by the shortest end of each that no other has: the name, or folders and name."""
    found = list(dict.fromkeys(path.resolve() for path in paths))
    names: dict[str, Path] = {}
    for path in found:
        others = [other for other in found if other != path]
        for count in range(1, len(path.parts) + 1):
            end = path.parts[-count:]
            if all(other.parts[-count:] != end for other in others):
                break
        names["/".join(end).replace("//", "/")] = path
    return names


def revision() -> str:
    """The git revision of the code, `+` behind it where files differ from it; empty without git."""
    root = Path(__file__).resolve().parents[2]
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def machine() -> dict[str, str]:
    """What the figures of a run depend on besides its configuration."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {
        "cores": str(os.cpu_count()),
        "architecture": platform.machine(),
        "gpu": gpu,
        "python": sys.version.split()[0],
        "torch": torch.__version__,
    }


def _end_torn_line(path: Path) -> None:
    """A line that a crash cut off must not take the next one with it."""
    if path.exists() and (content := path.read_bytes()) and not content.endswith(b"\n"):
        with path.open("ab") as stream:
            stream.write(b"\n")


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """The lines of a run's `metrics.jsonl`; torn ones are left out."""
    path = folder / METRICS_FILE
    rows: list[dict[str, float]] = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def draw_curves(folder: Path) -> Path | None:
    """Draw every figure of a run over its steps; None without figures or without matplotlib.

    The same figures give the same bytes. A step that was done again, after a kill lost it, is drawn
    once, as it was done last.
    """
    rows = read_metrics(folder)
    names = sorted({name for row in rows for name in row} - {"step", "time"})
    if not names:
        return None
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        return None
    figure = Figure(figsize=(6, 2.2 * len(names)), layout="constrained")
    for place, name in enumerate(names, 1):
        axes = figure.add_subplot(len(names), 1, place)
        points = {row["step"]: row[name] for row in rows if name in row}
        axes.plot(*zip(*sorted(points.items()), strict=True))
        axes.set_ylabel(name)
    path = folder / CURVES_FILE
    with rc_context({"svg.hashsalt": "curves"}):  # else the ids in the file are by chance
        figure.savefig(path, metadata={"Date": None})
    return path
