"""No text is readable at rest, and an erased person stays erased."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from app.domain import Fact, FactChange, Feeling, ReactionKind, Taste
from app.errors import NotFound, Unauthenticated
from app.store.idempotency import StoredResponse
from app.store.keys import ERASED, PersonKeys, withdrawn
from app.store.reactions import Judgement
from app.store.store import Store

CANARY = "xylographic quokka 7351"


def values(client: redis.Redis) -> Iterator[bytes]:
    """Everything in a Redis: names and values of every key."""
    for key in client.scan_iter():
        yield key
        kind = client.type(key)
        if kind == b"string":
            yield client.get(key)
        elif kind == b"hash":
            yield from (part for item in client.hgetall(key).items() for part in item)
        elif kind == b"list":
            yield from client.lrange(key, 0, -1)
        elif kind == b"zset":
            yield from client.zrange(key, 0, -1)
        elif kind == b"stream":
            for _, fields in client.xrange(key):
                yield from (part for item in fields.items() for part in item)
        else:
            raise AssertionError(f"{key!r} is a {kind!r}")


def fill(chat: Any) -> Any:
    """Put the canary wherever a text may go; long ones too, which are compressed."""
    now = chat.clock()
    fact = Fact("f1", f"taste:{CANARY}", "likes", CANARY, CANARY, CANARY, "t", now)
    context = chat.begin(f"{CANARY} said", keys=(f"m:{CANARY}",), fingerprint=CANARY).context
    reply = chat.finish(
        context,
        f"{CANARY} answered " + "and so on " * 300,
        (f"m:{CANARY}",),
        FactChange((fact,)),
        fingerprint=CANARY,
    )
    chat.begin(f"{CANARY} pending", reply.conversation_id, (f"k:{CANARY}",))
    taste = Taste(reply.reply_id, 1.0, CANARY.encode() * 10)
    chat.store.reactions.react(chat.user_id, reply.reply_id, ReactionKind.LOVE, CANARY, taste)
    parent = chat.store.impressions.get(chat.user_id, reply.reply_id)
    chat.store.impressions.add_alternative(parent, chat.impression(context, f"or {CANARY}"))
    for scope in (chat.user_id, f"address {CANARY}"):
        chat.store.idempotency.begin(scope, CANARY, CANARY)
        answer = StoredResponse(200, {"X": CANARY}, CANARY.encode())
        chat.store.idempotency.finish(scope, CANARY, CANARY, answer)
    judged = Judgement("1", (CANARY,), CANARY, ReactionKind.LOVE, "lab", now, CANARY)
    chat.store.reactions.judge([judged])
    return reply


def test_no_text_is_readable_at_rest(
    chat: Any, empty_redis: redis.Redis, redis_server: Any, settings: Any
) -> None:
    fill(chat)
    needle = CANARY.encode()
    stored = list(values(empty_redis))
    assert len(stored) > 60
    assert [value for value in stored if needle in value or b"quokka" in value] == []
    folder = Path(redis_server.socket).parent
    logs = [path for path in folder.rglob("*") if path.is_file()]
    assert any("appendonly" in path.name for path in logs)
    files = [*logs, *(path for path in settings.var_dir.rglob("*") if path.is_file())]
    assert any(path.name == "keys.sqlite" for path in files)
    assert [path for path in files if needle in path.read_bytes()] == []


def test_the_same_text_is_there_for_its_person(chat: Any) -> None:
    reply = fill(chat)
    context = chat.begin("more", reply.conversation_id).context
    assert context.facts[0].slot == f"taste:{CANARY}"
    assert context.tastes[0].vector == CANARY.encode() * 10
    assert chat.texts(context)[0] == f"{CANARY} said"


def test_erasing_leaves_a_tombstone_and_nothing_else(
    chat: Any, new_chat: Any, empty_redis: redis.Redis, settings: Any
) -> None:
    other = new_chat()
    stays = other.say("I stay")
    reply = fill(chat)
    context = chat.begin("in flight", keys=("m:late",)).context
    store, user_id = chat.store, chat.user_id
    store.people.erase(user_id)
    left = [key for key in empty_redis.scan_iter() if user_id.encode() in key]
    assert left == [PersonKeys(user_id).person.encode()]
    assert empty_redis.hget(left[0], "state") == b"erased"
    assert empty_redis.ttl(left[0]) > 365 * 86_400
    with sqlite3.connect(settings.var_dir / "keys" / "keys.sqlite") as db:
        owners = [row[0] for row in db.execute("SELECT owner FROM keys")]
    db.close()
    assert other.user_id in owners
    assert user_id not in owners
    for call in (
        lambda: store.people.check(user_id, 1),
        lambda: chat.begin("hi"),
        lambda: chat.finish(context, "too late", ("m:late",)),
        lambda: store.profile.facts(user_id),
        lambda: store.reactions.react(user_id, reply.reply_id, ReactionKind.LOVE),
        lambda: store.contexts.conversations(user_id, None, 5),
    ):
        with pytest.raises(Unauthenticated):
            call()
    for call in (
        lambda: store.impressions.get(user_id, reply.reply_id),
        lambda: store.impressions.find(reply.reply_id),
        lambda: store.people.revoke(user_id),
        lambda: store.people.erase("nonsense"),
    ):
        with pytest.raises(NotFound):
            call()
    store.people.erase(user_id)
    assert len(other.turns(stays.conversation_id)) == 2


def test_erasing_leaves_the_entries_of_others_and_carries_none_of_them_here(
    chat: Any, empty_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A partition may have a hundred thousand: to read them here would hold everybody up."""
    stream = PersonKeys(chat.user_id).events
    others = 1_200  # more than one page, before and behind

    def add() -> None:
        with empty_redis.pipeline() as pipe:
            for _ in range(others):
                pipe.xadd(stream, {"type": "shown", "user": "somebody", "reply": chat.user_id})
            pipe.execute()

    add()
    fill(chat)
    add()
    theirs = {entry for entry, fields in empty_redis.xrange(stream) if by(chat, fields)}
    assert len(theirs) >= 2
    carried: list[bytes] = []
    run = chat.store._core.client.run

    def spy(name: str, *more: Any) -> Any:
        answer = run(name, *more)
        if name == "entries_find" and more[0] == [stream]:
            carried.extend(entry for entry, _ in answer[1])
        return answer

    monkeypatch.setattr(chat.store._core.client, "run", spy)
    chat.store.people.erase(chat.user_id)
    left = empty_redis.xrange(stream)
    assert set(carried) == theirs
    assert len(carried) == len(theirs)
    assert not any(by(chat, fields) for _, fields in left)
    assert len(left) == 2 * others


