"""Other processes that do measured work: one JSON object a line in, one out.

The parent starts a `Child` and calls it; the child is a module that ends in `serve(handlers)`.
Whatever a library prints there goes to its stderr, so that it cannot break the answers. Times are
taken in the child: the pipe is not what is measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from scripts.benches.service import ROOT

Handler = Callable[..., Any]
_END_SECONDS = 10.0


class ChildError(Exception):
    """The child answered with an error, was silent for too long, or has ended."""


class Child:
    """A process that answers calls; ended, by its id, when the `with` block ends.

    `said` is a file that takes its stderr; the last lines of it are part of an error's message.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        python: str = sys.executable,
        environment: Mapping[str, str] | None = None,
        said: Path,
    ) -> None:
        said.parent.mkdir(parents=True, exist_ok=True)
        self._said, self._module = said, module
        with said.open("wb") as stderr:
            self._process = subprocess.Popen(
                [python, "-m", module, *arguments],
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,  # what it starts ends with it
            )
        self._buffer = b""
        self._closed = False

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def call(self, verb: str, limit: float = 600.0, /, **arguments: Any) -> Any:
        """Ask and wait for the answer, `limit` seconds at most. Raises ChildError."""
        self.send(verb, **arguments)
        return self.receive(limit)

    def send(self, verb: str, /, **arguments: Any) -> None:
        """Ask; `receive` waits for the answer, so that several children can work at once."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps([verb, arguments]).encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError) as error:  # its pipe is broken, or was closed here
            raise self._failed(f"has ended ({error})") from None

    def receive(self, seconds: float = 600.0) -> Any:
        """The answer to the oldest question. Raises ChildError."""
        assert self._process.stdout is not None
        handle, end = self._process.stdout.fileno(), time.monotonic() + seconds
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([handle], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise self._failed(f"did not answer within {seconds:.0f} s")
            part = os.read(handle, 1 << 16)
            if not part:
                raise self._failed("has ended")
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer = json.loads(line)
        if "error" in answer:
            raise ChildError(answer["error"])
        return answer["value"]

    def close(self) -> None:
        """End the process and what it started, even where this is interrupted itself."""
        if self._closed:
            return
        self._closed = True
        try:
            self._signal(signal.SIGTERM)
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            pass  # it is not asked again
        finally:
            self._signal(signal.SIGKILL)
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):  # what was not read any more
                        pipe.close()

    def _signal(self, number: int) -> None:
        """To all of its group that are left."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _failed(self, what: str) -> ChildError:
        lines = self._said.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return ChildError(f"{self._module} {what}: {' / '.join(lines[-3:])}")


def serve(handlers: Mapping[str, Handler]) -> None:
    """The child's side: answer calls until there are no more, or nobody to answer; then end.

    It ends at once: threads that a library left running would keep it alive without a parent.
    """
    try:
        _answer(handlers)
    except BrokenPipeError:
        os._exit(1)
    os._exit(0)


def _answer(handlers: Mapping[str, Handler]) -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        verb, arguments = json.loads(line)
        try:
            answer = {"value": handlers[verb](**arguments)}
        except Exception as error:  # noqa: BLE001 (whatever a peer raises is its answer)
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def call_all(children: Sequence[Child], verb: str, limit: float, /, **arguments: Any) -> list[Any]:
    """Ask all at once; their answers in order."""
    for child in children:
        child.send(verb, **arguments)
    return [child.receive(limit) for child in children]
