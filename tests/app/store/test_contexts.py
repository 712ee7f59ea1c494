"""Begin and finish: what is saved, what comes back, and what a repeated request changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import redis

from app.domain import Feeling, ReactionKind, Speaker
from app.errors import (
    IdempotencyMismatch,
    InFlight,
    NotFound,
    Unauthenticated,
)
from app.store import ids
from app.store.contexts import BeginRequest, FinishRequest
from app.store.keys import PersonKeys

KEYS = ("m:1", "k:abc")


def test_a_message_and_its_answer_come_back_in_order(chat: Any, clock: Any) -> None:
    first = chat.say("I have a dog", answer="What is its name?")
    clock.tick()
    context = chat.begin("Rex", first.conversation_id).context
    assert chat.texts(context) == ["I have a dog", "What is its name?", "Rex"]
    assert [turn.seq for turn in context.turns] == [1, 2, 3]
    assert context.message == context.turns[-1]
    assert context.message.speaker is Speaker.PERSON
    assert context.turns[1].answers == context.turns[0].turn_id
    assert context.turns[1].reply_id == first.reply_id
    assert context.recent_replies == ("What is its name?",)
    assert not context.crisis


def test_the_impression_is_kept_whole(chat: Any) -> None:
    context = chat.begin("hello?").context
    impression = chat.impression(
        context, "hi", variants={"tone": "warm"}, versions={"generator": "g1"}, explored=True
    )
    reply = chat.store.contexts.finish(FinishRequest(context, impression))
    assert reply == impression.reply
    assert chat.store.impressions.get(chat.user_id, reply.reply_id) == impression
    assert chat.store.impressions.find(reply.reply_id) == impression


def test_a_retry_gets_the_stored_reply_and_writes_nothing(
    chat: Any, empty_redis: redis.Redis
) -> None:
    reply = chat.say("hi", keys=KEYS)
    events = empty_redis.xlen(PersonKeys(chat.user_id).events)
    for keys in (KEYS, KEYS[:1], KEYS[1:]):
        begun = chat.begin("hi", keys=keys)
        assert begun.stored == reply
    assert len(chat.turns(reply.conversation_id)) == 2
    assert empty_redis.xlen(PersonKeys(chat.user_id).events) == events == 1


def test_a_second_key_of_a_stored_message_is_bound_to_it(chat: Any) -> None:
    reply = chat.say("hi", keys=("m:1",))
    assert chat.begin("hi", keys=("m:1", "k:new")).stored == reply
    with pytest.raises(IdempotencyMismatch):
        chat.begin("other", keys=("k:new",), fingerprint="other body")


def test_the_same_key_with_another_body_is_refused(chat: Any) -> None:
    chat.say("hi", keys=KEYS)
    with pytest.raises(IdempotencyMismatch):
        chat.begin("hi!", keys=("m:2", "k:abc"), fingerprint="other body")


def test_a_request_in_flight_is_refused_until_its_lease_ends(chat: Any, clock: Any) -> None:
    context = chat.begin("hi", keys=KEYS).context
    clock.tick(10)
    with pytest.raises(InFlight) as refused:
        chat.begin("hi", keys=KEYS)
    assert refused.value.retry_after == pytest.approx(20, abs=0.01)
    with pytest.raises(IdempotencyMismatch):
        chat.begin("hi", keys=KEYS, fingerprint="other body")
    clock.tick(21)
    resumed = chat.begin("hi", keys=KEYS).context
    assert resumed.message == context.message
    assert resumed.conversation_id == context.conversation_id
    assert [view.turn.text for view in chat.turns(context.conversation_id)] == ["hi"]


def test_after_the_lease_the_first_answer_counts(chat: Any, clock: Any) -> None:
    slow = chat.begin("hi", keys=KEYS).context
    clock.tick(31)
    retry = chat.begin("hi", keys=KEYS).context
    reply = chat.finish(retry, "from the retry", KEYS)
    assert chat.finish(slow, "from the slow one", KEYS) == reply
    texts = [view.turn.text for view in chat.turns(slow.conversation_id)]
    assert texts == ["hi", "from the retry"]


def test_giving_up_late_ends_nothing_of_the_retry(chat: Any, clock: Any) -> None:
    slow = chat.begin("hi", keys=KEYS).context
    clock.tick(31)
    retry = chat.begin("hi", keys=KEYS).context
    chat.store.contexts.abandon(slow, KEYS)
    with pytest.raises(InFlight):
        chat.begin("hi", keys=KEYS)
    chat.store.contexts.abandon(retry, KEYS)
    third = chat.begin("hi", keys=KEYS).context
    assert third.message == slow.message
    assert len({slow.attempt, retry.attempt, third.attempt}) == 3


def test_an_answer_that_came_second_is_remembered_under_all_its_keys(chat: Any, clock: Any) -> None:
    slow = chat.begin("hi", keys=("m:1", "k:old")).context
    clock.tick(31)
    retry = chat.begin("hi", keys=("m:1", "k:new")).context
    reply = chat.finish(slow, "first", ("m:1", "k:old"))
    assert chat.finish(retry, "second", ("m:1", "k:new")) == reply
    for key in ("m:1", "k:old", "k:new"):
        assert chat.begin("hi", keys=(key,)).stored == reply


def test_an_abandoned_message_is_resumed_at_once(chat: Any) -> None:
    context = chat.begin("hi", keys=KEYS).context
    chat.store.contexts.abandon(context, KEYS)
    resumed = chat.begin("hi", keys=KEYS).context
    assert resumed.message.turn_id == context.message.turn_id
    reply = chat.finish(resumed, "hello", KEYS)
    chat.store.contexts.abandon(context, KEYS)  # too late: the answer stays
    assert chat.begin("hi", keys=KEYS).stored == reply
    assert len(chat.turns(context.conversation_id)) == 2


def test_a_resumed_message_is_answered_as_of_its_own_place(chat: Any) -> None:
    conversation = chat.say("one").conversation_id
    context = chat.begin("two", conversation, KEYS).context
    chat.say("three", conversation)
    chat.store.contexts.abandon(context, KEYS)
    resumed = chat.begin("two", conversation, KEYS).context
    assert chat.texts(resumed) == ["one", "hello", "two"]


def test_finish_twice_changes_nothing(chat: Any, empty_redis: redis.Redis) -> None:
    context = chat.begin("hi").context
    request = FinishRequest(context, chat.impression(context))
    assert chat.store.contexts.finish(request) == chat.store.contexts.finish(request)
    assert len(chat.turns(context.conversation_id)) == 2
    assert empty_redis.xlen(PersonKeys(chat.user_id).events) == 1


def test_anothers_conversation_is_not_found(chat: Any, new_chat: Any) -> None:
    mine, other = chat.say("mine").conversation_id, new_chat()
    for call in (
        lambda: other.begin("let me in", mine),
        lambda: other.turns(mine),
        lambda: other.store.contexts.feedback(other.user_id, mine, Feeling.BETTER),
    ):
        with pytest.raises(NotFound):
            call()
    assert len(chat.turns(mine)) == 2


def test_within_one_partition_anothers_conversation_is_not_found(chat_with: Any) -> None:
    one, other = chat_with(partitions=1), chat_with(partitions=1)
    reply = one.say("mine")
    context = replace(other.begin("mine").context, conversation_id=reply.conversation_id)
    for call in (
        lambda: other.begin("let me in", reply.conversation_id),
        lambda: other.turns(reply.conversation_id),
        lambda: other.finish(context, "let me answer"),
        lambda: other.store.impressions.get(other.user_id, reply.reply_id),
        lambda: other.store.contexts.feedback(other.user_id, reply.conversation_id, Feeling.BETTER),
        lambda: other.store.reactions.react(other.user_id, reply.reply_id, ReactionKind.LOVE),
        lambda: other.store.reactions.retract(other.user_id, reply.reply_id),
    ):
        with pytest.raises(NotFound):
            call()
    assert len(one.turns(reply.conversation_id)) == 2


@pytest.mark.parametrize("conversation", ["", "nonsense", "c00" + "0" * 26])
def test_a_conversation_that_is_none_is_not_found(chat: Any, conversation: str) -> None:
    with pytest.raises(NotFound):
        chat.begin("hi", conversation or "c")


def test_revoked_and_unknown_people_are_refused(chat: Any) -> None:
    store, person = chat.store, chat.person
    store.people.check(person.user_id, person.generation)
    assert store.people.revoke(person.user_id) == person.generation + 1
    with pytest.raises(Unauthenticated):
        store.people.check(person.user_id, person.generation)
    with pytest.raises(Unauthenticated):
        chat.begin("hi")
    unknown = ids.make("u", 1, 1.0)
    with pytest.raises(Unauthenticated):
        store.contexts.begin(BeginRequest(unknown, 1, None, "hi"))
    for user_id in (unknown, "nonsense"):
        with pytest.raises(Unauthenticated):
            store.people.check(user_id, 1)
    with pytest.raises(NotFound):
        store.people.revoke(unknown)


def test_a_crisis_marks_the_conversation_for_good(chat: Any) -> None:
    reply = chat.say("I want to end it", crisis=True)
    chat.say("thanks", reply.conversation_id)
    assert chat.begin("hi", reply.conversation_id).context.crisis
    assert not chat.begin("hi").context.crisis
    marked = [c.crisis for c in chat.store.contexts.conversations(chat.user_id, None, 10).items]
    assert sorted(marked) == [False, True]


def test_a_crisis_is_marked_when_it_is_said_and_not_only_when_it_is_answered(
    chat: Any, clock: Any
) -> None:
    begun = chat.begin("I want to end it", keys=KEYS, crisis=True).context
    assert not begun.crisis  # nothing was marked before
    found, _ = chat.store.contexts.conversation(chat.user_id, begun.conversation_id, None, 1)
    assert found.crisis
    clock.tick(31)
    assert not chat.begin("I want to end it", keys=KEYS, crisis=True).context.crisis
    assert chat.begin("and now?", begun.conversation_id).context.crisis
    assert chat.begin("again", begun.conversation_id, crisis=True).context.crisis
