"""Scripts say what they take, stay in one slot, and are all in use."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from redis.crc import key_slot

import app.store
from app.domain import Feeling, ReactionKind
from app.errors import NotFound
from app.store.access.api_keys import Scope
from app.store.idempotency import StoredResponse
from app.store.link.client import RedisClient, load_script
from app.store.reactions import Judgement

LUA = Path(app.store.__file__).parent / "lua"
NAMES = sorted(path.stem for path in LUA.glob("*.lua") if path.stem != "common")


@pytest.mark.parametrize("name", NAMES)
def test_a_script_documents_what_it_takes_and_gives(name: str) -> None:
    text = (LUA / f"{name}.lua").read_text()
    head = text[: re.search(r"^[^-\n]", text, re.MULTILINE).start()]
    body = text[len(head) :]
    for word in ("KEYS:", "ARGV:", "Returns:"):
        assert word in head
    if name not in ("finish", "alternative"):  # they take what `show` documents
        for kind in ("KEYS", "ARGV"):
            documented = head[head.index(f"{kind}:") :].split("Returns")[0]
            for number in set(re.findall(rf"{kind}\[(\d+)\]", body)):
                assert re.search(rf"\b{number}\b", documented), f"{kind}[{number}]"


def test_every_operation_touches_one_slot_and_every_script_is_used(
    store: Any, chat: Any, chat_with: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: dict[str, set[int]] = {}
    run, run_many = RedisClient.run, RedisClient.run_many

    def note(name: str, keys: Any) -> None:
        slots = {key_slot(key.encode()) for key in keys}
        assert len(slots) == 1, (name, keys)
        used.setdefault(name, set()).update(slots)

    def spy_run(self: RedisClient, name: str, keys: Any, arguments: Any) -> Any:
        note(name, keys)
        return run(self, name, keys, arguments)

    def spy_many(self: RedisClient, name: str, calls: Any) -> Any:
        for keys, _ in calls:
            note(name, keys)
        return run_many(self, name, calls)

    monkeypatch.setattr(RedisClient, "run", spy_run)
    monkeypatch.setattr(RedisClient, "run_many", spy_many)

    store.people.create()
    few = chat_with(conversations_max=1)
    few.say("this one goes")
    few.say("when this one comes")
    context = chat.begin("hi", keys=("m:1", "k:2")).context
    store.contexts.abandon(context, ("m:1", "k:2"))
    reply = chat.finish(context, keys=("m:1", "k:2"))
    parent = store.impressions.get(chat.user_id, reply.reply_id)
    store.impressions.add_alternative(parent, chat.impression(context, "or this"))
    store.contexts.feedback(chat.user_id, reply.conversation_id, Feeling.SAME)
    store.reactions.react(chat.user_id, reply.reply_id, ReactionKind.LOVE)
    store.reactions.list()
    store.reactions.judge([Judgement("1", (), "x", ReactionKind.LOVE, "lab", 1.0)])
    store.profile.forget_all(chat.user_id)
    with pytest.raises(NotFound):
        store.profile.forget(chat.user_id, "f")
    store.idempotency.begin("scope", "k", "f")
    store.idempotency.finish("scope", "k", "f", StoredResponse(200, {}, b""))
    store.flags.put("a", {})
    store.flags.toggle("a", "DISABLED")
    store.flags.delete("a")
    store.flags.all()
    key = store.api_keys.create("a key", [Scope.INFER])
    store.api_keys.rotate(key.record.prefix, 1.0)
    store.api_keys.used(key.record)
    store.api_keys.revoke(key.record.prefix)
    session_id, _ = store.sessions.open("bootstrap", "proof")
    store.sessions.use(session_id)
    store.subjects.person("https://id.example/", "ada", 0.0)
    store.tallies.count("disclosure")
    store.tallies.flush()
    store.people.revoke(chat.user_id)
    store.people.erase(chat.user_id)
    assert sorted(used) == NAMES


def test_each_script_has_its_own_hash() -> None:
    assert len({load_script(name).sha for name in NAMES}) == len(NAMES)
