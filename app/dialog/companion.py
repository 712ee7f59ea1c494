"""What the web room asks of the dialog room: reply, alternative, react, retract, replay."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace

from app.dialog import policy, screen
from app.dialog.care import protocol, tally
from app.dialog.pipeline import ChatRequest, Pipeline
from app.dialog.reacting import Reacting
from app.dialog.safety import Reading
from app.dialog.screen.machine import MachineText
from app.dialog.screen.toxicity import Toxicity
from app.domain import (
    Candidate,
    Feeling,
    Impression,
    ReactionEvent,
    ReactionKind,
    Reply,
    Slate,
    Source,
    Speaker,
)
from app.errors import (
    Conflict,
    IdempotencyMismatch,
    InFlight,
    KindredError,
    NotFound,
    StoreUnavailable,
)
from app.redaction import frames
from app.serving.contract import AnyEngine
from app.settings import Settings
from app.store import ids
from app.store.spool.promises import Promise
from app.store.store import Store
from app.telemetry import Metrics, get_logger

_NO_OTHER = "There is no other reply to this message."
_LATEST = 50  # turns of the conversation that an alternative is screened against


@dataclass(frozen=True, slots=True)
class Replay:
    """A choice made again from its recorded slate: `same` where it came out as recorded."""

    same: bool
    chosen: str | None
    text: str | None
    recorded: str | None


class Companion:
    """The dialog room's door."""

    def __init__(
        self,
        store: Store,
        engine: AnyEngine,
        settings: Settings,
        metrics: Metrics,
        toxicity: Toxicity | None = None,
    ) -> None:
        self._store = store
        self._engine = engine
        self._metrics = metrics
        self._toxicity = toxicity
        self._rank_seconds = settings.rank_deadline_ms / 1000
        self._pipeline = Pipeline(store, engine, settings, metrics, toxicity)
        self._reacting = Reacting(store, engine, settings, metrics)

    def reply(self, request: ChatRequest) -> Reply:
        """Answer a message. A crisis is never turned away; anything else may be, under load.

        Raises:
            Overloaded, and what `Pipeline.reply` raises.
        """
        self._count_screened(request.reading)
        if request.reading.crisis:
            return self._care(request)
        with self._engine.admission(source=request.source):
            return self._pipeline.reply(request)

    def _count_screened(self, reading: Reading) -> None:
        for category in reading.categories:
            by = "learned" if category in reading.learned else "rules"
            self._metrics.screened.labels(category, by).inc()

    def alternative(self, user_id: str, reply_id: str) -> Reply:
        """The next best candidate of the same slate; asked again, the same one.

        Raises:
            NotFound: no such reply of this person.
            Conflict: the slate has no other candidate that may be shown.
        """
        if ids.is_unsaved(reply_id):
            raise Conflict(_NO_OTHER)
        parent = self._store.impressions.get(user_id, reply_id)
        if parent.alternative is not None:
            return self._store.impressions.get(user_id, parent.alternative).reply
        shown = (*parent.slate.shown, *((parent.slate.chosen,) if parent.slate.chosen else ()))
        if policy.next_best(parent.slate.candidates, shown) is None:
            # Screening adds reasons and takes none away: models are not asked in vain.
            raise Conflict(_NO_OTHER)
        candidates, crisis = self._screened_now(user_id, parent)
        candidate = policy.next_best(candidates, shown)
        if candidate is None:
            raise Conflict(_NO_OTHER)
        # In a crisis nothing is tried out on anybody, whatever the first reply was part of.
        variants = {} if crisis else parent.reply.variants
        now = time.time()
        reply = Reply(
            reply_id=ids.near(ids.REPLY, user_id, now),
            conversation_id=parent.reply.conversation_id,
            text=candidate.text,
            source=candidate.source,
            degraded=parent.reply.degraded,
            variants=variants,
            created_at=now,
        )
        slate = replace(
            parent.slate,
            candidates=policy.certain(candidates, candidate),
            chosen=candidate.candidate_id,
            shown=shown,
            explored=False,
            exploration=0.0,
            variants=variants,
        )
        return self._store.impressions.add_alternative(
            parent,
            replace(
                parent,
                reply=reply,
                slate=slate,
                alternative_of=reply_id,
                alternative=None,
                reaction=None,
                comment=None,
            ),
        )

    def react(
        self,
        user_id: str,
        reply_id: str,
        reaction: ReactionKind,
        comment: str | None,
        generation: int | None = None,
    ) -> ReactionEvent | Promise | None:
        """Keep a reaction, its event and the taste it tells; None where nothing changed.

        A `Promise` is kept on this machine's disk, and told once the store is back. `generation`:
        of the caller's token, checked on the way. Raises as `Reacting.react`.
        """
        return self._reacting.react(user_id, reply_id, reaction, comment, generation)

    def retract(
        self, user_id: str, reply_id: str, generation: int | None = None
    ) -> ReactionEvent | Promise | None:
        """Take a reaction back, and the taste with it; None where there was none; as `react`."""
        return self._reacting.react(user_id, reply_id, None, None, generation)

    def feel(
        self, user_id: str, conversation_id: str, feeling: Feeling, generation: int | None = None
    ) -> Promise | None:
        """Note how the person feels after a conversation; a `Promise` as in `react`."""
        return self._reacting.feel(user_id, conversation_id, feeling, generation)

    def settle(self, promise: Promise) -> None:
        """Tell the store what was promised while it was away."""
        self._reacting.settle(promise)

    def replay(self, reply_id: str) -> Replay:
        """Choose again from the recorded slate, filters, scores and seed."""
        impression = self._store.impressions.find(reply_id)
        chosen = _choose_again(impression.slate)
        text = None
        if chosen is not None:
            candidate = impression.slate.candidate(chosen)
            text = candidate.text if candidate else None
        recorded = impression.slate.chosen
        return Replay(chosen == recorded, chosen, text, recorded)

    def _care(self, request: ChatRequest) -> Reply:
        """A crisis is answered whatever is lost: a conversation that is gone, the store itself,
        or what somebody broke in our own code."""
        try:
            if request.user_id and request.kept:
                return self._care_kept(request)
        except (NotFound, StoreUnavailable):
            pass
        except KindredError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever of ours is broken, help is named
            get_logger("dialog").error("crisis", error=type(error).__name__, where=frames(error))
        if request.kept:
            self._metrics.failures.labels("crisis_unsaved").inc()
        else:
            self._metrics.failures.labels("crisis_over_quota").inc()
        now = time.time()
        reading = request.reading
        answer = protocol.care(reading.danger, (), request.region, minor=reading.minor)
        reply = Reply(
            reply_id=_unkept(ids.REPLY, request, now),
            conversation_id=_unkept_place(request, now),
            text=answer.text,
            source=Source.SAFETY,
            degraded=True,
            variants={},
            created_at=now,
        )
        self._store.tallies.count(*tally.events(reply, answer))  # sent once the store is back
        return reply

    def _care_kept(self, request: ChatRequest) -> Reply:
        """The answer to a crisis, kept without what it cannot be kept with.

        That is a conversation that is not (any more) the person's, and a key by which their client
        named another message before, or that an attempt holds which may never end: its worker may
        have been killed, and half a minute is long.
        """
        try:
            return self._pipeline.reply(request)
        except (IdempotencyMismatch, InFlight):
            less = request.otherwise(keys=())
        except NotFound:
            if request.conversation_id is None:
                raise
            less = request.otherwise(conversation_id=None)
        return self._care_kept(less)

    def _screened_now(self, user_id: str, parent: Impression) -> tuple[tuple[Candidate, ...], bool]:
        """The slate's candidates as this moment sees them, and whether it is one of a crisis."""
        conversation, page = self._store.contexts.conversation(
            user_id, parent.reply.conversation_id, None, _LATEST
        )
        said = [v.turn.text for v in page.items if v.turn.speaker is Speaker.KINDRED]
        moment = screen.Moment.of(
            parent.context[-1],
            said,
            crisis=conversation.crisis,
            minor=self._store.contexts.is_minor(user_id),
            toxicity=self._toxicity,
        )
        candidates = parent.slate.candidates
        deadline = time.monotonic() + self._rank_seconds
        written = MachineText.begin(candidates, self._engine.replies, deadline)
        return screen.screen(written.judged(candidates), moment), conversation.crisis


def _unkept_place(request: ChatRequest, now: float) -> str:
    """The conversation that goes on, as far as the id alone tells; a new one without a past."""
    place = request.conversation_id
    if place is not None:
        if ids.is_unsaved(place):
            return place
        with suppress(NotFound):
            return ids.require(ids.CONVERSATION, place, request.user_id)
    return _unkept(ids.CONVERSATION, request, now)


def _unkept(kind: str, request: ChatRequest, now: float) -> str:
    """An id of something that is kept nowhere."""
    partition = ids.partition_of(request.user_id) if request.user_id else 0
    return ids.as_unsaved(ids.make(kind, partition, now))


def _choose_again(slate: Slate) -> str | None:
    if slate.shown:
        candidate = policy.next_best(slate.candidates, slate.shown)
        return candidate.candidate_id if candidate else None
    choice = policy.select(slate.candidates, seed=slate.seed, exploration=slate.exploration)
    return choice.chosen.candidate_id if choice.chosen else None
