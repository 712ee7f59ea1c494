"""Over HTTP while Redis is frozen: messages are answered, reactions promised, and both say so."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from app.dialog.companion import Companion
from app.serving.fakes import FakeEngine
from app.settings import Settings
from app.store.store import Store
from app.telemetry import Metrics
from tests.app.web.helpers import Edge, Person, assert_problem


@pytest.fixture
def away(
    make: Callable[..., Edge],
    store: Store,
    settings: Settings,
    metrics: Metrics,
    empty_redis: redis.Redis,
) -> Iterator[Any]:
    """An edge over a companion that keeps promises, and the switch of its Redis."""
    short = settings.model_copy(update={"reaction_deadline_ms": 100, "chat_deadline_ms": 1_000})
    companion = Companion(store, FakeEngine(), short, metrics)
    store.keep_promises(companion.settle)
    pid = empty_redis.info("server")["process_id"]

    class Away:
        edge = make(companion)

        def freeze(self) -> None:
            os.kill(pid, signal.SIGSTOP)

        def thaw(self) -> None:
            """And wait until everything is told."""
            os.kill(pid, signal.SIGCONT)
            spool = store.promises.spool
            end = time.monotonic() + 30
            while store._core.client.state != "closed" or (spool and spool.entries):
                assert time.monotonic() < end
                time.sleep(0.02)

    switch = Away()
    yield switch
    os.kill(pid, signal.SIGCONT)


@pytest.fixture
def person(away: Any) -> Person:
    """A guest who was here before."""
    return Person(away.edge)


def test_a_message_says_that_it_was_not_kept(away: Any, person: Person) -> None:
    before = person.say("hello")
    assert before["saved"] is True
    away.freeze()
    context = [{"speaker": "person", "text": "hi"}, {"speaker": "kindred", "text": "Hello."}]
    reply = person.say("still there?", conversation_id=before["conversation_id"], context=context)
    assert (reply["saved"], reply["degraded"], reply["variants"]) == (False, True, {})
    path = f"/v1/replies/{reply['reply_id']}"
    assert_problem(person("PUT", f"{path}/reaction", {"reaction": "love"}), 409, "conflict")
    assert_problem(person("DELETE", f"{path}/reaction"), 409, "conflict")
    new = person.say("a new conversation")
    feedback = f"/v1/conversations/{new['conversation_id']}/feedback"
    assert_problem(person("PUT", feedback, {"feeling": "better"}), 409, "conflict")
    away.thaw()
    talk = person("GET", f"/v1/conversations/{before['conversation_id']}").json
    assert talk is not None
    texts = [turn["text"] for turn in talk["turns"]]
    # The message may be there: a frozen Redis reads what it was sent once it wakes. No reply is.
    assert [text for text in texts if text != "still there?"] == ["hello", before["text"]]
    assert person.say("back", conversation_id=new["conversation_id"])["saved"] is True


def test_a_reaction_says_that_it_is_spooled(away: Any, person: Person) -> None:
    reply = person.say("hello")
    path = f"/v1/replies/{reply['reply_id']}/reaction"
    feedback = f"/v1/conversations/{reply['conversation_id']}/feedback"
    away.freeze()
    loved = person("PUT", path, {"reaction": "love", "comment": "so kind"})
    assert loved.status_code == 202
    assert loved.json == {"reply_id": reply["reply_id"], "reaction": "love", "spooled": True}
    taken_back = person("DELETE", path)
    assert taken_back.status_code == 202
    assert taken_back.json == {"reply_id": reply["reply_id"], "reaction": None, "spooled": True}
    felt = person("PUT", feedback, {"feeling": "better"})
    assert felt.status_code == 202
    assert felt.json is not None
    assert felt.json["spooled"] is True
    away.thaw()
    talk = person("GET", f"/v1/conversations/{reply['conversation_id']}").json
    assert talk is not None
    assert (talk["turns"][-1]["reaction"], talk["feeling"]) == (None, "better")
    now = person("PUT", path, {"reaction": "funny"})
    assert (now.status_code, now.json) == (
        200,
        {"reply_id": reply["reply_id"], "reaction": "funny", "changed": True},
    )


def test_what_can_neither_be_kept_nor_promised_is_refused(
    away: Any, person: Person, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = person.say("hello")
    path = f"/v1/replies/{reply['reply_id']}/reaction"
    away.freeze()

    def full(*args: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        answer = person("PUT", path, {"reaction": "love"})
    assert_problem(answer, 503, "store-unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert person("PUT", path, {"reaction": "love"}).status_code == 202


def test_a_token_that_is_known_to_be_revoked_promises_nothing(
    away: Any, person: Person, store: Store
) -> None:
    reply = person.say("hello")
    path = f"/v1/replies/{reply['reply_id']}/reaction"
    store.people.revoke(person.user_id)
    assert_problem(person("PUT", path, {"reaction": "love"}), 401)
    away.freeze()
    assert_problem(person("PUT", path, {"reaction": "love"}), 401)
    assert_problem(person("POST", "/v1/chat", {"message": "hello"}), 401)


@pytest.mark.parametrize(
    ("context", "pointer"),
    [
        ([{"speaker": "somebody", "text": "hi"}], "/context/0/speaker"),
        ([{"speaker": "person"}], "/context/0/text"),
        ([{"speaker": "person", "text": "x" * 2_001}], "/context/0/text"),
        ([{"speaker": "person", "text": "hi", "reply_id": "r1"}], "/context/0/reply_id"),
        ([{"speaker": "person", "text": "hi"}] * 41, "/context"),
        ("hi", "/context"),
    ],
)
def test_the_context_is_checked_also_where_it_is_not_read(
    away: Any, person: Person, context: Any, pointer: str
) -> None:
    answer = person("POST", "/v1/chat", {"message": "hello", "context": context})
    assert_problem(answer, 422, pointer=pointer)


def test_the_context_takes_no_part_in_what_makes_two_requests_the_same(
    away: Any, person: Person
) -> None:
    line = {"speaker": "person", "text": "\u200bhi\u202e"}
    first = person.say("hello", message_id="one", context=[line])
    assert person.say("hello", message_id="one")["reply_id"] == first["reply_id"]
