"""Another person's conversation, reply, reaction and memory: 404, and a security event (row 30).

The routes are those of the service's own document, so that a new one is walked from its first day.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.faults.service import Answer, Service

pytestmark = [pytest.mark.faults(30), pytest.mark.slow]
PERSON = [{"person": []}]


@dataclass
class Victim:
    """Somebody with one thing of each kind."""

    token: str
    ids: dict[str, str]  # by the name of the path's parameter


@pytest.fixture
def victim(service: Service) -> Victim:
    token = service.guest()
    reply = service.chat(token, "My name is Ada and my sister lives in Turin.").json
    assert service.react(token, reply["reply_id"], "love", comment="so true").status == 200
    memories = service.call("GET", "/v1/me/memories", token).json["items"]
    assert memories
    return Victim(
        token,
        {
            "conversation_id": reply["conversation_id"],
            "reply_id": reply["reply_id"],
            "memory_id": memories[0]["memory_id"],
        },
    )


def walk(service: Service, victim: Victim) -> Iterator[tuple[str, str, Any]]:
    """Every person's route that takes an id: method, path with the victim's ids, a good body."""
    document = service.call("GET", "/openapi.json").json
    schemas = document["components"]["schemas"]
    for template, methods in document["paths"].items():
        for method, operation in methods.items():
            names = [p["name"] for p in operation.get("parameters", []) if p["in"] == "path"]
            if operation["security"] != PERSON or not names:
                continue
            body = None
            if "requestBody" in operation:
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
                body = schemas[schema["$ref"].rpartition("/")[2]]["examples"][0]
            elif method == "post":
                body = {}
            # KeyError: a new kind of id, which the victim above must have one of.
            yield method.upper(), template.format(**{n: victim.ids[n] for n in names}), body


def belongings(service: Service, victim: Victim) -> list[Any]:
    """All that the victim can read."""
    conversation = f"/v1/conversations/{victim.ids['conversation_id']}"
    paths = (conversation, "/v1/conversations", "/v1/me/memories")
    return [service.call("GET", path, victim.token).json for path in paths]


def assert_nothing_there(answer: Answer, what: Any) -> None:
    assert answer.status == 404, (what, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["type"] == "urn:kindred:problem:not-found"


def events(service: Service) -> list[dict[str, Any]]:
    found = []
    for line in service.log().splitlines():
        if '"security"' in line:
            event = json.loads(line[line.index("{") :])
            if event.get("kind") == "not-theirs":
                found.append(event)
    return found


def test_every_route_with_an_id_answers_404_to_another_person(
    service: Service, victim: Victim
) -> None:
    before, noted = belongings(service, victim), len(events(service))
    counted = service.metric("kindred_security_total", kind="not-theirs") or 0.0
    attacker = service.guest()
    walked = list(walk(service, victim))
    assert len(walked) >= 7
    for method, path, body in walked:
        assert_nothing_there(service.call(method, path, attacker, body), (method, path))
        # An id that nobody has looks the same.
        nobody = path
        for name in victim.ids.values():
            nobody = nobody.replace(name, name[:3] + "0" * (len(name) - 3))
        assert_nothing_there(service.call(method, nobody, attacker, body), (method, nobody))
    assert belongings(service, victim) == before
    new = events(service)[noted:]
    assert len(new) == 2 * len(walked)
    assert len({event["caller"] for event in new}) == 1  # the lines of one caller go together
    for event in new:
        assert event["route"].startswith("/v1/")
        for name in victim.ids.values():
            assert name not in json.dumps(event)
    after = service.metric("kindred_security_total", kind="not-theirs")
    assert after == counted + len(new)


def test_a_message_into_another_persons_conversation_is_404(
    service: Service, victim: Victim
) -> None:
    before, noted = belongings(service, victim), len(events(service))
    attacker = service.guest()
    theirs = victim.ids["conversation_id"]
    assert_nothing_there(service.chat(attacker, "hello", conversation_id=theirs), "chat")
    accept = {"Accept": "text/event-stream"}
    streamed = service.chat(attacker, "hello", headers=accept, conversation_id=theirs)
    assert "urn:kindred:problem:not-found" in streamed.text
    assert '"text"' not in streamed.text
    # Who speaks of a crisis is answered whatever else is wrong: in a conversation of their own.
    answer = service.chat(attacker, "I want to kill myself", conversation_id=theirs)
    assert answer.status == 200
    assert answer.json["conversation_id"] != theirs
    assert belongings(service, victim) == before
    assert len(events(service)) == noted + 3


def test_another_persons_cursor_and_idempotency_key_give_nothing(
    service: Service, victim: Victim
) -> None:
    service.chat(victim.token, "another one")
    first = service.call("GET", "/v1/conversations?limit=1", victim.token).json
    attacker = service.guest()
    path = f"/v1/conversations?limit=1&cursor={first['next_cursor']}"
    assert service.call("GET", path, attacker).status == 422
    key = {"Idempotency-Key": "the-same-key-of-two-people"}
    mine = service.chat(victim.token, "only for me", headers=key)
    theirs = service.chat(attacker, "only for me", headers=key)
    assert mine.status == theirs.status == 200
    assert mine.json["reply_id"] != theirs.json["reply_id"]
    assert "idempotency-replayed" not in theirs.headers


def test_a_person_is_no_administrator_and_a_key_no_person(service: Service, victim: Victim) -> None:
    document = service.call("GET", "/openapi.json").json
    walked = 0
    for template, methods in document["paths"].items():
        for method, operation in methods.items():
            path = template.format_map(_Any(victim.ids))
            body = {} if method in ("post", "put") else None
            if any("key" in way for way in operation["security"]):
                assert service.call(method.upper(), path, victim.token, body).status in (401, 429)
                walked += 1
            elif operation["security"] == PERSON:
                assert service.admin(method.upper(), path, body).status == 401
                walked += 1
    assert walked >= 25


class _Any(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "x"
