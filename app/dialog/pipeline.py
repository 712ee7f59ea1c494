"""How one message is answered. Read `Pipeline.reply` downward: each step is a named verb."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace

from app.dialog import screen, unremembered
from app.dialog.care import notices, protocol, tally, texts
from app.dialog.choosing import Choosing, dialog_of
from app.dialog.deadlines import Deadlines
from app.dialog.features import Features, assign
from app.dialog.memory import facts
from app.dialog.request import ChatRequest
from app.dialog.screen.toxicity import Toxicity
from app.domain import FactChange, Impression, Notice, Reply, Slate, Source, UserContext
from app.errors import StoreUnavailable
from app.serving.contract import AnyEngine
from app.settings import Settings
from app.store import ids
from app.store.contexts import BeginRequest, Begun, FinishRequest
from app.store.link.patience import patience
from app.store.store import Store
from app.telemetry import Metrics, StageTimer

__all__ = ["ChatRequest", "Pipeline", "dialog_of"]


class Pipeline:
    """Store, engine and settings bound together; one instance a process."""

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
        self._settings = settings
        self._metrics = metrics
        self._choosing = Choosing(engine, settings, toxicity)

    def reply(self, request: ChatRequest) -> Reply:
        """Answer a message; a request that was answered before gets that answer again.

        Raises:
            Unauthenticated, NotFound, InFlight, IdempotencyMismatch, StoreUnavailable.
        """
        timer = StageTimer(self._metrics)
        deadlines = Deadlines(self._settings)
        try:
            with timer.stage("begin"), patience(deadlines.store()):
                begun = self._begin(request)
        except StoreUnavailable:
            if request.reading.crisis:
                raise  # who asked has an answer of its own to that
            return self._answer_unremembered(request, timer, deadlines)
        if begun.stored is not None:
            return begun.stored
        context = begun.context
        try:
            return self._answer(context, request, timer, deadlines)
        except StoreUnavailable:
            raise  # nobody to tell; the attempt's lease ends by itself
        except BaseException:
            with suppress(StoreUnavailable), patience(deadlines.store()):
                self._store.contexts.abandon(context, request.keys)
            raise

    def _begin(self, request: ChatRequest) -> Begun:
        """Save the message; one that goes on where nothing was saved begins a conversation."""
        place = request.conversation_id
        return self._store.contexts.begin(
            BeginRequest(
                user_id=request.user_id,
                generation=request.generation,
                conversation_id=None if place and ids.is_unsaved(place) else place,
                text=request.message,
                keys=request.keys,
                fingerprint=request.fingerprint,
                crisis=request.reading.crisis,
                minor=request.reading.minor,
            )
        )

    def _answer_unremembered(
        self, request: ChatRequest, timer: StageTimer, deadlines: Deadlines
    ) -> Reply:
        """As `_answer`, from what the client sent, while the store is away.

        Raises:
            Unauthenticated: the token is known not to hold.
            StoreUnavailable: the message asks to forget something, which would not be done.
        """
        self._store.people.presume(request.user_id, request.generation)
        context = unremembered.context_of(
            request.user_id, request.conversation_id, request.message, request.sent(), time.time()
        )
        context = replace(context, minor=context.minor or request.reading.minor)
        if facts.asks_to_forget(request.message):
            raise StoreUnavailable("Nothing can be forgotten just now", retry_after=5.0)
        said = protocol.said_in(context)
        answer = protocol.answer(
            request.reading, request.message, said, request.region, minor=context.minor
        )
        flags = self._store.flags.last
        features = unremembered.features_of(assign(flags, context.user_id, crisis=context.crisis))
        if answer is not None:
            slate, text, source = self._empty_slate(features), answer.text, Source.SAFETY
        else:
            # Whether they said once that they are under 18 stands in the store too: nothing is
            # chosen that would not be said to a minor.
            young = replace(context, minor=True)
            with request.attended(), self._engine.holding(features.models) as held:
                slate, text, source = self._choosing.choose(
                    young, features, held, timer, deadlines, context.crisis
                )
        beside = self._beside(context, request.region, crisis=False)
        reply = self._impression(context, features, slate, text, source, beside).reply
        if request.conversation_id is None:
            place = ids.as_unsaved(reply.conversation_id)
            reply = replace(reply, conversation_id=place)
        reply = unremembered.unsaved(reply)
        self._count(reply, slate)
        self._store.tallies.count(*tally.events(reply, answer))  # sent once the store is back
        return reply

    def _answer(
        self, context: UserContext, request: ChatRequest, timer: StageTimer, deadlines: Deadlines
    ) -> Reply:
        answer = protocol.answer(
            request.reading,
            request.message,
            protocol.said_in(context),
            request.region,
            minor=context.minor,
        )
        in_crisis = answer is not None and answer.crisis
        crisis = context.crisis or in_crisis
        with patience(deadlines.store()):
            flags = self._store.flags.current()
        features = assign(flags, context.user_id, crisis=crisis)
        change = self._learn(context, features, answer)
        context = facts.applied(context, change)
        beside = self._beside(context, request.region, crisis=in_crisis)
        if answer is not None:
            slate, text, source = self._empty_slate(features), answer.text, Source.SAFETY
        else:
            with request.attended(), self._engine.holding(features.models) as held:
                slate, text, source = self._choosing.choose(
                    context, features, held, timer, deadlines, crisis
                )
        impression = self._impression(context, features, slate, text, source, beside)
        finish = FinishRequest(
            context=context,
            impression=_timed(impression, timer),
            facts=change,
            keys=request.keys,
            fingerprint=request.fingerprint,
            crisis=crisis,
        )
        ours = impression.reply
        try:
            with timer.stage("finish"), patience(deadlines.store()):
                reply = self._store.contexts.finish(finish)
        except StoreUnavailable:
            if request.reading.crisis or change.forgotten:
                raise  # see `Companion`; and nobody is told that something was forgotten
            reply = ours = unremembered.unsaved(ours)
        self._count(reply, slate)
        if reply is ours:  # else another attempt's, which counted its own
            with patience(deadlines.store()):
                self._tally(reply, answer)
        return reply

    def _beside(self, context: UserContext, region: str, *, crisis: bool) -> tuple[Notice, ...]:
        """The notices beside the reply to this message."""
        return notices.due(
            context,
            now=context.message.created_at,
            every=self._settings.notice_hours * 3_600,
            crisis=crisis,
            region=region,
        )

    def _tally(self, reply: Reply, answer: protocol.Answer | None) -> None:
        """Count for the yearly report: a referral is sent at once, the rest once a second."""
        self._store.tallies.count(*tally.events(reply, answer))
        self._store.tallies.flush(hasty=answer is not None and answer.crisis)

    def _learn(
        self, context: UserContext, features: Features, answer: protocol.Answer | None
    ) -> FactChange:
        """What the message tells of the person; what they ask to forget is forgotten always."""
        change = facts.learn(context.message, context.facts)
        if answer is not None or not features.facts:
            return FactChange(forgotten=change.forgotten)
        return change

    def _empty_slate(self, features: Features) -> Slate:
        return Slate(
            candidates=(),
            chosen=None,
            seed=0,
            variants=features.shown(()),
            versions={**self._engine.versions, "crisis": texts.CRISIS_VERSION},
        )

    def _impression(
        self,
        context: UserContext,
        features: Features,
        slate: Slate,
        text: str,
        source: Source,
        beside: tuple[Notice, ...],
    ) -> Impression:
        now = time.time()
        reply = Reply(
            reply_id=ids.near(ids.REPLY, context.user_id, now),
            conversation_id=context.conversation_id,
            text=text,
            source=source,
            degraded=bool(slate.late) or source is Source.FALLBACK,
            variants=slate.variants,
            created_at=now,
            notices=beside,
        )
        return Impression(
            reply=reply,
            user_id=context.user_id,
            turn_id=context.message.turn_id,
            context=tuple(dialog_of(context)),
            slate=slate,
            facts=tuple(fact.text for fact in context.facts) if features.facts else (),
        )

    def _count(self, reply: Reply, slate: Slate) -> None:
        self._metrics.replies.labels(reply.source.value, str(reply.degraded).lower()).inc()
        if reply.source in (Source.RETRIEVAL, Source.GENERATOR):
            self._metrics.reply_candidates.observe(0 if slate.late else slate.n)
        for stage in slate.late:
            self._metrics.late.labels(stage).inc()
        for reason in screen.reasons_of(slate.candidates):
            self._metrics.filtered.labels(reason).inc()


def _timed(impression: Impression, timer: StageTimer) -> Impression:
    return replace(impression, slate=replace(impression.slate, timings_ms=timer.times_ms))
