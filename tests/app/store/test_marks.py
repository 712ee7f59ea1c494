"""That somebody was in danger, and how they felt, is told by neither words nor shapes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from app.domain import Feeling
from app.store import marks
from app.store.keys import PersonKeys
from app.store.sealing.codec import Cipher
from tests.app.store.conftest import Chat, Clock
from tests.app.store.privacy.test_privacy import values

REWRITING = ("in_progress", "scheduled")
WORDS = [b"crisis", *(feeling.encode() for feeling in Feeling)]


def marks_of(chat: Chat, client: redis.Redis, conversation: str) -> bytes:
    return bytes(client.hget(PersonKeys(chat.user_id).conversation(conversation), "marks"))


def is_marked(chat: Chat, conversation: str) -> bool:
    found, _ = chat.store.contexts.conversation(chat.user_id, conversation, None, 1)
    (listed,) = [
        each
        for each in chat.store.contexts.conversations(chat.user_id, None, 100).items
        if each.conversation_id == conversation
    ]
    assert listed.crisis == found.crisis
    return found.crisis


def appended(folder: Path) -> bytes:
    """What Redis has logged, command by command, since it last wrote its log anew."""
    files = [*folder.rglob("*.incr.aof")] or [*folder.rglob("appendonly.aof")]
    return max(files, key=lambda file: file.stat().st_mtime_ns).read_bytes()


def settled(client: redis.Redis) -> None:
    """Once Redis writes no log anew, as it does after a person of an earlier test was erased."""
    end = time.monotonic() + 20
    while any(client.info("persistence")[f"aof_rewrite_{state}"] for state in REWRITING):
        assert time.monotonic() < end
        time.sleep(0.05)


def commands(log: bytes) -> Iterator[list[bytes]]:
    """The commands of a log in the protocol of Redis."""
    at = 0
    while at < len(log):
        end = log.index(b"\r\n", at)
        count, at = int(log[at + 1 : end]), end + 2
        parts = []
        for _ in range(count):
            end = log.index(b"\r\n", at)
            size = int(log[at + 1 : end])
            parts.append(log[end + 2 : end + 2 + size])
            at = end + 4 + size
        yield parts


def talk(chat: Chat, feeling: Feeling, *, crisis: bool) -> str:
    """Three messages, the first perhaps a crisis, and how they felt after it."""
    context = chat.begin("i am here", crisis=crisis).context
    chat.finish(context, crisis=crisis)
    place = context.conversation_id
    for text in ("and then", "so it is"):
        context = chat.begin(text, place).context
        assert context.crisis is crisis
        chat.finish(context, crisis=context.crisis)
    chat.store.contexts.feedback(chat.user_id, place, feeling)
    return place


def test_what_redis_writes_is_the_same_whether_anybody_is_in_danger(
    chat: Chat, empty_redis: redis.Redis, redis_server: Any
) -> None:
    folder = Path(redis_server.socket).parent
    settled(empty_redis)
    for _ in range(3):  # what only the first talk of a person writes; counts get two digits
        talk(chat, Feeling.SAME, crisis=False)
    start = len(appended(folder))
    calm = talk(chat, Feeling.BETTER, crisis=False)
    between = len(appended(folder))
    danger = talk(chat, Feeling.WORSE, crisis=True)
    whole = appended(folder)

    shapes = [
        [(parts[0], [len(part) for part in parts]) for parts in commands(log)]
        for log in (whole[start:between], whole[between:])
    ]
    assert len(shapes[0]) > 60
    assert shapes[0] == shapes[1]
    logged = [part for parts in commands(whole[start:]) for part in parts]
    assert b"marks" in logged
    assert [part for part in logged if part in WORDS] == []

    keys = PersonKeys(chat.user_id)
    hashes = [empty_redis.hgetall(keys.conversation(place)) for place in (calm, danger)]
    lengths = [{name: len(value) for name, value in fields.items()} for fields in hashes]
    assert lengths[0] == lengths[1]
    assert b"feeling" in lengths[0]
    assert [value for value in values(empty_redis) if value in WORDS] == []
    assert [is_marked(chat, place) for place in (calm, danger)] == [False, True]
    felt = {
        each.conversation_id: each.feeling
        for each in chat.store.contexts.conversations(chat.user_id, None, 10).items
    }
    assert (felt[calm], felt[danger]) == (Feeling.BETTER, Feeling.WORSE)


@pytest.mark.parametrize("last", ["calm", "danger"])
def test_of_two_messages_at_once_neither_takes_the_mark_away(
    chat: Chat, empty_redis: redis.Redis, last: str
) -> None:
    place = chat.say("hi").conversation_id
    calm = chat.begin("one", place).context
    danger = chat.begin("two", place, crisis=True).context
    ends = [(calm, False), (danger, True)]
    for context, crisis in ends if last == "danger" else ends[::-1]:
        chat.finish(context, crisis=crisis)
        assert is_marked(chat, place)
    assert chat.begin("three", place).context.crisis


def test_a_crisis_that_was_never_answered_stays_and_the_marks_become_one(
    chat: Chat, empty_redis: redis.Redis
) -> None:
    place = chat.say("hi").conversation_id
    one = len(marks_of(chat, empty_redis, place))
    chat.begin("nobody answered this", place, crisis=True)
    for i in range(5):
        chat.begin(f"nor this {i}", place)
    assert len(marks_of(chat, empty_redis, place)) == 7 * one
    chat.say("hello?", place)
    assert len(marks_of(chat, empty_redis, place)) == one
    assert is_marked(chat, place)


@pytest.mark.parametrize("crisis", [False, True])
def test_messages_that_always_overlap_leave_no_marks_behind(
    chat: Chat, empty_redis: redis.Redis, crisis: bool
) -> None:
    place = chat.say("hi").conversation_id
    one = len(marks_of(chat, empty_redis, place))
    waiting = [chat.begin("first", place).context, chat.begin("second", place).context]
    for i in range(40):  # none is answered before another has begun
        waiting.append(chat.begin(f"message {i}", place, crisis=crisis).context)
        chat.finish(waiting.pop(0), crisis=crisis)
    assert len(marks_of(chat, empty_redis, place)) <= 5 * one
    assert is_marked(chat, place) is crisis
    chat.say("alone", place)
    assert len(marks_of(chat, empty_redis, place)) == one


def test_marks_are_bounded_but_a_crisis_always_adds_its_own(
    chat: Chat, empty_redis: redis.Redis
) -> None:
    place = chat.say("hi").conversation_id
    for i in range(70):
        chat.begin(f"unanswered {i}", place)
    assert len(marks_of(chat, empty_redis, place)) == marks.BYTES_MAX
    assert not is_marked(chat, place)
    chat.begin("help", place, crisis=True)
    assert is_marked(chat, place)
    assert chat.begin("and now", place).context.crisis


@pytest.mark.parametrize("broken", ["cut", "foreign"])
def test_what_does_not_open_is_taken_for_a_mark(
    chat: Chat, empty_redis: redis.Redis, metrics: Any, broken: str
) -> None:
    place = chat.say("hi").conversation_id
    found = marks_of(chat, empty_redis, place)
    sealed = marks.seal(Cipher(bytes(32)), place, crisis=False)
    other = found[:-1] if broken == "cut" else found[: -len(sealed)] + sealed
    empty_redis.hset(PersonKeys(chat.user_id).conversation(place), "marks", other)
    assert is_marked(chat, place)
    assert chat.begin("more", place).context.crisis
    assert metrics.failures.labels("store.unreadable")._value.get() >= 2


def test_a_mark_of_an_earlier_release_is_read_and_sealed_with_the_next_reply(
    chat: Chat, empty_redis: redis.Redis
) -> None:
    reply = chat.say("hi")
    place, name = (
        reply.conversation_id,
        PersonKeys(chat.user_id).conversation(reply.conversation_id),
    )
    empty_redis.hdel(name, "marks")
    empty_redis.hset(name, "crisis", chat.turns(place)[0].turn.turn_id)
    assert is_marked(chat, place)
    context = chat.begin("more", place).context
    assert context.crisis
    assert is_marked(chat, place)
    chat.finish(context)
    assert not empty_redis.hexists(name, "crisis")
    assert is_marked(chat, place)
    assert chat.begin("and more", place).context.crisis


def test_a_message_that_an_earlier_release_marked_is_not_its_own_past(
    chat: Chat, clock: Clock, empty_redis: redis.Redis
) -> None:
    begun = chat.begin("help", keys=("m:1",), crisis=True).context
    name = PersonKeys(chat.user_id).conversation(begun.conversation_id)
    empty_redis.hdel(name, "marks")
    empty_redis.hset(name, "crisis", begun.message.turn_id)
    clock.tick(31)
    again = chat.begin("help", keys=("m:1",), crisis=True).context
    assert not again.crisis
    chat.finish(again, keys=("m:1",), crisis=True)
    assert not empty_redis.hexists(name, "crisis")
    assert chat.begin("now", begun.conversation_id).context.crisis


@pytest.mark.parametrize("now", [Feeling.WORSE, Feeling.BETTER])
def test_a_feeling_of_an_earlier_release_is_read_and_hidden_with_the_next_one(
    chat: Chat, empty_redis: redis.Redis, now: Feeling
) -> None:
    place = chat.say("hi").conversation_id
    keys = PersonKeys(chat.user_id)
    empty_redis.hset(keys.conversation(place), "feeling", "worse")
    event = {"type": "feeling", "user": chat.user_id, "conversation": place}
    old = empty_redis.xadd(keys.events, {**event, "feeling": "worse", "previous": ""})
    found, _ = chat.store.contexts.conversation(chat.user_id, place, None, 1)
    assert found.feeling is Feeling.WORSE
    chat.store.contexts.feedback(chat.user_id, place, now)
    found, _ = chat.store.contexts.conversation(chat.user_id, place, None, 1)
    assert found.feeling is now
    told = [entry.fields for entry in chat.store.personal.events(chat.user_id)]
    felt = [(e.get("previous"), e["feeling"]) for e in told if e["type"] == "feeling"]
    assert felt == [(None, "worse"), ("worse", "better")][: 1 if now is Feeling.WORSE else 2]
    empty_redis.xdel(keys.events, old)
    assert [value for value in values(empty_redis) if value in WORDS] == []


def test_a_feeling_of_another_conversation_is_left_out_and_counted(
    chat: Chat, empty_redis: redis.Redis, metrics: Any
) -> None:
    one, two = chat.say("one").conversation_id, chat.say("two").conversation_id
    keys = PersonKeys(chat.user_id)
    chat.store.contexts.feedback(chat.user_id, one, Feeling.SAME)
    moved = empty_redis.hget(keys.conversation(one), "feeling")
    empty_redis.hset(keys.conversation(two), "feeling", moved)
    found, _ = chat.store.contexts.conversation(chat.user_id, two, None, 1)
    assert found.feeling is None
    assert metrics.failures.labels("store.unreadable")._value.get() == 1
