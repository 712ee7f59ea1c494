"""POST /v1/chat, and another reply to the same message."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import partial

from flask import Blueprint, Response, request

from app.dialog.care.regions import region_of
from app.dialog.pipeline import ChatRequest
from app.dialog.unremembered import SentLine
from app.domain import Reply
from app.errors import (
    Conflict,
    FieldError,
    IdempotencyMismatch,
    InFlight,
    InputError,
    NotFound,
    Overloaded,
    QuotaExceeded,
    StoreUnavailable,
)
from app.store import ids
from app.telemetry import get_logger
from app.web import sse
from app.web.auth import SOMEBODY, Auth, address
from app.web.idempotency import REPLAYED, fingerprint
from app.web.limits import Exceeded
from app.web.operation import Answer, Call, Headers, Operation, Result
from app.web.routes import Edge, Routes
from app.web.schemas.chat import SENT_CHARS_MAX, ChatIn, ReplyOut
from app.web.text import normalised

_CONNECTION = "gunicorn.socket"  # of the environment; elsewhere nobody is watched
_UNSEEN_MAX = 4  # times as long as a message may be, with all that is left out of it

CHAT = Operation(
    summary="Say something to Kindred",
    description="With `Accept: text/event-stream` the answer is a stream of events: `typing` at "
    "once, then `reply` with the same JSON, or `error` with a problem object. `message_id`, and "
    "`Idempotency-Key` too, make a retry get the reply that was already given. While Kindred's "
    "memory is away the answer comes from `context` alone: `degraded`, and not `saved`.",
    tag="chat",
    auth=Auth.CHAT,
    body=ChatIn,
    answers={200: Answer("The reply", ReplyOut, also=(sse.MEDIA_TYPE,))},
    problems=(NotFound, InFlight, IdempotencyMismatch, QuotaExceeded, Overloaded),
    keeps_keys=True,
)
ALTERNATIVE = Operation(
    summary="The next best reply to the same message",
    description="A new impression; asked again for the same reply, the same one.",
    tag="chat",
    auth=Auth.PERSON,
    answers={200: Answer("The other reply", ReplyOut)},
    problems=(NotFound, Conflict),
)


def blueprint(edge: Edge) -> Blueprint:
    """The chat routes."""
    routes = Routes("chat", edge)
    views = _Chat(edge)
    routes.add("POST", "/v1/chat", views.chat, CHAT)
    routes.add("POST", "/v1/replies/<reply_id>/alternative", views.alternative, ALTERNATIVE)
    return routes.blueprint


class _Chat:
    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._services = edge.services
        self._log = get_logger("web")

    def chat(self, call: Call) -> Result | Response:
        """Crisis words first: such a message is refused by no quota and by no load."""
        try:
            asked = self._request(call)
        except InputError:  # it speaks of nothing, and counts as any other
            self._edge.quotas.message(call.person.user_id, address(request))
            raise
        started = time.time()
        asked, headers = self._admitted(asked)
        if sse.wanted(request):
            return sse.stream(
                lambda: ReplyOut.of(self._streamed(asked)), self._services.metrics, headers
            )
        reply = self._reply(asked)
        replayed = bool(asked.keys) and reply.created_at < started
        return Result(
            ReplyOut.of(reply), headers={**headers, **({REPLAYED: "true"} if replayed else {})}
        )

    def alternative(self, call: Call, reply_id: str) -> Result:
        """Another candidate of the slate."""
        reply = self._services.companion.alternative(call.person.user_id, reply_id)
        return Result(ReplyOut.of(reply))

    def _admitted(self, asked: ChatRequest) -> tuple[ChatRequest, Headers]:
        """The message, read and counted, with the headers to send.

        A crisis beyond a quota is answered, and not kept: to write it down costs others more than
        to say where help is.

        Raises:
            Exceeded: it is no crisis, and beyond a quota.
            StoreUnavailable: it is none, and nobody can tell now who asks.
        """
        quotas, person = self._edge.quotas, asked.user_id
        with quotas.reading(person, asked.source) as room:
            read = partial(self._services.read, source=None)
            asked = asked if room else replace(asked, read=read)
            crisis = asked.reading.crisis
        if crisis:
            try:
                quotas.message(person, asked.source)
            except Exceeded:
                asked = asked.otherwise(kept=False)
            return asked, {}
        if person == SOMEBODY:
            raise StoreUnavailable(retry_after=1.0)
        return asked, quotas.message(person, asked.source)

    def _reply(self, asked: ChatRequest) -> Reply:
        with self._edge.quotas.under_way.one(asked.user_id) as place:
            if not place and not asked.reading.crisis:
                raise QuotaExceeded("You have too many messages under way.", retry_after=1.0)
            asked = asked if place else asked.otherwise(kept=False)
            reply = self._services.companion.reply(asked)
        self._log.info("replied", reply_id=reply.reply_id, source=reply.source.value)
        theirs = asked.conversation_id in (None, reply.conversation_id)
        known = asked.user_id != SOMEBODY  # whose it is, nobody can tell of whom nobody can name
        if known and not theirs and not ids.is_unsaved(asked.conversation_id or ""):
            # A crisis is answered all the same, in a conversation of their own.
            self._edge.events.note("not-theirs", asked.user_id)
        return reply

    def _streamed(self, asked: ChatRequest) -> Reply:
        """As `_reply`; what routes note of an error, nobody else notes within a stream."""
        try:
            return self._reply(asked)
        except NotFound:
            self._edge.events.note("not-theirs", asked.user_id)
            raise

    def _request(self, call: Call) -> ChatRequest:
        sent = call.body(ChatIn)
        message, source = self._message(sent.message), address(request)
        asked = ChatRequest(
            user_id=call.person.user_id,
            generation=call.person.generation,
            message=message,
            conversation_id=sent.conversation_id,
            read=partial(self._services.read, source=source),
            sent=partial(_lines, sent),
            region=region_of(sent.locale, request.headers.get("Accept-Language")),
            source=source,
        )
        names = (("m", sent.message_id), ("k", call.idempotency_key))
        keys = tuple(f"{kind}:{name}" for kind, name in names if name is not None)
        # Of what it says, not of its bytes: a retry may be another program's spelling of it.
        print_ = fingerprint("chat", json.dumps([message, sent.conversation_id]))
        attended = partial(self._services.attend, request.environ.get(_CONNECTION))
        return replace(asked, keys=keys, fingerprint=print_, attended=attended)

    def _message(self, text: str) -> str:
        most = self._services.settings.message_chars_max
        if len(text) > _UNSEEN_MAX * most:
            raise _bad_message(f"has {len(text)} characters; at most {most} are read")
        message = normalised(text)
        if not message:
            raise _bad_message("is empty once what cannot be seen is left out")
        if len(message) > most:
            raise _bad_message(f"has {len(message)} characters; at most {most} are read")
        return message


def _lines(sent: ChatIn) -> tuple[SentLine, ...]:
    """What the client says was said before, in one spelling as messages are; nothing empty.

    The newest lines of `SENT_CHARS_MAX` in all: a body has room for so many that to read them would
    hold everybody up for a second.
    """
    lines: list[SentLine] = []
    room = SENT_CHARS_MAX
    for line in reversed(sent.context or ()):
        room -= len(line.text)
        if room < 0:
            break
        if text := normalised(line.text):
            lines.append(SentLine(line.speaker, text))
    return tuple(reversed(lines))


def _bad_message(detail: str) -> InputError:
    return InputError(f"/message: {detail}", [FieldError(detail, "/message")])
