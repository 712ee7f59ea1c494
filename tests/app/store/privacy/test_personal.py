"""All that is known of a person can be read by them, whole, however much it is."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from app.domain import Fact, FactChange, Feeling, ReactionKind, Taste
from app.errors import Unauthenticated
from app.store.keys import PersonKeys
from app.store.privacy.personal import DATASET
from app.store.store import Store


def test_a_new_person_has_little(chat: Any, store: Store, clock: Any) -> None:
    standing = store.personal.standing(chat.user_id)
    assert (standing.user_id, standing.generation, standing.answers) == (chat.user_id, 1, 0)
    assert standing.created_at == clock()
    assert standing.last_seen_at is None
    assert standing.minor is False
    assert standing.kept_until is not None
    assert standing.kept_until > clock() + 89 * 86_400
    assert list(store.personal.conversations(chat.user_id)) == []
    assert list(store.personal.replies(chat.user_id)) == []
    assert store.personal.tastes(chat.user_id) == []
    assert list(store.personal.events(chat.user_id)) == []


def test_everything_said_shown_and_felt_is_there(
    chat: Any, new_chat: Any, store: Store, clock: Any
) -> None:
    other = new_chat()
    other.say("somebody else's words")
    fact = Fact("f1", "name", "name", "Ann", "My name is Ann.", "I am Ann", "t", clock())
    reply = chat.say("I am Ann", keys=("m:1",), facts=FactChange((fact,)))
    taste = Taste(reply.reply_id, 1.0, b"vector", "e1")
    store.reactions.react(chat.user_id, reply.reply_id, ReactionKind.LOVE, "nice", taste)
    store.contexts.feedback(chat.user_id, reply.conversation_id, Feeling.BETTER)
    personal, user = store.personal, chat.user_id

    assert personal.standing(user).answers == 1
    assert personal.standing(user).last_seen_at == clock()
    (talk,) = personal.conversations(user)
    assert talk.value.conversation_id == reply.conversation_id
    assert talk.kept_until == pytest.approx(clock() + 90 * 86_400, abs=60)
    turns = personal.turns(user, reply.conversation_id)
    assert [(view.turn.text, view.comment) for view in turns] == [
        ("I am Ann", None),
        ("hello", "nice"),
    ]
    (shown,) = personal.replies(user)
    assert shown.value.reply.reply_id == reply.reply_id
    assert (shown.value.reaction, shown.value.comment) == (ReactionKind.LOVE, "nice")
    assert personal.tastes(user) == [taste]
    assert personal.recent_lines(user) == ["hello"]
    events = list(personal.events(user))
    assert [event.fields["type"] for event in events] == ["impression", "made", "feeling"]
    assert events[2].fields["feeling"] == "better"
    assert all("user" not in event.fields for event in events)
    assert not any("somebody else" in str(event) for event in events)


def test_a_long_past_comes_whole_and_in_order(chat: Any, store: Store, clock: Any) -> None:
    first = None
    for i in range(50):
        clock.tick()
        reply = chat.say(f"q{i}", first, f"a{i}")
        first = first or reply.conversation_id
    kept = store.personal.turns(chat.user_id, first)
    assert [view.turn.text for view in kept[-4:]] == ["q48", "a48", "q49", "a49"]
    assert [view.turn.seq for view in kept] == sorted(view.turn.seq for view in kept)
    for i in range(60):
        clock.tick()
        chat.begin(f"talk {i}")
    talks = [kept.value.conversation_id for kept in store.personal.conversations(chat.user_id)]
    assert len(talks) == len(set(talks)) == 61
    texts = [kept.value.reply.text for kept in store.personal.replies(chat.user_id)]
    assert texts == [f"a{i}" for i in range(50)]


def test_of_an_erased_person_nothing_is_told(chat: Any, store: Store) -> None:
    reply = chat.say("hi")
    store.people.erase(chat.user_id)
    with pytest.raises(Unauthenticated):
        store.personal.standing(chat.user_id)
    with pytest.raises(Unauthenticated):
        store.personal.turns(chat.user_id, reply.conversation_id)


def test_the_dataset_knows_them_by_a_keyed_hash(chat: Any, store: Store) -> None:
    assert store.personal.dataset_name(chat.user_id) == ""
    store.ring.create_once(DATASET)
    name = store.personal.dataset_name(chat.user_id)
    assert len(name) == 32
    assert chat.user_id not in name


def test_reactions_may_be_kept_for_a_shorter_time(chat_with: Any, empty_redis: Any) -> None:
    chat = chat_with(reaction_days=2.0)
    reply = chat.say("hi")
    taste = Taste(reply.reply_id, 1.0, b"vector", "e1")
    chat.store.reactions.react(chat.user_id, reply.reply_id, ReactionKind.LOVE, None, taste)
    (talk,) = chat.store.personal.conversations(chat.user_id)
    (shown,) = chat.store.personal.replies(chat.user_id)
    assert talk.kept_until - chat.clock() > 89 * 86_400
    assert shown.kept_until - chat.clock() < 2.01 * 86_400
    chat.say("a message renews the talk, and no more of the taste", reply.conversation_id)
    assert 0 < empty_redis.ttl(f"kindred:{{p{chat.user_id[1:3]}}}:tastes:{chat.user_id}") < 2e5


def test_what_somebody_owns_is_read_and_erased_in_pages(
    chat: Any, store: Store, empty_redis: redis.Redis, clock: Any
) -> None:
    """In one answer a quarter of a million names would hold everybody up for a second."""
    names = PersonKeys(chat.user_id)
    theirs = [f"{names.idempotency(f'k:{i}')}" for i in range(3_000)]
    empty_redis.mset(dict.fromkeys(theirs, "x"))
    empty_redis.zadd(names.owned, dict.fromkeys(theirs, clock() + 60))
    chat.say("hello")
    empty_redis.config_resetstat()
    assert store.personal.standing(chat.user_id).answers == 3_000
    assert len(list(store.personal.replies(chat.user_id))) == 1
    store.people.erase(chat.user_id)
    assert empty_redis.exists(*theirs, names.owned) == 0
    asked = empty_redis.info("commandstats")
    assert "cmdstat_zrange" not in asked
    assert asked["cmdstat_zscan"]["calls"] > 12
