"""POST /v1/chat: JSON and events, retries, other people's things."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from app.errors import Overloaded
from app.experiments.defaults import DEFAULT_FLAGS
from tests.app.web.helpers import Admin, Edge, Person, Script, assert_problem

SSE = {"Accept": "text/event-stream, application/json;q=0.5"}


def events(text: str) -> list[tuple[str, Any]]:
    found = []
    for block in text.split("\n\n"):
        if block:
            name, data = block.split("\n")
            assert name.startswith("event: ")
            assert data.startswith("data: ")
            found.append((name[7:], json.loads(data[6:])))
    return found


def test_a_message_is_answered(person: Person) -> None:
    reply = person.say("  hello there\u200b ")
    assert set(reply) == {
        "reply_id",
        "conversation_id",
        "text",
        "source",
        "degraded",
        "variants",
        "created_at",
        "notices",
        "saved",
    }
    assert reply["text"]
    assert reply["source"] in {"retrieval", "generator"}
    assert reply["degraded"] is False
    assert reply["variants"] == dict.fromkeys(DEFAULT_FLAGS, "on")
    assert reply["created_at"].endswith("Z")
    assert datetime.fromisoformat(reply["created_at"]).utcoffset().total_seconds() == 0
    page = person("GET", f"/v1/conversations/{reply['conversation_id']}").json
    assert [turn["text"] for turn in page["turns"]] == ["hello there", reply["text"]]


def test_a_conversation_goes_on(person: Person) -> None:
    first = person.say("hello")
    second = person.say("how are you?", conversation_id=first["conversation_id"])
    assert second["conversation_id"] == first["conversation_id"]
    assert person.say("something else")["conversation_id"] != first["conversation_id"]


def test_events(person: Person) -> None:
    answer = person("POST", "/v1/chat", {"message": "good morning"}, SSE)
    assert answer.content_type == "text/event-stream; charset=utf-8"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["X-Request-Id"]
    (typing, _), (name, reply) = events(answer.text)
    assert (typing, name) == ("typing", "reply")
    assert set(reply) >= {"reply_id", "conversation_id", "text", "source", "variants"}


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/event-stream", "text/event-stream"),
        ("text/event-stream;q=0.2, application/json", "application/json"),
        ("text/html", "application/json"),
    ],
)
def test_who_gets_events(edge: Edge, accept: str, kind: str) -> None:
    answer = Person(edge)("POST", "/v1/chat", {"message": "hi"}, {"Accept": accept})
    assert answer.mimetype == kind


def test_typing_comes_before_the_work(edge: Edge, script: Script) -> None:
    person = Person(edge)
    answer = person.client.post(
        "/v1/chat",
        json={"message": "hi"},
        headers={"Authorization": f"Bearer {person.token}", **SSE},
        buffered=False,
    )
    stream = iter(answer.response)
    assert next(stream).startswith(b"event: typing")
    assert not script.asked
    assert next(stream).startswith(b"event: reply")
    assert len(script.asked) == 1
    answer.close()


def test_a_caller_who_hangs_up_ends_the_stream(edge: Edge, script: Script) -> None:
    person = Person(edge)
    answer = person.client.post(
        "/v1/chat",
        json={"message": "hi"},
        headers={"Authorization": f"Bearer {person.token}", **SSE},
        buffered=False,
    )
    next(iter(answer.response))
    answer.close()
    assert not script.asked
    read = edge.services.metrics.registry.get_sample_value
    labels = {"route": "/v1/chat", "method": "POST", "status": "200"}
    assert read("kindred_requests_total", labels) == 1


def test_an_error_after_the_stream_began_is_an_event(edge: Edge, script: Script) -> None:
    script.error = Overloaded(retry_after=3)
    answer = Person(edge)("POST", "/v1/chat", {"message": "hi"}, SSE)
    assert answer.status_code == 200
    (_, _), (name, problem) = events(answer.text)
    assert name == "error"
    assert problem["status"] == 503
    assert problem["type"] == "urn:kindred:problem:overloaded"
    assert 3 <= problem["retry_after"] <= 5
    assert problem["instance"].endswith(answer.headers["X-Request-Id"])


def test_an_error_before_the_stream_is_a_problem(edge: Edge) -> None:
    assert_problem(Person(edge)("POST", "/v1/chat", {"message": ""}, SSE), 422, "", "/message")


@pytest.mark.faults(4)
def test_row_4_chat_once_for_each_key(person: Person) -> None:
    def send(message: str, key: str, **more: Any) -> Any:
        return person("POST", "/v1/chat", {"message": message, **more}, {"Idempotency-Key": key})

    first = send("a quiet evening", "key-1")
    again = send("a quiet evening", "key-1")
    assert again.json == first.json
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    quoted = send("a quiet evening", '"key-1"')
    assert quoted.json == first.json
    assert_problem(send("another evening", "key-1"), 422, "idempotency-key-reused")
    assert_problem(send("x", "a b"), 422)
    assert_problem(send("x", "k" * 300), 422)
    page = person("GET", "/v1/conversations").json
    assert len(page["items"]) == 1
    assert page["items"][0]["turn_count"] == 2


def test_a_message_id_does_the_same(person: Person) -> None:
    first = person.say("so tired today", message_id="m-1")
    assert person.say("so tired today", message_id="m-1") == first
    event = person("POST", "/v1/chat", {"message": "so tired today", "message_id": "m-1"}, SSE)
    assert events(event.text)[-1] == ("reply", first)
    answer = person("POST", "/v1/chat", {"message": "so awake today", "message_id": "m-1"})
    assert_problem(answer, 422, "idempotency-key-reused")


def test_keys_belong_to_their_caller(kindred: Edge) -> None:
    one, two = Person(kindred), Person(kindred)
    first = one.say("hello", message_id="same")
    assert two.say("hello", message_id="same")["reply_id"] != first["reply_id"]


def test_keys_and_what_is_said_reach_the_companion(edge: Edge, script: Script) -> None:
    person = Person(edge)
    sent = {"message": "hi\u202e", "message_id": "mid", "conversation_id": "c1"}
    person("POST", "/v1/chat", sent, {"Idempotency-Key": "idem"})
    asked = script.asked[0]
    assert (asked.user_id, asked.generation) == (person.user_id, 1)
    assert (asked.message, asked.conversation_id) == ("hi", "c1")
    assert asked.keys == ("m:mid", "k:idem")
    assert len(asked.fingerprint) == 64


@pytest.mark.faults(25)
def test_lines_that_are_not_needed_are_not_read(
    edge: Edge, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    monkeypatch.setattr("app.web.chat.normalised", lambda text: read.append(text) or text.strip())
    line = {"speaker": "person", "text": " " * 2_000}
    spoken = {"speaker": "kindred", "text": "b" * 2_000}
    Person(edge).say("hi", context=[line] * 20 + [spoken] * 20)
    assert read == ["hi"]  # the lines would cost a hundred times as much, before any quota
    asked = script.asked[0]
    assert [said.text for said in asked.sent()] == ["b" * 2_000] * 10
    assert len(read) == 11


@pytest.mark.faults(25)
def test_a_message_that_is_far_too_long_is_not_read(
    edge: Edge, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    monkeypatch.setattr("app.web.chat.normalised", lambda text: read.append(text) or text)
    answer = Person(edge)("POST", "/v1/chat", {"message": "\ufb2c" * 20_000})
    assert_problem(answer, 422, "invalid-input")
    assert not read
    assert not script.asked


def test_what_kindred_is_stands_beside_the_first_reply(person: Person) -> None:
    first = person.say("hello")
    [notice] = first["notices"]
    assert notice["kind"] == "ai_disclosure"
    assert "an AI" in notice["text"]
    assert person.say("go on", conversation_id=first["conversation_id"])["notices"] == []
    event = person("POST", "/v1/chat", {"message": "anew"}, SSE)
    assert events(event.text)[-1][1]["notices"] == [notice]


@pytest.mark.parametrize(
    ("sent", "headers", "region"),
    [
        ({"locale": "en-GB"}, {"Accept-Language": "de-DE"}, "GB"),
        ({}, {"Accept-Language": "en-NZ,en;q=0.9"}, "NZ"),
        ({"locale": None}, {"Accept-Language": "*"}, ""),
        ({"locale": "whatever it is"}, {}, ""),
    ],
)
def test_the_country_of_the_client_reaches_the_companion(
    edge: Edge, script: Script, sent: dict[str, Any], headers: dict[str, str], region: str
) -> None:
    answer = Person(edge)("POST", "/v1/chat", {"message": "hi", **sent}, headers)
    assert answer.status_code == 200, answer.text
    assert script.asked[0].region == region


def test_a_crisis_names_help_where_the_person_is(person: Person) -> None:
    reply = person.say("i want to kill myself", locale="fr-FR")
    assert "3114" in reply["text"]


def test_a_crisis_is_answered_with_care(person: Person) -> None:
    reply = person.say("i want to kill myself")
    assert reply["source"] == "safety"
    page = person("GET", f"/v1/conversations/{reply['conversation_id']}").json
    assert page["crisis"] is True


def test_an_alternative_and_its_retry(person: Person) -> None:
    reply = person.say("my day was long")
    path = f"/v1/replies/{reply['reply_id']}/alternative"
    other = person("POST", path)
    assert other.status_code == 200
    assert other.json["reply_id"] != reply["reply_id"]
    assert other.json["text"] != reply["text"]
    assert person("POST", path).json == other.json
    reply_id, seen = other.json["reply_id"], {reply["text"], other.json["text"]}
    for _ in range(40):
        answer = person("POST", f"/v1/replies/{reply_id}/alternative")
        if answer.status_code != 200:
            break
        assert answer.json["text"] not in seen
        seen.add(answer.json["text"])
        reply_id = answer.json["reply_id"]
    assert_problem(answer, 409, "conflict")


@pytest.mark.faults(30)
def test_row_30_another_persons_things_are_404(
    kindred: Edge, admin: Admin, capsys: pytest.CaptureFixture[str]
) -> None:
    owner, other = Person(kindred), Person(kindred)
    reply = owner.say("this is mine")
    capsys.readouterr()
    conversation, reply_id = reply["conversation_id"], reply["reply_id"]
    attempts: list[tuple[str, str, Any]] = [
        ("GET", f"/v1/conversations/{conversation}", None),
        ("PUT", f"/v1/conversations/{conversation}/feedback", {"feeling": "worse"}),
        ("POST", f"/v1/replies/{reply_id}/alternative", None),
        ("PUT", f"/v1/replies/{reply_id}/reaction", {"reaction": "offensive"}),
        ("DELETE", f"/v1/replies/{reply_id}/reaction", None),
        ("DELETE", f"/v1/me/memories/{reply_id}", None),
        ("GET", f"/v1/me/memories/{reply_id}", None),
    ]
    for method, path, sent in attempts:
        assert_problem(other(method, path, sent), 404, "not-found")
    chat = other("POST", "/v1/chat", {"message": "hi", "conversation_id": conversation})
    assert_problem(chat, 404, "not-found")
    assert capsys.readouterr().out.count("not-theirs") == len(attempts) + 1
    page = owner("GET", f"/v1/conversations/{conversation}").json
    assert len(page["turns"]) == 2
    assert page["feeling"] is None
    assert admin("GET", "/admin/v1/reactions").json["items"] == []
