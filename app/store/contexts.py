"""Answering a message, as the store sees it: begin, then finish or abandon; one script each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, cast

from app.domain import (
    Conversation,
    FactChange,
    Feeling,
    Impression,
    NoticeKind,
    Page,
    Reply,
    Speaker,
    Turn,
    UserContext,
)
from app.errors import (
    IdempotencyMismatch,
    InFlight,
    NotFound,
    StoreUnavailable,
    Unauthenticated,
)
from app.store import beginning, conversations, feelings, ids, impressions, marks, profile, traits
from app.store.asked import Asked
from app.store.beginning import BeginRequest, Begun
from app.store.conversations import TurnView
from app.store.core import Core
from app.store.keys import PersonKeys
from app.store.link.client import Argument


@dataclass(frozen=True, slots=True)
class FinishRequest:
    """The reply to a begun message, with what it changes."""

    context: UserContext
    impression: Impression
    facts: FactChange = field(default_factory=FactChange)
    keys: tuple[str, ...] = ()
    fingerprint: str = ""
    crisis: bool = False  # marks the conversation


class Contexts:
    """The conversations of people."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def begin(self, request: BeginRequest) -> Begun:
        """Save the person's turn and read what answering it needs, in one round trip.

        The keys of an attempt that did not end belong to it for 30 seconds; then a retry answers
        the turn that was saved, and saves no second one.

        Raises:
            Unauthenticated: the person is unknown or erased, or the generation was revoked.
            NotFound: no such conversation of this person.
            InFlight, IdempotencyMismatch: see `errors`.
            StoreUnavailable: Redis or the key store is away.
        """
        cipher = self._core.cipher(request.user_id)
        now = self._core.clock()
        new = request.conversation_id is None
        conversation_id = request.conversation_id or ids.near(
            ids.CONVERSATION, request.user_id, now
        )
        ids.require(ids.CONVERSATION, conversation_id, request.user_id)
        turn = Turn(ids.near(ids.TURN, request.user_id, now), 0, Speaker.PERSON, request.text, now)
        answer = beginning.begin(self._core, request, cipher, conversation_id, turn, new=new)
        if answer[0] == b"elsewhere":  # saved by an earlier attempt, in the conversation it made
            conversation_id = answer[1].decode()
            answer = beginning.begin(self._core, request, cipher, conversation_id, turn, new=False)
        if answer[0] == b"stored":
            stored = impressions.open_answer(self._core, cipher, request.user_id, answer[1])
            context = UserContext(request.user_id, stored.conversation_id, turn, (turn,))
            return Begun(context, stored)
        if answer[0] == b"unauthenticated":
            self._core.refused.add(request.user_id, request.generation)
        if answer[0] != b"ok":
            _refuse(answer, now)
        self._drop(request.user_id, answer[7])
        context = beginning.context_of(self._core, request.user_id, cipher, conversation_id, answer)
        return Begun(replace(context, attempt=turn.turn_id))

    def finish(self, request: FinishRequest) -> Reply:
        """Write the reply with all that belongs to it, in one round trip.

        Returns the reply that counts: another attempt's, where it was first. Calling it again with
        the same impression changes nothing.

        Raises:
            Unauthenticated: the person was erased meanwhile.
            NotFound: the conversation is gone.
            StoreUnavailable: Redis or the key store is away.
        """
        context, impression = request.context, request.impression
        cipher = self._core.cipher(context.user_id)
        keys = PersonKeys(context.user_id)
        names, arguments = impressions.show(self._core, cipher, impression)
        fingerprint = cipher.digest(request.fingerprint)
        shown = {notice.kind for notice in impression.reply.notices}
        arguments += [
            fingerprint,
            impressions.seal_answer(cipher, context.user_id, impression.reply),
            self._core.idempotency_ttl,
            int(request.crisis or context.crisis),
            self._core.settings.facts_max,
            int(NoticeKind.AI_DISCLOSURE in shown),
            int(NoticeKind.BREAK in shown),
            context.marks,
            marks.settled(self._core, cipher, context, crisis=request.crisis),
            *profile.fact_arguments(cipher, context.user_id, request.facts),
        ]
        names += [keys.facts, *map(keys.idempotency, request.keys)]
        answer = self._core.client.run("finish", names, arguments)
        if answer[0] == b"stored":
            return impressions.open_answer(self._core, cipher, context.user_id, answer[1])
        if answer[0] != b"ok":
            _refuse(answer, self._core.clock())
        return impression.reply

    def abandon(self, context: UserContext, keys: Sequence[str]) -> None:
        """Give the attempt up: a retry with these keys may answer the saved turn at once.

        Where a retry has followed already, the keys are the retry's and stay so.
        """
        if keys:
            names = PersonKeys(context.user_id)
            self._core.client.run("abandon", list(map(names.idempotency, keys)), [context.attempt])

    def is_minor(self, user_id: str) -> bool:
        """Whether the person ever said that they are under 18 (Unauthenticated: erased)."""
        cipher = self._core.cipher(user_id)
        with self._core.client.guard() as connection:
            sealed = cast("bytes | None", connection.hget(PersonKeys(user_id).person, "traits"))
        return sealed is not None and traits.minor(self._core, cipher, user_id, sealed)

    def conversations(self, user_id: str, cursor: str | None, limit: int) -> Page:
        """The person's conversations (`Conversation`), the last used first."""
        return conversations.page(self._core, user_id, cursor, limit)

    def conversation(
        self, user_id: str, conversation_id: str, cursor: str | None, limit: int
    ) -> tuple[Conversation, Page]:
        """One conversation and a page of its turns (`TurnView`).

        The first page holds the last turns; within a page turns are in order, and the next cursor
        leads to earlier ones. NotFound: no such conversation of this person.
        """
        return conversations.turns_page(self._core, user_id, conversation_id, cursor, limit)

    def feedback(
        self, user_id: str, conversation_id: str, feeling: Feeling, asked: Asked | None = None
    ) -> None:
        """Note how the person feels after a conversation; a change is an event.

        Raises:
            NotFound: no such conversation of this person.
            Unauthenticated: the person was erased, or the token's generation was revoked.
            StoreUnavailable: Redis or the key store is away.
        """
        keys, asked = PersonKeys(user_id), asked or Asked()
        ids.require(ids.CONVERSATION, conversation_id, user_id)
        cipher, now = self._core.cipher(user_id), self._core.clock()
        names = [keys.person, keys.conversation(conversation_id), keys.events, keys.owned]
        arguments: list[Argument] = [
            asked.milliseconds(now),
            user_id,
            conversation_id,
            feelings.hidden(cipher, conversation_id, feeling),
            self._core.ttl,
            self._core.settings.events_max,
            now,
            self._core.reaction_ttl,
            *asked.arguments(),
        ]
        answer = self._core.client.run("feel", names, [*arguments, "", ""])
        while answer[0] == b"clear":  # an earlier release noted that word
            word = answer[1].decode()
            known = [word, feelings.hidden(cipher, conversation_id, word)]
            answer = self._core.client.run("feel", names, [*arguments, *known])
        if answer[0] != b"ok":
            _refuse(answer, now)

    def _drop(self, user_id: str, dropped: list[bytes]) -> None:
        """Delete conversations that the list no longer holds.

        Where this fails they expire by themselves, and the message is answered all the same.
        """
        if not dropped:
            return
        keys = PersonKeys(user_id)
        listed = [item.decode() for item in dropped]
        names = [keys.conversations, keys.owned]
        for conversation_id in listed:
            names += [keys.conversation(conversation_id), keys.turns(conversation_id)]
        try:
            self._core.client.run("drop", names, listed)
        except StoreUnavailable:
            return


def _refuse(answer: list[Any], now: float) -> NoReturn:
    word = answer[0].decode()
    if word == "unauthenticated":
        raise Unauthenticated
    if word == "mismatch":
        raise IdempotencyMismatch
    if word == "in-flight":
        raise InFlight(retry_after=max(1.0, float(answer[1]) - now))
    raise NotFound


__all__ = ["BeginRequest", "Begun", "Contexts", "FinishRequest", "TurnView"]
