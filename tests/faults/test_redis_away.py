"""Rows 1, 6 and 7: Redis is killed or frozen under a real service, and comes back."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.faults.durable import (
    CHAT_SECONDS,
    KINDS,
    Durable,
    Talker,
    assert_each_once,
    at_once,
)
from tests.faults.service import eventually

pytestmark = pytest.mark.slow


@pytest.mark.faults(1)
def test_row_1_redis_is_killed_under_load_and_comes_back(durable: Durable) -> None:
    people = durable.talkers(6, replies=8)
    acknowledged: list[tuple[str, str]] = []
    statuses: list[int] = []

    def react(talker: Talker) -> None:
        for kind in KINDS:
            for number, reply in enumerate(talker.replies):
                answer = talker.react(number, kind)
                statuses.append(answer.status)
                time.sleep(0.02)  # so that it lasts through both kills
                if answer.status in (200, 202):
                    acknowledged.append((reply["reply_id"], kind))

    def kill() -> None:
        for count in (30, 150):
            eventually(lambda count=count: len(statuses) > count, 60, "nobody reacts")
            durable.kill()
            time.sleep(0.3)
            durable.start()

    at_once([*(lambda t=talker: react(t) for talker in people), kill])
    durable.well()
    replies = [reply["reply_id"] for talker in people for reply in talker.replies]
    assert set(statuses) <= {200, 202, 503}
    assert 202 in statuses
    assert len(acknowledged) >= 0.9 * len(statuses)
    assert_each_once(acknowledged, durable.events(*replies))
    for talker in people:
        for number, reply in enumerate(talker.replies):
            last = [kind for other, kind in acknowledged if other == reply["reply_id"]][-1]
            assert durable.standing(talker, number)[0] == last


@pytest.mark.faults(6)
def test_row_6_redis_freezes(durable: Durable) -> None:
    (talker,) = durable.talkers(1)
    service, kept = durable.service, talker.replies[0]["conversation_id"]
    opened = service.metric("kindred_store_breaker_opened_total", store="data")
    context = [
        {"speaker": "person", "text": "i went hiking"},
        {"speaker": "kindred", "text": "Lovely! How far did you go?"},
    ]
    seconds: list[float] = []
    durable.freeze()
    try:
        for number in range(8):
            answer = talker.say(f"i am so tired {number}", conversation_id=kept, context=context)
            assert answer.status == 200, answer.text
            reply = answer.json
            assert (reply["degraded"], reply["saved"]) == (True, False)
            assert reply["conversation_id"] == kept
            assert reply["text"] not in ("", "Lovely! How far did you go?")
            seconds.append(answer.seconds)
        assert service.metric("kindred_store_breaker_open", store="data") == 1
        assert service.metric("kindred_store_breaker_opened_total", store="data") > opened
        assert service.metric("kindred_store_unavailable_total", kind="timeout") >= 3
        assert service.metric("kindred_store_unavailable_total", kind="open") > 0
        refused = service.react(talker.token, reply["reply_id"])
        assert refused.status == 409
        new = talker.say("hello from nowhere")
        assert (new.status, new.json["saved"]) == (200, False)
        crisis = talker.say("i want to kill myself", conversation_id=kept)
        assert (crisis.status, crisis.json["source"]) == (200, "safety")
        promised = talker.react(0, "love")
        assert (promised.status, promised.json["spooled"]) == (202, True)
    finally:
        durable.thaw()
    assert max(seconds) < CHAT_SECONDS, seconds
    durable.well()
    after = talker.say("are you back", conversation_id=new.json["conversation_id"])
    assert (after.status, after.json["saved"]) == (200, True)
    assert durable.standing(talker, 0)[0] == "love"


@pytest.mark.faults(7)
def test_row_7_redis_returns_and_has_all_that_was_promised(durable: Durable) -> None:
    people = durable.talkers(3, replies=3)
    service = durable.service
    acknowledged: list[tuple[str, str]] = []
    durable.kill()
    started = time.monotonic()

    def react(talker: Talker, kinds: Any, statuses: set[int]) -> None:
        for kind in kinds:
            for number, reply in enumerate(talker.replies):
                answer = talker.react(number, kind, comment=f"because of {kind}")
                assert answer.status in statuses, answer.text
                acknowledged.append((reply["reply_id"], kind))

    at_once([lambda t=talker: react(t, KINDS[:4], {202}) for talker in people])
    retracted = people[0].replies[0]["reply_id"]
    path = f"/v1/replies/{retracted}/reaction"
    answer = service.call("DELETE", path, people[0].token)
    assert (answer.status, answer.json["reaction"]) == (202, None)
    talk = f"/v1/conversations/{people[1].replies[0]['conversation_id']}"
    felt = service.call("PUT", f"{talk}/feedback", people[1].token, {"feeling": "better"})
    assert (felt.status, felt.json["spooled"]) == (202, True)
    assert service.metric("kindred_spool_entries") == 3 * 3 * 4 + 2
    oldest = service.metric("kindred_spool_oldest_seconds")
    assert 0 < oldest <= time.monotonic() - started + 1
    durable.start()
    # Whoever goes on meanwhile is told at once or queues behind; nothing overtakes.
    at_once([lambda t=talker: react(t, KINDS[4:], {200, 202}) for talker in people[1:]])
    durable.well()
    replies = [reply["reply_id"] for talker in people for reply in talker.replies]
    events = durable.events(*replies)
    assert [event for event in events if event[0] == retracted][-1][1:] == ("retracted", "")
    assert not [event for event in events if event[1] == "superseded"]
    assert_each_once(acknowledged, [event for event in events if event[2]])
    assert durable.standing(people[0], 0) == (None, None)
    assert durable.standing(people[0], 1) == (KINDS[3], f"because of {KINDS[3]}")
    assert durable.standing(people[1], 2) == (KINDS[5], f"because of {KINDS[5]}")
    assert service.call("GET", talk, people[1].token).json["feeling"] == "better"


@pytest.mark.faults(7)
def test_row_7_what_can_never_be_told_holds_up_nothing(durable: Durable) -> None:
    """A reaction to a reply that never was is promised, for nobody can tell; then put aside."""
    first, second = durable.talkers(2)
    rejected = durable.service.metric("kindred_spool_total", outcome="rejected")
    never = first.replies[0]["reply_id"][:-4] + "zzzz"
    durable.kill()
    assert durable.service.react(first.token, never).status == 202
    theirs = durable.service.react(first.token, second.replies[0]["reply_id"])
    assert theirs.status in (202, 404)  # 404: of another partition, so that it cannot be theirs
    assert first.react(0, "funny").status == 202
    durable.start()
    durable.well()
    assert durable.standing(first, 0)[0] == "funny"
    assert durable.standing(second, 0)[0] is None
    assert durable.events(never) == []
    wanted = rejected + 1 + (theirs.status == 202)
    assert durable.service.metric("kindred_spool_total", outcome="rejected") == wanted
