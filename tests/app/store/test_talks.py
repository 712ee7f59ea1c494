"""How long somebody talks, what was disclosed, who said to be a minor: kept on the way."""

from __future__ import annotations

from dataclasses import replace

import pytest
import redis

from app.domain import Notice, NoticeKind, UserContext
from app.errors import Unauthenticated
from app.store.contexts import BeginRequest, FinishRequest
from app.store.core import PAUSE_SECONDS
from app.store.store import Store
from tests.app.store.conftest import Chat, Clock

DISCLOSURE = Notice(NoticeKind.AI_DISCLOSURE, "Kindred is an AI.")
BREAK = Notice(NoticeKind.BREAK, "A pause may do you good.")


def say(chat: Chat, conversation: str | None = None, *notices: Notice, **more: bool) -> UserContext:
    """Begin and finish one message; the context that it was answered from."""
    request = BeginRequest(chat.user_id, chat.person.generation, conversation, "hi", **more)
    context = chat.store.contexts.begin(request).context
    impression = chat.impression(context)
    reply = replace(impression.reply, notices=notices)
    chat.store.contexts.finish(FinishRequest(context, replace(impression, reply=reply)))
    return context


def test_a_talk_goes_on_until_a_pause(chat: Chat, clock: Clock) -> None:
    began = clock.now
    conversation = say(chat).conversation_id
    clock.tick(PAUSE_SECONDS)
    assert say(chat, conversation).talking_since == pytest.approx(began)
    clock.tick(PAUSE_SECONDS - 1)
    assert say(chat).talking_since == pytest.approx(began), "another conversation, the same talk"
    clock.tick(PAUSE_SECONDS + 1)
    assert say(chat, conversation).talking_since == pytest.approx(clock.now)


def test_a_break_begins_the_count_anew_and_a_disclosure_is_the_conversations(
    chat: Chat, clock: Clock
) -> None:
    first = say(chat, None, DISCLOSURE)
    assert first.disclosed_at is None
    at = clock.now
    clock.tick(60)
    second = say(chat, first.conversation_id, BREAK)
    assert second.disclosed_at == pytest.approx(at)
    reminded = clock.now
    clock.tick(60)
    third = say(chat, first.conversation_id)
    assert third.talking_since == pytest.approx(reminded)
    assert third.disclosed_at == pytest.approx(at)
    assert say(chat).disclosed_at is None


def test_who_said_to_be_a_minor_stays_one_and_nobody_can_read_it(
    chat: Chat, new_chat: object, empty_redis: redis.Redis, store: Store
) -> None:
    before = say(chat)
    assert not before.minor
    name = f"kindred:{{p{int(chat.user_id[1:3], 16):02x}}}:person:{chat.user_id}"
    plain = empty_redis.hget(name, "traits")
    assert say(chat, minor=True).minor
    assert say(chat, before.conversation_id).minor, "said once, in whichever conversation"
    assert store.contexts.is_minor(chat.user_id)
    sealed = empty_redis.hget(name, "traits")
    assert plain != sealed
    assert len(plain) == len(sealed), "neither the field nor its length tells anything"
    assert b"minor" not in sealed


def test_where_the_mark_cannot_be_read_the_person_is_treated_as_a_minor(
    chat: Chat, empty_redis: redis.Redis
) -> None:
    say(chat)
    [name] = empty_redis.keys("*:person:*")
    empty_redis.hset(name, "traits", b"not sealed by anybody")
    assert say(chat).minor


def test_notices_come_again_with_a_stored_answer(chat: Chat, store: Store) -> None:
    context = chat.begin(keys=("m:1",)).context
    impression = chat.impression(context)
    reply = replace(impression.reply, notices=(DISCLOSURE, BREAK))
    store.contexts.finish(
        FinishRequest(context, replace(impression, reply=reply), keys=("m:1",), fingerprint="body")
    )
    assert chat.begin(keys=("m:1",)).stored == reply
    assert store.impressions.get(chat.user_id, reply.reply_id).reply.notices == reply.notices


def test_erasure_leaves_no_trace_of_it(chat: Chat, store: Store, empty_redis: redis.Redis) -> None:
    say(chat, minor=True)
    [name] = empty_redis.keys("*:person:*")
    store.people.erase(chat.user_id)
    assert not {b"traits", b"seen", b"since"} & set(empty_redis.hkeys(name))
    with pytest.raises(Unauthenticated):
        store.contexts.is_minor(chat.user_id)
