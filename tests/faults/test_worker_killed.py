"""Row 15: the worker is killed; the next is ready once it is warm, and everything is there."""

from __future__ import annotations

import http.client

import pytest

from tests.faults.conftest import StartService
from tests.faults.service import Service, eventually

pytestmark = [pytest.mark.slow, pytest.mark.faults(15)]

REACTIONS = ("love", "funny", "upvote", "meaningless")
WARM = "models ready in"


def test_row_15_the_worker_is_killed(start_service: StartService) -> None:
    service = start_service()
    people = [service.guest() for _ in range(4)]
    kept = []
    for number, token in enumerate(people):
        reply = service.chat(token, f"hello from person {number}").json
        assert service.react(token, reply["reply_id"], REACTIONS[number]).status == 200
        kept.append(reply)
    assert service.log().count(WARM) == 1

    killed = service.kill_worker()
    assert eventually(lambda: _first_answer(service), 400) == 200  # never ready before it is warm
    assert service.log().count(WARM) == 2
    assert service.worker_pid != killed

    for token, reply, reaction in zip(people, kept, REACTIONS, strict=True):
        found = service.call("GET", f"/v1/conversations/{reply['conversation_id']}", token).json
        _, answered = found["turns"]
        assert (answered["text"], answered["reaction"]) == (reply["text"], reaction)
        again = service.chat(token, "and again", conversation_id=reply["conversation_id"])
        assert (again.status, again.json["degraded"]) == (200, False)


def _first_answer(service: Service) -> int:
    """The status of /readyz, 0 while nobody answers: the new worker does not listen yet."""
    try:
        return service.call("GET", "/readyz", timeout=2.0).status
    except (OSError, http.client.HTTPException):
        return 0


def test_row_15_a_request_that_died_with_the_worker_is_answered_when_it_is_sent_again(
    start_service: StartService,
) -> None:
    service = start_service(faulty=True, chat_deadline_ms=9_000, finish_deadline_ms=900)
    token = service.guest()
    service.breaks("encoder", "crashes")
    with pytest.raises((OSError, http.client.HTTPException)):
        service.chat(token, "are you there?", message_id="the-same")
    service.mends("encoder")
    service.wait_ready()
    # The lease of the attempt that died ends by itself; until then it is said to be in flight.
    answer = eventually(
        lambda: _answered(service, token), 90, "the message stayed in flight for ever"
    )
    found = service.call("GET", f"/v1/conversations/{answer['conversation_id']}", token).json
    assert [turn["speaker"] for turn in found["turns"]] == ["person", "kindred"]


def _answered(service: Service, token: str) -> dict[str, str] | None:
    answer = service.chat(token, "are you there?", message_id="the-same")
    assert answer.status in (200, 409), answer.text
    return answer.json if answer.status == 200 else None
