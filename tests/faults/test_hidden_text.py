"""Bidi overrides, zero-width, tag characters, lone marks: normalised, stored once (row 36)."""

from __future__ import annotations

import unicodedata

import pytest

from tests.faults.service import Service

pytestmark = [pytest.mark.faults(36), pytest.mark.slow]

HIDDEN = {
    "bidi override": ("good \u202enight\u202c all", "good night all"),
    "bidi isolate": ("\u2066a long\u2069 day", "a long day"),
    "zero width": ("a\u200b long\ufeff d\u2060ay", "a long day"),
    "soft hyphen": ("won\u00adderful", "wonderful"),
    "tag characters": ("hello\U000e0068\U000e0069\U000e007f there", "hello there"),
    "lone mark": ("\u0301hello there", "hello there"),
    "marks after a space": ("hello \u0301there", "hello there"),
    "controls": ("hello\x07 \x9bthere", "hello there"),
    "private use": ("hello\ue000 there", "hello there"),
    "composed otherwise": ("cafe\u0301", "café"),
    "line separators": ("one\u2028two\r\nthree", "one\ntwo\nthree"),
}
KEPT = {
    "a family (ZWJ)": "we are \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "Persian (ZWNJ)": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "a flag of tags": "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "Arabic": "مرحبا بالعالم",
    "Thai with marks": "ที่นี่",
    "a heart with its selector": "\u2764\ufe0f",
}


def stored(service: Service, token: str, conversation_id: str) -> list[str]:
    found = service.call("GET", f"/v1/conversations/{conversation_id}", token).json
    return [turn["text"] for turn in found["turns"] if turn["speaker"] == "person"]


@pytest.mark.parametrize("name", [*HIDDEN, *KEPT])
def test_a_message_is_kept_as_it_is_read(service: Service, name: str) -> None:
    sent, seen = HIDDEN.get(name) or (KEPT[name], KEPT[name])
    token = service.guest()
    reply = service.chat(token, sent)
    assert reply.status == 200, reply.text
    assert stored(service, token, reply.json["conversation_id"]) == [seen]
    comment = service.react(token, reply.json["reply_id"], "love", comment=sent)
    assert comment.status == 200
    turns = service.call("GET", f"/v1/conversations/{reply.json['conversation_id']}", token).json[
        "turns"
    ]
    assert turns[-1]["comment"] == seen
    (event,) = (
        item
        for item in service.admin("GET", "/admin/v1/reactions").json["items"]
        if item["reply_id"] == reply.json["reply_id"]
    )
    assert event["context"][-1] == seen
    assert event["comment"] == seen


def test_many_marks_are_cut_and_nothing_at_all_is_refused(service: Service) -> None:
    token = service.guest()
    reply = service.chat(token, "z" + "\u0300\u0301\u0302\u0303\u0304" * 20 + " hello")
    (text,) = stored(service, token, reply.json["conversation_id"])
    assert sum(unicodedata.category(c) == "Mn" for c in text) <= 4
    for nothing in ("\u200d\u200c", "\u202e\u202c", "\u0301", "\ue000", "\U000e0041"):
        answer = service.chat(token, nothing)
        assert answer.status == 422, (ascii(nothing), answer.text)
        assert answer.json["errors"][0]["pointer"] == "/message"


def test_two_spellings_are_one_message(service: Service) -> None:
    token = service.guest()
    key = {"Idempotency-Key": "one-message"}
    first = service.chat(token, "cafe\u0301 \u202etime\u202c", headers=key)
    again = service.chat(token, "café time", headers=key)
    assert again.json["reply_id"] == first.json["reply_id"]
    assert stored(service, token, first.json["conversation_id"]) == ["café time"]


def test_judgements_from_elsewhere_are_read_the_same_way(service: Service) -> None:
    sent = {
        "id": "hidden-1",
        "context": ["good \u202enight\u202c"],
        "response": "sleep\u200b well",
        "reaction": "love",
        "source": "lab",
        "comment": "\u2066fine\u2069",
    }
    answer = service.admin("POST", "/admin/v1/reactions", {"reactions": [sent]})
    assert answer.json["results"][0]["status"] == "stored", answer.text
    (event,) = (
        item
        for item in service.admin("GET", "/admin/v1/reactions").json["items"]
        if item["response"] == "sleep well"
    )
    assert event["context"] == ["good night"]
    assert event["comment"] == "fine"
