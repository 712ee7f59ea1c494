"""The merged log: filters, one order over partitions, a cursor that inserts do not disturb."""

from __future__ import annotations

import random
from typing import Any

import pytest

from app.domain import ReactionKind
from app.errors import InputError
from app.store import reaction_log

KINDS = list(ReactionKind)


def make_events(new_chat: Any, clock: Any, count: int, people: int = 6) -> list[Any]:
    """Reactions of several people, several in one millisecond; oldest first."""
    chats = [new_chat() for _ in range(people)]
    events = []
    for i in range(count):
        chat = chats[i % people]
        reply = chat.say(f"m{i}", variants={"tone": "ab"[i % 2]} if i % 3 else {})
        if i % 4 == 0:
            clock.tick(0.001)
        kind = KINDS[i % len(KINDS)]
        events.append(chat.store.reactions.react(chat.user_id, reply.reply_id, kind))
    return events


def read(store: Any, limit: int, **filters: Any) -> list[str]:
    seen, cursor = [], None
    while True:
        page = store.reactions.list(cursor=cursor, limit=limit, **filters)
        assert len(page.items) <= limit
        seen += [event.event_id for event in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return seen


def newest_first(events: list[Any]) -> list[str]:
    order = [reaction_log.Position.parse(event.event_id) for event in events]
    return [position.event_id for position in sorted(order, reverse=True)]


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_every_event_is_listed_once_newest_first(
    new_chat: Any, clock: Any, store: Any, limit: int
) -> None:
    events = make_events(new_chat, clock, 30)
    assert read(store, limit) == newest_first(events)


def test_filters(new_chat: Any, clock: Any, store: Any) -> None:
    events = make_events(new_chat, clock, 36)
    by_id = {event.event_id: i for i, event in enumerate(events)}

    def listed(**filters: Any) -> list[int]:
        return sorted(by_id[event_id] for event_id in read(store, 4, **filters))

    everything = range(36)
    assert listed(reaction=KINDS[2]) == [i for i in everything if i % 6 == 2]
    assert listed(variant="tone") == [i for i in everything if i % 3]
    assert listed(variant="tone=b") == [i for i in everything if i % 3 and i % 2]
    assert listed(variant="other") == []
    middle = events[20].created_at
    assert listed(since=middle) == [i for i in everything if events[i].created_at >= middle]
    assert listed(until=middle) == [i for i in everything if events[i].created_at < middle]
    assert listed(since=middle, until=middle + 0.001) == [20, 21, 22, 23]
    assert listed(since=middle, until=middle) == []
    assert listed(until=0.0) == []
    both = listed(reaction=KINDS[1], variant="tone=b", until=middle)
    assert both == [i for i in range(20) if i % 6 == 1 and i % 3 and i % 2]


def test_new_events_do_not_disturb_a_reader(new_chat: Any, clock: Any, store: Any) -> None:
    there = newest_first(make_events(new_chat, clock, 20))
    seen, cursor = [], None
    while True:
        page = store.reactions.list(cursor=cursor, limit=3)
        seen += [event.event_id for event in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
        make_events(new_chat, clock, 2, people=2)
    assert seen == there


def test_one_busy_partition_is_read_on(chat_with: Any, clock: Any) -> None:
    chat = chat_with(partitions=64)
    events = []
    for i in range(60):
        reply = chat.say(f"m{i}")
        events.append(chat.store.reactions.react(chat.user_id, reply.reply_id, KINDS[i % 6]))
    assert read(chat.store, 50) == newest_first(events)


def test_a_page_that_finds_little_ends_early_and_goes_on(
    new_chat: Any, clock: Any, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = make_events(new_chat, clock, 30)
    monkeypatch.setattr(reaction_log, "_SCANNED_MAX", 4)
    page = store.reactions.list(reaction=KINDS[0], limit=10)
    assert len(page.items) < 5
    assert page.next_cursor is not None
    wanted = newest_first([e for e in events if e.reaction is KINDS[0]])
    assert read(store, 10, reaction=KINDS[0]) == wanted


def test_too_many_round_trips_end_a_page_early_too(
    new_chat: Any, clock: Any, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = make_events(new_chat, clock, 40)
    monkeypatch.setattr(reaction_log, "_READS_MAX", 2)
    monkeypatch.setattr(reaction_log, "_BATCH_MIN", 1)
    monkeypatch.setattr(reaction_log, "_BATCH_MAX", 1)
    assert read(store, 10) == newest_first(events)


def test_fewer_partitions_later_hide_nothing(chat_with: Any, store_with: Any, clock: Any) -> None:
    events = []
    for _ in range(8):
        chat = chat_with(partitions=256)
        reply = chat.say("hi")
        events.append(chat.store.reactions.react(chat.user_id, reply.reply_id, KINDS[0]))
    assert read(store_with(partitions=2), 3) == newest_first(events)


def test_events_of_whoever_has_left_are_left_out(
    new_chat: Any, clock: Any, store: Any, metrics: Any
) -> None:
    """Those of the erased are gone; those of whose key alone is gone do not open, and count."""
    gone, keyless, stays = new_chat(), new_chat(), new_chat()
    for chat in (gone, keyless, stays):
        reply = chat.say("hi")
        chat.store.reactions.react(chat.user_id, reply.reply_id, KINDS[0])
    store.people.erase(gone.user_id)
    store.ring.discard(keyless.user_id)
    assert [event.user_id for event in store.reactions.list().items] == [stays.user_id]
    assert metrics.failures.labels("store.unreadable")._value.get() == 1


@pytest.mark.parametrize(
    "cursor", ["", "x", "1-2", "1-2-3-4", "1-2-zz", "-1-2-3", "9" * 30 + "-1-0"]
)
def test_a_cursor_that_is_none_is_bad_input(store: Any, cursor: str) -> None:
    if not cursor:
        assert store.reactions.list(cursor=cursor).items == []
        return
    with pytest.raises(InputError):
        store.reactions.list(cursor=cursor)


def test_positions_round_trip() -> None:
    for _ in range(100):
        position = reaction_log.Position(
            random.randrange(1 << 45), random.randrange(1 << 20), random.randrange(256)
        )
        assert reaction_log.Position.parse(position.event_id) == position
