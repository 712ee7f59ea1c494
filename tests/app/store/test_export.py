"""What the exporter asks of the streams: state, ranges with impressions, counts, trimming."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from app.domain import ReactionKind
from app.store.export import Page, open_body, open_comment
from app.store.ids import partition_of
from app.store.keys import events, reactions
from app.store.sealing.codec import Unreadable


def test_an_empty_stream_has_a_state_too(store: Any) -> None:
    state = store.export.state(3)
    assert (state.newest, state.oldest, state.length) == ("0-0", None, 0)
    assert store.export.count(3, "0-0") == 0
    assert store.export.read(3, "0-0", "+", 10) == Page([], state, witnessed=False)
    assert store.export.partitions() == 64


def test_entries_come_in_order_with_their_impressions(chat: Any, store: Any, clock: Any) -> None:
    replies = []
    for i in range(3):
        clock.tick()
        replies.append(chat.say(f"q{i}", answer=f"a{i}"))
    store.reactions.react(chat.user_id, replies[1].reply_id, ReactionKind.LOVE, "nice")
    partition = int(chat.user_id[1:3], 16)
    state = store.export.state(partition)
    assert (state.length, state.added) in {(4, 4), (4, None)}
    page = store.export.read(partition, "0-0", state.newest, 10)
    found = page.events
    assert page.state == state
    assert not page.witnessed
    assert [event.text("type") for event in found] == ["impression"] * 3 + ["made"]
    assert [event.text("reply") for event in found[:3]] == [r.reply_id for r in replies]
    assert found[0].text("no such field") == ""
    made = found[3]
    cipher = store.ring.peek(chat.user_id)
    reply_id = replies[1].reply_id
    impression = open_body(cipher, reply_id, made.impression["body"])
    assert impression.reply.text == "a1"
    assert open_comment(cipher, reply_id, made.impression["comment"]) == "nice"
    with pytest.raises(Unreadable):
        open_body(cipher, replies[0].reply_id, made.impression["body"])

    second = f"{found[1].position.milliseconds}-{found[1].position.seq}"
    page = store.export.read(partition, second, state.newest, 1)
    assert page.events[0].position == found[2].position
    assert store.export.count(partition, second) == 2
    assert page.witnessed
    assert store.export.trim(partition, second) == 1
    assert store.export.read(partition, second, state.newest, 1).witnessed
    first = f"{found[0].position.milliseconds}-{found[0].position.seq}"
    assert not store.export.read(partition, first, state.newest, 1).witnessed
    assert store.export.state(partition).oldest == second
    assert store.export.state(partition).newest == state.newest


def test_an_expired_impression_leaves_its_events(
    chat: Any, store: Any, empty_redis: redis.Redis
) -> None:
    reply = chat.say("hello", answer="hi")
    partition = int(chat.user_id[1:3], 16)
    empty_redis.delete(f"kindred:{{p{partition:02x}}}:impression:{reply.reply_id}")
    (event,) = store.export.read(partition, "0-0", "+", 10).events
    assert event.impression == {}
    assert empty_redis.xlen(events(partition)) == 1


def test_counting_goes_on_past_one_page(
    chat: Any, store: Any, empty_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.store.export._PAGE", 2)
    for i in range(5):
        chat.say(f"q{i}")
    partition = int(chat.user_id[1:3], 16)
    first = empty_redis.xrange(events(partition), count=1)[0][0].decode()
    assert store.export.count(partition, first) == 4


def test_peeking_at_a_key_does_not_renew_it(store: Any, chat: Any, clock: Any) -> None:
    keep = store._core.settings.retention_seconds
    clock.tick(keep)
    assert store.ring.peek(chat.user_id) is not None
    clock.tick(5 * 86_400)
    store.ring.store.prune(clock())
    assert store.ring.peek(chat.user_id) is None


def test_an_erased_persons_entries_are_withdrawn_and_are_no_gap(
    store: Any, new_chat: Any, empty_redis: redis.Redis
) -> None:
    one, other = new_chat(), new_chat()
    while partition_of(other.user_id) != partition_of(one.user_id):
        other = new_chat()
    partition = partition_of(one.user_id)
    for person in (one, other, one):
        reply = person.say("hi")
        store.reactions.react(person.user_id, reply.reply_id, ReactionKind.LOVE)
    last = store.export.state(partition).newest
    added = store.export.state(partition).added
    store.people.erase(one.user_id)
    for stream in (events(partition), reactions(partition)):
        users = {fields[b"user"] for _, fields in empty_redis.xrange(stream)}
        assert users == {other.user_id.encode()}
    page = store.export.read(partition, last, last, 10)
    assert page.witnessed
    assert not page.events
    assert page.state.newest == last
    assert added is None or page.state.added == added - 4
    assert not store.export.read(partition, "1-1", last, 10).witnessed