def by(chat: Any, fields: Any) -> bool:
    return bool(fields[b"user"] == chat.user_id.encode())


def test_after_erasing_no_key_of_any_name_is_left(chat: Any, empty_redis: redis.Redis) -> None:
    shared = {key for key in empty_redis.scan_iter() if chat.user_id.encode() not in key}
    reply = chat.say("hi", keys=("m:1", "k:1"))
    parent = chat.store.impressions.get(chat.user_id, reply.reply_id)
    context = chat.begin("pending", reply.conversation_id, ("m:2",)).context
    chat.store.impressions.add_alternative(parent, chat.impression(context, "or so"))
    chat.store.contexts.feedback(chat.user_id, reply.conversation_id, Feeling.SAME)
    chat.store.reactions.react(chat.user_id, reply.reply_id, ReactionKind.LOVE, "c")
    chat.store.idempotency.begin(chat.user_id, "post", "body")
    assert empty_redis.dbsize() > 12
    chat.store.people.erase(chat.user_id)
    keys = PersonKeys(chat.user_id)
    left = {key.decode() for key in empty_redis.scan_iter()} - {key.decode() for key in shared}
    assert left == {keys.person, keys.events, keys.reactions, withdrawn(keys.partition), ERASED}
    for stream in (keys.events, keys.reactions):
        assert empty_redis.xlen(stream) == 0


def test_another_process_that_still_holds_the_key_writes_nothing(
    chat: Any, store_with: Any, clock: Any, empty_redis: redis.Redis
) -> None:
    elsewhere = type(chat)(store_with(), clock)
    elsewhere.person = chat.person
    context = elsewhere.begin("hi", keys=("m:1",)).context  # caches the key
    chat.store.people.erase(chat.user_id)
    for call in (
        lambda: elsewhere.begin("hi again"),
        lambda: elsewhere.finish(context, "late", ("m:1",)),
    ):
        with pytest.raises(Unauthenticated):
            call()
    left = [key for key in empty_redis.scan_iter() if chat.user_id.encode() in key]
    assert left == [PersonKeys(chat.user_id).person.encode()]


