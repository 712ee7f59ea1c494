"""What a trainer tells of its run, and the stand-in of the processes that have nothing to tell."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol


class Recorder(Protocol):
    """What a trainer needs of a `models.training.record.Run`."""

    folder: Path
    stopping: bool

    def log(self, line: str) -> None: ...

    def report(self, step: int, **values: float) -> None: ...

    def stoppable(self) -> AbstractContextManager[None]: ...


class Follower:
    """Of several processes, all but the first: stops as a `Run` does, and writes nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stopping = False

    def log(self, line: str) -> None:
        """Nothing: the first process says it."""

    def report(self, step: int, **values: float) -> None:
        """Nothing: the first process writes it."""

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """Within, SIGTERM and SIGINT set `stopping` instead of ending the process."""
        previous = {s: signal.signal(s, self._stop) for s in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _stop(self, _number: int, _frame: object) -> None:
        self.stopping = True
