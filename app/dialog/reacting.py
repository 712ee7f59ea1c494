"""What a person says of a reply or a conversation: told to Redis, or promised while it is away."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager

from app.dialog.personalize import taste_of
from app.domain import Feeling, Impression, ReactionEvent, ReactionKind, Taste
from app.errors import Conflict, KindredError, StoreUnavailable
from app.serving.contract import AnyEngine
from app.settings import Settings
from app.store import ids
from app.store.asked import Asked
from app.store.link.patience import patience
from app.store.spool.promises import Promise
from app.store.store import Store
from app.telemetry import Metrics

_TASTE_SECONDS = 1.0
_UNSAVED = "This was said while Kindred could not remember anything, so no reaction to it is kept."


class Reacting:
    """Reactions and feelings; a promise that comes back is one that the spool keeps."""

    def __init__(
        self, store: Store, engine: AnyEngine, settings: Settings, metrics: Metrics
    ) -> None:
        self._store = store
        self._engine = engine
        self._seconds = settings.reaction_deadline_ms / 1000
        self._metrics = metrics

    def react(
        self,
        user_id: str,
        reply_id: str,
        reaction: ReactionKind | None,
        comment: str | None,
        generation: int | None,
    ) -> ReactionEvent | Promise | None:
        """Set, replace or take back (None) a reaction; None where nothing changed.

        Raises:
            Conflict: the reply was given while nothing could be kept of it.
            NotFound, Unauthenticated: see `Reactions.react`.
            StoreUnavailable: it is neither kept nor promised.
        """
        if ids.is_unsaved(reply_id):
            raise Conflict(_UNSAVED)
        asked = Asked(generation=generation)
        return self._tell_or_promise(Promise(user_id, reply_id, asked, reaction, comment))

    def feel(
        self, user_id: str, conversation_id: str, feeling: Feeling, generation: int | None
    ) -> Promise | None:
        """Note how the person feels after a conversation. Raises as `react`."""
        if ids.is_unsaved(conversation_id):
            raise Conflict(_UNSAVED)
        promise = Promise(user_id, conversation_id, Asked(generation=generation), feeling=feeling)
        outcome = self._tell_or_promise(promise)
        return outcome if isinstance(outcome, Promise) else None

    def settle(self, promise: Promise) -> None:
        """Tell Redis what was promised (StoreUnavailable: later; other errors: never)."""
        self._tell(promise)

    def _tell_or_promise(self, wanted: Promise) -> ReactionEvent | Promise | None:
        """Tell Redis, unless it is away or an earlier promise about the same thing still waits."""
        if not self._store.promises.must_wait(wanted.target):
            try:
                return self._tell(wanted)
            except StoreUnavailable:
                pass  # whether it was done or not: the operation has a name, and is done once
        if wanted.asked.generation is not None:
            self._store.people.presume(wanted.user_id, wanted.asked.generation)
        self._store.promises.keep(wanted)
        return wanted

    def _tell(self, wanted: Promise) -> ReactionEvent | None:
        user_id, target, asked = wanted.user_id, wanted.target, wanted.asked
        if wanted.feeling is not None:
            with self._patience():
                self._store.contexts.feedback(user_id, target, wanted.feeling, asked)
            return None
        if wanted.reaction is None:
            with self._patience():
                event = self._store.reactions.retract(user_id, target, asked)
        else:
            with self._patience():
                impression = self._store.impressions.get(user_id, target)
            taste = self._taste(impression, wanted.reaction)
            with self._patience():
                event = self._store.reactions.react(
                    user_id, target, wanted.reaction, wanted.comment, taste, asked
                )
        self._count(event)
        return event

    def _patience(self) -> AbstractContextManager[None]:
        return patience(time.monotonic() + self._seconds)

    def _taste(self, impression: Impression, reaction: ReactionKind) -> Taste | None:
        """The taste of a reaction; a reaction is kept even when the encoder cannot tell it."""
        deadline = time.monotonic() + _TASTE_SECONDS
        try:
            vector = self._engine.embed([impression.reply.text], deadline).wait()[0]
        except KindredError:
            self._metrics.failures.labels("taste").inc()
            return None
        version = self._engine.versions["encoder"]
        return taste_of(impression.reply.reply_id, reaction, vector, version)

    def _count(self, event: ReactionEvent | None) -> None:
        if event is not None:
            kind = event.reaction or event.previous
            self._metrics.reactions.labels(kind.value if kind else "none", event.action).inc()