def test_a_restored_backup_is_unreadable_and_erased_again(
    chat: Any, new_chat: Any, empty_redis: redis.Redis, store_with: Any, clock: Any
) -> None:
    other = new_chat()
    other.say("I stay")
    reply = fill(chat)
    backup = {
        key: (empty_redis.dump(key), empty_redis.pttl(key)) for key in empty_redis.scan_iter()
    }
    chat.store.people.erase(chat.user_id)
    empty_redis.flushall()
    for key, (value, ttl) in backup.items():
        empty_redis.restore(key, max(0, ttl), value)

    for call in (lambda: chat.begin("hi"), lambda: chat.store.people.check(chat.user_id, 1)):
        with pytest.raises(Unauthenticated):
            call()
    with pytest.raises(NotFound):
        chat.store.impressions.find(reply.reply_id)

    reopened = type(chat)(store_with(), clock)
    left = [key for key in empty_redis.scan_iter() if chat.user_id.encode() in key]
    assert left == [PersonKeys(chat.user_id).person.encode()]
    assert empty_redis.hget(left[0], "state") == b"erased"
    assert reopened.store.contexts.conversations(other.user_id, None, 5).items != []


def test_an_old_copy_of_data_and_keys_brings_nobody_back(
    chat: Any, new_chat: Any, empty_redis: redis.Redis, store_with: Any, clock: Any, settings: Any
) -> None:
    other = new_chat()
    other.say("I stay")
    fill(chat)
    data = {key: (empty_redis.dump(key), empty_redis.pttl(key)) for key in empty_redis.scan_iter()}
    folder = settings.var_dir / "keys"
    with sqlite3.connect(folder / "keys.sqlite") as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    keys_before = (folder / "keys.sqlite").read_bytes()
    chat.store.people.erase(chat.user_id)
    chat.store.close()
    empty_redis.flushall()
    for key, (value, ttl) in data.items():
        empty_redis.restore(key, max(0, ttl), value)
    for path in folder.glob("keys.sqlite*"):
        path.unlink()
    (folder / "keys.sqlite").write_bytes(keys_before)

    reopened = store_with()
    assert reopened.ring.peek(chat.user_id) is None
    with pytest.raises(Unauthenticated):
        reopened.people.check(chat.user_id, 1)
    left = [key for key in empty_redis.scan_iter() if chat.user_id.encode() in key]
    assert left == [PersonKeys(chat.user_id).person.encode()]
    assert reopened.contexts.conversations(other.user_id, None, 5).items != []
    assert reopened.people.replay_erasures() == 0


def test_erasing_leaves_no_id_in_the_ledger(chat: Any, settings: Any) -> None:
    chat.store.people.erase(chat.user_id)
    files = list((settings.var_dir / "keys").iterdir())
    assert any(path.name == "erasures" for path in files)
    needle = chat.user_id.encode()
    assert [path for path in files if needle in path.read_bytes()] == []


def test_an_erasure_cut_short_is_completed_at_the_next_start(
    chat: Any, empty_redis: redis.Redis, store_with: Any, clock: Any
) -> None:
    fill(chat)
    chat.store.ring.ledger.record(chat.user_id, clock())  # and then the crash
    store: Store = store_with()
    with pytest.raises(Unauthenticated):
        store.people.check(chat.user_id, 1)
    left = [key for key in empty_redis.scan_iter() if chat.user_id.encode() in key]
    assert left == [PersonKeys(chat.user_id).person.encode()]
    assert store.people.replay_erasures() == 0


def test_a_turn_moved_to_another_place_is_left_out_and_counted(
    chat: Any, empty_redis: redis.Redis, metrics: Any
) -> None:
    one, two = chat.say("one").conversation_id, chat.say("two").conversation_id
    keys = PersonKeys(chat.user_id)
    empty_redis.rpush(keys.turns(two), *empty_redis.lrange(keys.turns(one), 0, -1))
    assert [view.turn.text for view in chat.turns(two)] == ["two", "hello"]
    assert metrics.failures.labels("store.unreadable")._value.get() >= 2
