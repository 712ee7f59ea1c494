"""Row 12: several devices of one person write at once: one order, nothing lost or doubled."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from typing import Any

import pytest

from tests.faults.durable import KINDS, Durable, Talker, at_once

pytestmark = [pytest.mark.slow, pytest.mark.faults(12)]
DEVICES, MESSAGES = 3, 5


def check_history(turns: list[dict[str, Any]], sent: list[str]) -> None:
    """One order without gaps; every message once, each answered once and after it was said."""
    assert [turn["seq"] for turn in turns] == list(range(1, len(turns) + 1))
    said = [turn for turn in turns if turn["speaker"] == "person"]
    assert Counter(turn["text"] for turn in said) == Counter(sent)
    place = {turn["turn_id"]: turn["seq"] for turn in said}
    answers = [turn for turn in turns if turn["speaker"] == "kindred"]
    assert Counter(turn["answers"] for turn in answers) == Counter(list(place))
    assert all(turn["seq"] > place[turn["answers"]] for turn in answers)


def test_row_12_messages_of_several_devices(durable: Durable) -> None:
    (talker,) = durable.talkers(1)
    place = talker.replies[0]["conversation_id"]
    texts: dict[str, str] = {}  # reply → message
    barrier = threading.Barrier(DEVICES)

    def device(name: str) -> None:
        barrier.wait()
        for number in range(MESSAGES):
            text = f"{name} says {number}"
            message = {"conversation_id": place, "message_id": str(uuid.uuid4())}
            answers = [talker.say(text, **message)]
            if number % 2:  # the tunnel: sent again, though it was answered
                answers.append(talker.say(text, **message))
            assert {answer.status for answer in answers} == {200}, answers[-1].text
            assert len({answer.json["reply_id"] for answer in answers}) == 1
            texts[answers[0].json["reply_id"]] = text

    names = [f"device {i}" for i in range(DEVICES)]
    at_once([lambda n=name: device(n) for name in names])
    path = f"/v1/conversations/{place}?limit=100"
    turns = durable.service.call("GET", path, talker.token).json["turns"]
    sent = [f"{name} says {number}" for name in names for number in range(MESSAGES)]
    check_history(turns, ["hello number 0", *sent])
    said = {turn["turn_id"]: turn["text"] for turn in turns if turn["speaker"] == "person"}
    shown = {turn["reply_id"]: said[turn["answers"]] for turn in turns if turn["reply_id"]}
    assert {reply: shown[reply] for reply in texts} == texts


def test_row_12_reactions_of_several_devices(durable: Durable) -> None:
    """Each event follows from the one before, and the last is what stands."""
    (talker,) = durable.talkers(1)
    reply = talker.replies[0]["reply_id"]
    changed: list[str] = []
    barrier = threading.Barrier(DEVICES)

    def device(number: int) -> None:
        mine = Talker(talker.service, talker.token, talker.replies)
        barrier.wait()
        for kind in KINDS[number:] + KINDS[:number]:
            answer = mine.react(0, kind)
            assert answer.status == 200, answer.text
            if answer.json["changed"]:
                changed.append(kind)

    at_once([lambda n=number: device(n) for number in range(DEVICES)])
    with durable.inside() as client:
        events = [
            fields
            for name in client.scan_iter("kindred:{p*}:reactions")
            for _, fields in client.xrange(name)
            if fields[b"reply"].decode() == reply
        ]
    assert Counter(event[b"reaction"].decode() for event in events) == Counter(changed)
    previous = b""
    for event in events:
        assert event[b"previous"] == previous
        assert event[b"type"] == (b"replaced" if previous else b"made")
        previous = event[b"reaction"]
    assert durable.standing(talker, 0)[0] == previous.decode()
