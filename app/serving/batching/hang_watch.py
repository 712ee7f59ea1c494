"""Sees a native call that does not come back: nothing can end it but the end of the process."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import gevent

from app.serving.batching.reports import Backlog

_LOOKS = 4  # within the time that a batch is given, so that a hang is seen soon after it
_PAUSE_MAX = 1.0  # seconds


class HangWatch:
    """Looks at every model's running batch, and says once which of them hangs.

    A batch must be overdue at two looks: where the machine slept, or the hub was held up, results
    that came meanwhile are delivered between them.

    Args:
        backlogs: by model, what it has before it.
        seconds: that a batch may run.
        on_hung: called on the hub with the model's name.
    """

    def __init__(
        self,
        backlogs: Mapping[str, Callable[[], Backlog]],
        seconds: float,
        on_hung: Callable[[str], None],
    ) -> None:
        self._backlogs = backlogs
        self._seconds = seconds
        self._on_hung = on_hung
        self._suspected: set[str] = set()
        self._looker = gevent.spawn(self._watch)

    def close(self) -> None:
        """Look no more."""
        self._looker.kill()

    def look(self) -> str | None:
        """The model whose batch was overdue at the last look and is still; None if there is none.

        A batch that is finished between two looks starts its time anew, so an overdue one is the
        same one.
        """
        overdue = {
            name
            for name, backlog in self._backlogs.items()
            if backlog().running_seconds > self._seconds
        }
        hung = sorted(overdue & self._suspected)
        self._suspected = overdue
        return hung[0] if hung else None

    def _watch(self) -> None:
        pause = min(_PAUSE_MAX, self._seconds / _LOOKS)
        while True:
            gevent.sleep(pause)
            hung = self.look()
            if hung is not None:
                self._on_hung(hung)
                return
