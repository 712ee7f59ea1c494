"""A person on a store that keeps promises, as the dialog's door does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from app.domain import ReactionKind
from app.store.asked import Asked
from app.store.spool.promises import Promise


def until(what: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


class Keeper:
    """A person on a store that keeps promises, as the dialog's door does."""

    def __init__(self, chat: Any) -> None:
        self.chat, self.store = chat, chat.store
        self.settled: list[Promise] = []
        self.poison: dict[str, Exception] = {}  # target → what settling it raises
        self.store.keep_promises(self.settle)

    def settle(self, promise: Promise) -> None:
        if promise.target in self.poison:
            raise self.poison[promise.target]
        self.settled.append(promise)
        reactions = self.store.reactions
        if promise.feeling:
            feeling = promise.feeling
            self.store.contexts.feedback(promise.user_id, promise.target, feeling, promise.asked)
        elif promise.reaction:
            reactions.react(
                promise.user_id, promise.target, promise.reaction, promise.comment, None,
                promise.asked,
            )  # fmt: skip
        else:
            reactions.retract(promise.user_id, promise.target, promise.asked)

    def promise(self, target: str, reaction: ReactionKind | None = None, **more: Any) -> Promise:
        asked = more.pop("asked", None) or Asked(generation=1)
        wanted = Promise(self.chat.user_id, target, asked, reaction, **more)
        self.store.promises.keep(wanted)
        return wanted

    @property
    def waiting(self) -> int:
        spool = self.store.promises.spool
        return int(spool.entries) if spool else 0

    def events(self) -> list[tuple[str, str | None]]:
        """(action, reaction), the oldest first."""
        items = self.store.reactions.list().items
        return [(e.action, e.reaction.value if e.reaction else None) for e in reversed(items)]
