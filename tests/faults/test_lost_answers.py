"""Rows 3 and 4: answers that are lost after the write, and requests that are sent again."""

from __future__ import annotations

import uuid

import pytest

from app.store.link.client import load_script
from tests.faults.durable import Durable, at_once
from tests.faults.service import Answer, eventually

pytestmark = pytest.mark.slow
CONTEXT = [{"speaker": "person", "text": "hello"}]


@pytest.mark.faults(3)
def test_row_3_the_answer_to_a_reaction_is_lost(durable: Durable) -> None:
    (talker,) = durable.talkers(1)
    reply = talker.replies[0]["reply_id"]
    durable.line.lose_next_answer(load_script("react").sha.encode())
    first = talker.react(0, "love", comment="so kind")
    assert durable.line.lost
    # Whether it was written nobody can tell: it is promised, under the name it was sent by.
    assert first.status == 202
    again = talker.react(0, "love", comment="so kind")
    assert again.status in (200, 202)
    durable.well()
    assert durable.events(reply) == [(reply, "made", "love")]
    assert durable.standing(talker, 0) == ("love", "so kind")


@pytest.mark.faults(3)
def test_row_3_the_answer_to_a_feeling_is_lost(durable: Durable) -> None:
    (talker,) = durable.talkers(1)
    path = f"/v1/conversations/{talker.replies[0]['conversation_id']}/feedback"
    durable.line.lose_next_answer(load_script("feel").sha.encode())
    answer = durable.service.call("PUT", path, talker.token, {"feeling": "better"})
    assert (answer.status, durable.line.lost) == (202, True)
    durable.well()
    with durable.inside() as client:
        found = [
            fields[b"type"]
            for name in client.scan_iter("kindred:{p*}:events")
            for _, fields in client.xrange(name)
            if fields.get(b"conversation", b"").decode() == talker.replies[0]["conversation_id"]
            and b"feeling" in fields
        ]
    assert found == [b"feeling"]


@pytest.mark.faults(3)
def test_row_3_the_answer_to_a_new_turn_is_lost(durable: Durable) -> None:
    """The turn was saved: it is answered without memory, and the retry answers the same turn."""
    (talker,) = durable.talkers(1)
    place = talker.replies[0]["conversation_id"]
    message = {"conversation_id": place, "message_id": str(uuid.uuid4())}
    durable.line.lose_next_answer(load_script("begin").sha.encode())
    lost = talker.say("i planted a tree", context=CONTEXT, **message)
    assert (lost.status, lost.json["saved"]) == (200, False)

    def retried() -> Answer | None:
        answer = talker.say("i planted a tree", **message)
        assert answer.status in (200, 409), answer.text  # 409: the lease of the lost attempt
        return answer if answer.status == 200 else None

    kept = eventually(retried, 90)
    assert kept.json["saved"]
    talk = durable.service.call("GET", f"/v1/conversations/{place}", talker.token).json
    said = [turn["text"] for turn in talk["turns"] if turn["speaker"] == "person"]
    assert said.count("i planted a tree") == 1
    assert [turn["seq"] for turn in talk["turns"]] == list(range(1, len(talk["turns"]) + 1))


@pytest.mark.faults(3)
def test_row_3_the_answer_to_a_reply_is_lost(durable: Durable) -> None:
    """The reply was kept: it was given as one that was not, and the retry gives what was kept."""
    (talker,) = durable.talkers(1)
    place = talker.replies[0]["conversation_id"]
    message = {"conversation_id": place, "message_id": str(uuid.uuid4())}
    durable.line.lose_next_answer(load_script("finish").sha.encode())
    lost = talker.say("the tree is an oak", **message)
    assert (lost.status, lost.json["saved"]) == (200, False)
    kept = talker.say("the tree is an oak", **message)
    assert (kept.status, kept.json["saved"]) == (200, True)
    assert kept.json["text"] == lost.json["text"]
    talk = durable.service.call("GET", f"/v1/conversations/{place}", talker.token).json
    assert [turn["text"] for turn in talk["turns"]][2:] == ["the tree is an oak", lost.json["text"]]


@pytest.mark.faults(4)
def test_row_4_the_same_key_and_body_again(durable: Durable) -> None:
    (talker,) = durable.talkers(1)
    key = {"Idempotency-Key": f'"{uuid.uuid4()}"'}
    body = {"conversation_id": talker.replies[0]["conversation_id"]}
    first = durable.service.chat(talker.token, "once", key, **body)
    again = durable.service.chat(talker.token, "once", key, **body)
    assert (first.status, again.status) == (200, 200)
    assert again.json == first.json
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    other = durable.service.chat(talker.token, "twice", key, **body)
    assert other.status == 422
    assert other.json["type"].endswith("idempotency-key-reused")
    path = f"/v1/conversations/{body['conversation_id']}"
    turns = durable.service.call("GET", path, talker.token).json["turns"]
    assert [turn["text"] for turn in turns if turn["speaker"] == "person"][1:] == ["once"]


@pytest.mark.faults(4)
def test_row_4_the_same_key_on_any_other_post(durable: Durable) -> None:
    (talker,) = durable.talkers(1)
    key = {"Idempotency-Key": str(uuid.uuid4())}
    path = f"/v1/replies/{talker.replies[0]['reply_id']}/alternative"
    first = durable.service.call("POST", path, talker.token, {}, key)
    again = durable.service.call("POST", path, talker.token, {}, key)
    assert first.status in (200, 409)  # 409: the slate of the small models has no other
    assert (again.status, again.json["status" if first.status == 409 else "text"]) == (
        first.status,
        first.json["status" if first.status == 409 else "text"],
    )
    refresh = durable.service.call("POST", "/v1/auth/refresh", talker.token, {}, key)
    assert refresh.status == (422 if first.status == 200 else 200)


@pytest.mark.faults(4)
def test_row_4_while_the_first_is_in_flight(durable: Durable) -> None:
    (talker,) = durable.talkers(1)
    key = {"Idempotency-Key": str(uuid.uuid4())}
    answers: list[Answer] = []

    def send() -> None:
        answers.append(durable.service.chat(talker.token, "a zebra came by", key))

    durable.service.breaks("encoder", "slow", seconds=1.2, word="zebra")
    try:
        at_once([send] * 3)
    finally:
        durable.service.mends("encoder")
    assert sorted(answer.status for answer in answers) == [200, 409, 409]
    (first,) = (answer for answer in answers if answer.status == 200)
    for refused in answers:
        if refused is not first:
            assert refused.json["type"].endswith("in-flight")
            assert int(refused.headers["retry-after"]) >= 1
    again = durable.service.chat(talker.token, "a zebra came by", key)
    assert (again.status, again.json) == (200, first.json)
