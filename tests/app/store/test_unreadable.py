"""What cannot be read is left out and counted, or named: it is never an internal error."""

from __future__ import annotations

import json
from typing import Any

import pytest
import redis

from app.domain import Fact, FactChange, ReactionKind, Taste
from app.errors import NotFound, StoreUnavailable
from app.store import records
from app.store.idempotency import StoredResponse
from app.store.keys import PersonKeys
from app.store.sealing.codec import Unreadable

NEWER = json.dumps({"v": records.VERSION + 1}).encode()
LACKING = json.dumps({"v": records.VERSION}).encode()
STRANGE = json.dumps({"v": records.VERSION, "speaker": "narrator", "source": "dream"}).encode()
FORMS = pytest.mark.parametrize("plain", [NEWER, LACKING, STRANGE, b"no record", b"\xff\xff"])


@pytest.fixture
def sealed(chat: Any) -> Any:
    """Seals what another release may have written, as the person's own key would."""
    cipher = chat.store._core.cipher(chat.user_id)
    return lambda plain, where: cipher.seal(plain, where)


def counted(metrics: Any) -> int:
    return int(metrics.failures.labels("store.unreadable")._value.get())


@FORMS
def test_facts_tastes_and_turns_are_left_out(
    chat: Any, sealed: Any, empty_redis: redis.Redis, metrics: Any, plain: bytes
) -> None:
    fact = Fact("f1", "name", "name", "Ann", "t", "s", "t", 1.0)
    reply = chat.say("hi", facts=FactChange((fact,)))
    taste = Taste(reply.reply_id, 1.0, b"v")
    chat.store.reactions.react(chat.user_id, reply.reply_id, ReactionKind.LOVE, None, taste)
    user, keys = chat.user_id, PersonKeys(chat.user_id)
    empty_redis.hset(keys.facts, "x", b"2.0 f2 " + sealed(plain, f"fact:{user}"))
    empty_redis.hset(keys.tastes, "x", b"2.0 r2 " + sealed(plain, f"taste:{user}"))
    turn = b"3 1 t9 " + sealed(plain, f"turn:{reply.conversation_id}:t9")
    empty_redis.rpush(keys.turns(reply.conversation_id), turn)
    context = chat.begin("more", reply.conversation_id).context
    assert context.facts == (fact,)
    assert context.tastes == (taste,)
    assert chat.texts(context) == ["hi", "hello", "more"]
    assert chat.store.profile.facts(user) == [fact]
    assert len(chat.turns(reply.conversation_id)) == 3
    assert counted(metrics) == 5


def test_entries_of_another_shape_are_left_out(
    chat: Any, sealed: Any, empty_redis: redis.Redis, metrics: Any
) -> None:
    chat.say("hi")
    keys = PersonKeys(chat.user_id)
    for name in (keys.facts, keys.tastes):
        empty_redis.hset(name, mapping={"x": b"?", "y": b"soon a b"})
    empty_redis.rpush(keys.recent, b"?", sealed(b"moved", "turn:elsewhere"))
    context = chat.begin("more").context
    assert (context.facts, context.tastes, context.recent_replies) == ((), (), ("hello",))
    assert counted(metrics) == 6


@FORMS
def test_an_impression_is_not_found(
    chat: Any, sealed: Any, empty_redis: redis.Redis, metrics: Any, plain: bytes
) -> None:
    reply = chat.say("hi")
    chat.store.reactions.react(chat.user_id, reply.reply_id, ReactionKind.LOVE)
    name = PersonKeys(chat.user_id).impression(reply.reply_id)
    empty_redis.hset(name, "body", sealed(plain, f"impression:{reply.reply_id}"))
    with pytest.raises(NotFound):
        chat.store.impressions.get(chat.user_id, reply.reply_id)
    assert chat.store.reactions.list().items == []
    assert counted(metrics) == 2


@FORMS
def test_a_stored_answer_is_unavailable(
    chat: Any, sealed: Any, empty_redis: redis.Redis, metrics: Any, plain: bytes
) -> None:
    context = chat.begin("hi", keys=("m:1",)).context
    chat.finish(context, keys=("m:1",))
    name = PersonKeys(chat.user_id).idempotency("m:1")
    empty_redis.hset(name, "answer", sealed(plain, f"answer:{chat.user_id}"))
    for call in (
        lambda: chat.begin("hi", keys=("m:1",)),
        lambda: chat.finish(context, keys=("m:1",)),
    ):
        with pytest.raises(StoreUnavailable, match="stored answer cannot be read"):
            call()
    assert counted(metrics) == 2


@FORMS
def test_a_stored_response_is_unavailable(
    chat: Any, sealed: Any, empty_redis: redis.Redis, metrics: Any, plain: bytes
) -> None:
    ours, user = chat.store.idempotency, chat.user_id
    ours.begin(user, "k", "body")
    ours.finish(user, "k", "body", StoredResponse(200, {}, b""))
    name = PersonKeys(user).idempotency("r:k")
    empty_redis.hset(name, "answer", sealed(plain, f"response:{user}"))
    with pytest.raises(StoreUnavailable, match="stored response cannot be read"):
        ours.begin(user, "k", "body")
    assert counted(metrics) == 1


def test_an_unknown_record_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        records.to_fact(records.load(NEWER))
