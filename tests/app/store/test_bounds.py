"""What is kept is bounded, and every key of a person expires."""

from __future__ import annotations

from typing import Any

import redis

from app.domain import Fact, FactChange, ReactionKind, Taste
from app.store.keys import PersonKeys

WITHOUT_EXPIRY = {b"events", b"reactions", b"partitions", b"judges"}  # of no person


def fact(i: int) -> Fact:
    return Fact(f"f{i}", f"slot {i}", "likes", f"v{i}", "t", "s", "t", float(i))


def test_turns_are_bounded_by_number(chat_with: Any) -> None:
    chat = chat_with(turns_max=6)
    conversation = chat.say("m0").conversation_id
    for i in range(1, 8):
        chat.say(f"m{i}", conversation)
    views = chat.turns(conversation)
    assert [view.turn.seq for view in views] == list(range(11, 17))
    assert chat.begin("last", conversation).context.message.seq == 17


def test_turns_are_bounded_by_tokens(chat_with: Any, empty_redis: redis.Redis) -> None:
    chat = chat_with(turn_tokens_max=200)
    conversation = chat.say("x" * 300).conversation_id  # about 76 tokens, and 2 of the answer
    for _ in range(3):
        chat.say("y" * 300, conversation)
    assert [view.turn.text[0] for view in chat.turns(conversation)] == list("hyhyh")
    key = PersonKeys(chat.user_id).conversation(conversation)
    assert int(empty_redis.hget(key, "tokens")) == 2 * (76 + 2) + 2
    huge = chat.begin("z" * 4_000, conversation).context
    assert [turn.text for turn in huge.turns] == ["z" * 4_000]


def test_the_oldest_conversation_goes_with_its_keys(
    chat_with: Any, clock: Any, empty_redis: redis.Redis
) -> None:
    chat = chat_with(conversations_max=3)
    made = []
    for i in range(5):
        made.append(chat.say(f"m{i}").conversation_id)
        clock.tick()
    listed = chat.store.contexts.conversations(chat.user_id, None, 10).items
    assert [c.conversation_id for c in listed] == made[:1:-1]
    keys = PersonKeys(chat.user_id)
    for conversation in made[:2]:
        names = (keys.conversation(conversation), keys.turns(conversation))
        assert empty_redis.exists(*names) == 0
        assert [empty_redis.zscore(keys.owned, name) for name in names] == [None, None]


def test_facts_are_bounded_the_oldest_go(chat_with: Any) -> None:
    chat = chat_with(facts_max=3)
    chat.say("a", facts=FactChange(tuple(fact(i) for i in range(5))))
    chat.say("b", facts=FactChange((fact(9),)))
    assert [f.fact_id for f in chat.store.profile.facts(chat.user_id)] == ["f3", "f4", "f9"]


def test_recent_lines_are_bounded_newest_first(chat: Any) -> None:
    for i in range(35):
        chat.say("hi", answer=f"line {i}")
    recent = chat.begin("hi").context.recent_replies
    assert recent == tuple(f"line {i}" for i in range(34, 4, -1))


def test_the_stream_is_trimmed(chat_with: Any, empty_redis: redis.Redis) -> None:
    chat = chat_with(events_max=100)  # Redis trims whole nodes of about 100 entries
    keys = PersonKeys(chat.user_id)
    reply = chat.say("hi")
    for i in range(330):
        kind = (ReactionKind.LOVE, ReactionKind.FUNNY)[i % 2]
        chat.store.reactions.react(chat.user_id, reply.reply_id, kind)
    for stream in (keys.events, keys.reactions):
        assert 100 <= empty_redis.xlen(stream) < 300


def test_events_older_than_the_retention_go_once_a_day(
    chat_with: Any, clock: Any, empty_redis: redis.Redis
) -> None:
    chat = chat_with(retention_days=3, partitions=1)
    keys = PersonKeys(chat.user_id)

    def lengths() -> list[int]:
        return [empty_redis.xlen(stream) for stream in (keys.events, keys.reactions)]

    clock.now = clock.now // 86_400 * 86_400 + 3_600
    for _ in range(2):
        reply = chat.say("hi")
        chat.store.reactions.react(chat.user_id, reply.reply_id, ReactionKind.LOVE)
    clock.tick(2 * 86_400)
    reply = chat.say("still there")
    assert lengths() == [5, 2]
    clock.tick(86_400 + 60)
    chat.say("a day later")  # the reactions are trimmed when the next one comes
    assert lengths() == [2, 2]
    chat.store.reactions.react(chat.user_id, reply.reply_id, ReactionKind.LOVE)
    assert lengths() == [3, 1]
    assert [event.reply_id for event in chat.store.reactions.list().items] == [reply.reply_id]


def everything(chat: Any) -> None:
    """Leave a trace of every kind."""
    reply = chat.say("hi", keys=("m:1", "k:2"), facts=FactChange((fact(1),)))
    chat.begin("pending", reply.conversation_id, keys=("m:3",))
    taste = Taste(reply.reply_id, 1.0, b"v" * 384)
    chat.store.reactions.react(chat.user_id, reply.reply_id, ReactionKind.LOVE, "c", taste)
    chat.store.idempotency.begin(chat.user_id, "post", "body")


def test_every_key_of_a_person_expires(chat: Any, empty_redis: redis.Redis) -> None:
    everything(chat)
    day = 86_400
    limits = {b"idempotency": day, b"owned": 90 * day, b"person": 90 * day}
    kinds = set()
    for key in empty_redis.scan_iter():
        kind = key.split(b":")[2]
        if kind in WITHOUT_EXPIRY:
            continue
        kinds.add(kind)
        assert 0 < empty_redis.ttl(key) <= limits.get(kind, 90 * day), key
    assert kinds == {
        b"person",
        b"conversations",
        b"conversation",
        b"turns",
        b"facts",
        b"tastes",
        b"recent",
        b"impression",
        b"idempotency",
        b"owned",
    }


def test_writing_renews_the_expiry(chat: Any, empty_redis: redis.Redis) -> None:
    everything(chat)
    keys = PersonKeys(chat.user_id)
    conversation = chat.store.contexts.conversations(chat.user_id, None, 1).items[0]
    renewed = [
        keys.person,
        keys.conversations,
        keys.facts,
        keys.tastes,
        keys.recent,
        keys.conversation(conversation.conversation_id),
        keys.turns(conversation.conversation_id),
    ]
    for key in renewed:
        empty_redis.expire(key, 100)
    chat.begin("again", conversation.conversation_id)
    assert min(empty_redis.ttl(key) for key in renewed) > 100


def test_short_retention_expires_texts_but_not_the_person(
    chat_with: Any, empty_redis: redis.Redis
) -> None:
    chat = chat_with(retention_days=0.5)
    everything(chat)
    for key in empty_redis.scan_iter():
        if key.split(b":")[2] not in WITHOUT_EXPIRY | {b"person", b"owned", b"idempotency"}:
            assert 0 < empty_redis.ttl(key) <= 43_200
    assert empty_redis.ttl(PersonKeys(chat.user_id).person) > 29 * 86_400


def test_conversations_that_expired_leave_the_list(
    chat_with: Any, clock: Any, empty_redis: redis.Redis
) -> None:
    chat = chat_with()
    old = chat.say("old").conversation_id
    keys = PersonKeys(chat.user_id)
    empty_redis.delete(keys.conversation(old), keys.turns(old))
    assert chat.store.contexts.conversations(chat.user_id, None, 10).items == []
    clock.tick(91 * 86_400)
    chat.say("new")
    assert empty_redis.zscore(keys.conversations, old) is None
