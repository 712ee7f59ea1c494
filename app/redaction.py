"""The last line before a log line is written: nothing that a person wrote gets through.

Whoever logs names ids, counts and words of ours, and that is what is checked here: a field that is
not known, or whose value does not look like an id or a word, is replaced by its length and a keyed
hash, so that equal values can still be put together. The key is made anew by each process and kept
nowhere: nobody can try texts against a log.

What other libraries log, and errors that nobody caught, are shown by where they come from: their
messages may quote what they failed on.
"""

from __future__ import annotations

import hmac
import json
import logging
import re
import secrets
import sys
import threading
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

FIELDS = frozenset(
    {
        "again_in",
        "by",
        "bytes",
        "caller",
        "change",
        "code",
        "counts",
        "detail",
        "differ",
        "errno",
        "error",
        "event",
        "flag",
        "folder",
        "instead",
        "kept",
        "kind",
        "level",
        "logger",
        "method",
        "model",
        "ms",
        "name",
        "op",
        "open",
        "overdue",
        "people",
        "reason",
        "reply_id",
        "request_id",
        "room",
        "route",
        "seconds",
        "share",
        "source",
        "status",
        "store",
        "timestamp",
        "version",
        "versions",
        "where",
        "why",
    }
)
"""What may be logged: ids, words of ours, numbers. A test finds what is not named here."""
SENTENCES = frozenset({"counts", "detail", "event", "reason", "where", "why"})
"""Fields whose words may have spaces between them: our own sentences, never another's."""
_WORD = re.compile(r"[A-Za-z0-9_.:;,/@+=<>{}()\[\]#%*-]{0,160}")
_SENTENCE = re.compile(r"[ -~’…–]{0,400}")
_FRAMES = 6


class Redact:
    """A processor of structlog; `key` makes hashes comparable where several share it."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)

    def __call__(
        self, _logger: Any, _method: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """The line with every value checked; what was raised is told by its place."""
        raised = line.pop("exc_info", None)
        line.pop("stack_info", None)
        checked: dict[str, Any] = {name: self._value(name, value) for name, value in line.items()}
        if raised:
            error = raised if isinstance(raised, BaseException) else sys.exc_info()[1]
            if error is not None:
                checked |= {"error": type(error).__name__, "where": frames(error)}
        return checked

    def hidden(self, text: str) -> str:
        """What stands for a text: its length, and 12 hex digits that equal texts share."""
        data = text.encode("utf-8", "surrogatepass")
        return f"<{len(text)} characters, {hmac.digest(self._key, data, 'sha256').hex()[:12]}>"

    def _value(self, name: str, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {self._text(name, str(k)): self._value(name, v) for k, v in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value(name, item) for item in value]
        return self._text(name, str(value))

    def _text(self, name: str, text: str) -> str:
        shape = _SENTENCE if name in SENTENCES else _WORD
        return text if name in FIELDS and shape.fullmatch(text) else self.hidden(text)


class Foreign(logging.Handler):
    """What other libraries log, as one JSON line: who, how bad, where; never with its values."""

    def __init__(self, redact: Redact, stream: Any = None) -> None:
        super().__init__(logging.WARNING)
        self._redact = redact
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line. A message without arguments may have its values in it already."""
        template = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
        message = template if record.args else self._redact.hidden(template)
        now = datetime.fromtimestamp(record.created, UTC).isoformat()
        line = {
            "event": "library",
            "logger": record.name,
            "level": record.levelname.lower(),
            "where": f"{record.module}:{record.lineno}",
            "detail": message,
            "timestamp": now,
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = type(record.exc_info[1]).__name__
        print(json.dumps(line), file=self._stream or sys.stderr, flush=True)


def frames(error: BaseException) -> list[str]:
    """The last places of an error, without its message."""
    return frames_of(error.__traceback__)


def frames_of(trace: TracebackType | None) -> list[str]:
    """The last places of a traceback: `file:line function`."""
    found = []
    while trace is not None:
        code = trace.tb_frame.f_code
        found.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return found[-_FRAMES:]


def tell(kind: str, error: BaseException | type[BaseException] | None, where: list[str]) -> None:
    """One line about an error that nobody caught."""
    name = error.__name__ if isinstance(error, type) else type(error).__name__
    line = {"event": "uncaught", "kind": kind, "error": name, "where": where, "level": "error"}
    print(json.dumps(line), file=sys.stderr, flush=True)


def hush_interpreter(redact: Redact) -> None:
    """Errors of threads and of the interpreter's clean-up, and other libraries' logs, say where
    they come from and nothing else. Called once by a process that serves people."""
    threading.excepthook = lambda args: tell("thread", args.exc_type, frames_of(args.exc_traceback))
    sys.unraisablehook = lambda args: tell(
        "unraisable", args.exc_type, frames_of(args.exc_traceback)
    )
    root = logging.getLogger()
    if not any(isinstance(handler, Foreign) for handler in root.handlers):
        root.addHandler(Foreign(redact))
    logging.captureWarnings(True)
