"""A reaction is one state, one event and one taste, whatever is repeated."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from app.domain import ReactionKind, Taste
from app.errors import NotFound
from app.store import ids
from app.store.keys import PersonKeys

LOVE, FUNNY, DOWN = ReactionKind.LOVE, ReactionKind.FUNNY, ReactionKind.DOWNVOTE


def taste(reply_id: str, weight: float = 1.0) -> Taste:
    return Taste(reply_id, weight, bytes(range(128)) * 3, "encoder-7")


def log(chat: Any) -> list[Any]:
    return list(chat.store.reactions.list(limit=100).items)


def test_made_replaced_and_retracted_are_events(chat: Any, clock: Any) -> None:
    reply = chat.say("hi", variants={"tone": "warm"})
    react, retract = chat.store.reactions.react, chat.store.reactions.retract
    made = react(chat.user_id, reply.reply_id, LOVE, "so kind")
    clock.tick()
    replaced = react(chat.user_id, reply.reply_id, DOWN)
    clock.tick()
    retracted = retract(chat.user_id, reply.reply_id)
    assert [(e.action, e.previous, e.reaction) for e in (made, replaced, retracted)] == [
        ("made", None, LOVE),
        ("replaced", LOVE, DOWN),
        ("retracted", DOWN, None),
    ]
    listed = log(chat)
    assert [e.event_id for e in listed] == [e.event_id for e in (retracted, replaced, made)]
    assert [e.created_at for e in listed] == [clock(), clock() - 1, clock() - 2]
    assert all(e.impression.reply == reply for e in listed)
    kept = chat.store.impressions.get(chat.user_id, reply.reply_id)
    assert (kept.reaction, kept.comment) == (None, None)


def test_the_same_reaction_again_is_no_event(chat: Any) -> None:
    reply = chat.say("hi")
    react = chat.store.reactions.react
    assert react(chat.user_id, reply.reply_id, LOVE, "sweet") is not None
    assert react(chat.user_id, reply.reply_id, LOVE, "sweet") is None
    assert react(chat.user_id, reply.reply_id, LOVE) is None
    assert chat.store.impressions.get(chat.user_id, reply.reply_id).comment == "sweet"
    changed = react(chat.user_id, reply.reply_id, LOVE, "very sweet")
    assert changed.action == "replaced"
    assert [event.comment for event in log(chat)] == ["very sweet", None]


def test_nothing_to_retract_is_no_event(chat: Any) -> None:
    reply = chat.say("hi")
    assert chat.store.reactions.retract(chat.user_id, reply.reply_id) is None
    assert log(chat) == []


def test_a_reply_that_is_none_is_not_found(chat: Any) -> None:
    for reply_id in ("r", ids.near("r", chat.user_id, 1.0), ids.near("c", chat.user_id, 1.0)):
        with pytest.raises(NotFound):
            chat.store.reactions.react(chat.user_id, reply_id, LOVE)
        with pytest.raises(NotFound):
            chat.store.reactions.retract(chat.user_id, reply_id)
        with pytest.raises(NotFound):
            chat.store.impressions.find(reply_id)


def test_reactions_are_seen_in_the_conversation(chat: Any) -> None:
    reply = chat.say("hi")
    chat.store.reactions.react(chat.user_id, reply.reply_id, FUNNY, "ha")
    views = chat.turns(reply.conversation_id)
    assert [(view.reaction, view.comment) for view in views] == [(None, None), (FUNNY, "ha")]


def test_tastes_follow_the_reactions(chat: Any, clock: Any) -> None:
    first, second = chat.say("a"), chat.say("b")
    react = chat.store.reactions.react
    react(chat.user_id, first.reply_id, LOVE, None, taste(first.reply_id, 1.0))
    clock.tick()
    react(chat.user_id, second.reply_id, DOWN, None, taste(second.reply_id, -0.7))
    wanted = (taste(first.reply_id, 1.0), taste(second.reply_id, -0.7))
    assert chat.begin("c").context.tastes == wanted
    react(chat.user_id, first.reply_id, DOWN, None, taste(first.reply_id, -0.7))
    assert {t.weight for t in chat.begin("c").context.tastes} == {-0.7}
    react(chat.user_id, first.reply_id, FUNNY)  # without an embedding: the old one is stale
    chat.store.reactions.retract(chat.user_id, second.reply_id)
    assert chat.begin("c").context.tastes == ()


def test_a_comment_added_without_an_embedding_keeps_the_taste(chat: Any) -> None:
    reply = chat.say("a")
    react = chat.store.reactions.react
    react(chat.user_id, reply.reply_id, LOVE, None, taste(reply.reply_id))
    assert react(chat.user_id, reply.reply_id, LOVE, "so kind") is not None
    assert chat.begin("b").context.tastes == (taste(reply.reply_id),)


def test_the_same_reaction_again_brings_the_taste_that_was_missing(chat: Any) -> None:
    reply = chat.say("a")
    react = chat.store.reactions.react
    react(chat.user_id, reply.reply_id, LOVE)
    for weight in (1.0, 0.5):  # the second finds one and leaves it
        repeated = taste(reply.reply_id, weight)
        assert react(chat.user_id, reply.reply_id, LOVE, None, repeated) is None
        assert chat.begin("b").context.tastes == (taste(reply.reply_id),)
    chat.store.reactions.retract(chat.user_id, reply.reply_id)
    assert chat.store.reactions.retract(chat.user_id, reply.reply_id) is None
    assert chat.begin("c").context.tastes == ()


def test_the_oldest_tastes_go_first(chat_with: Any, clock: Any) -> None:
    chat = chat_with(tastes_max=3)
    replies = []
    for i in range(5):
        replies.append(chat.say(f"m{i}").reply_id)
        clock.tick()
        chat.store.reactions.react(chat.user_id, replies[i], LOVE, None, taste(replies[i]))
    kept = [t.reply_id for t in chat.begin("x").context.tastes]
    assert kept == replies[2:]


def test_the_event_stream_carries_ids_and_variants_and_no_texts(
    chat: Any, empty_redis: redis.Redis
) -> None:
    reply = chat.say("hi", variants={"tone": "warm"})
    chat.store.reactions.react(chat.user_id, reply.reply_id, LOVE, "a comment")
    keys = PersonKeys(chat.user_id)
    everything = empty_redis.xrange(keys.events)
    assert [fields[b"type"] for _, fields in everything] == [b"impression", b"made"]
    assert everything[1:] == empty_redis.xrange(keys.reactions)
    assert everything[1][1] == {
        b"type": b"made",
        b"user": chat.user_id.encode(),
        b"reply": reply.reply_id.encode(),
        b"conversation": reply.conversation_id.encode(),
        b"reaction": b"love",
        b"previous": b"",
        b"variants": b'{"tone":"warm"}',
    }


def test_a_clock_that_goes_back_keeps_the_events_in_order(chat: Any, clock: Any) -> None:
    replies = [chat.say(f"m{i}") for i in range(3)]
    events = []
    for reply, step in zip(replies, (0, -60, 0), strict=True):
        clock.tick(step)
        events.append(chat.store.reactions.react(chat.user_id, reply.reply_id, LOVE))
    assert [e.event_id for e in log(chat)] == [e.event_id for e in reversed(events)]
