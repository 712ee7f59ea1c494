"""Quotas: their headers, their fallback, and that waiting helps."""

from __future__ import annotations

import re
from typing import Any

import pytest
import redis

from app.errors import Overloaded
from app.store.store import Store
from app.telemetry import Metrics
from app.web.limits import Quota, Shared
from tests.app.web.helpers import JWT_SECRET, Person, Script, assert_problem


def test_guests_are_limited_per_address(make: Any, script: Script) -> None:
    edge = make(script, guest_limit_per_minute=3)
    left = []
    for _ in range(3):
        made = edge.client.post("/v1/auth/guest")
        assert made.status_code == 201
        assert made.headers["RateLimit-Policy"] == '"guests";q=3;w=60'
        match = re.fullmatch(r'"guests";r=(\d+);t=(\d+)', made.headers["RateLimit"])
        assert match
        assert 1 <= int(match[2]) <= 60
        left.append(int(match[1]))
    assert left == [2, 1, 0]
    refused = edge.client.post("/v1/auth/guest")
    problem = assert_problem(refused, 429, "quota-exceeded")
    assert 1 <= int(refused.headers["Retry-After"]) <= 91
    assert problem["retry_after"] == int(refused.headers["Retry-After"])
    assert refused.headers["RateLimit"].startswith('"guests";r=0;t=')
    other = edge.client.post("/v1/auth/guest", environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
    assert other.status_code == 201


def test_redis_is_never_told_an_address(
    make: Any, script: Script, empty_redis: redis.Redis
) -> None:
    """Neither in a name nor in a value: both go to its append-only file."""
    edge = make(script, guest_limit_per_minute=3)
    for where in ("192.0.2.99", "2001:db8:1:2::1"):
        there = {"REMOTE_ADDR": where}
        assert edge.client.post("/v1/auth/guest", environ_overrides=there).status_code == 201
        wrong = {"X-API-Key": "not-a-key-of-ours"}
        asked = edge.client.get("/admin/v1/flags", headers=wrong, environ_overrides=there)
        assert asked.status_code == 401
    names = [bytes(name) for name in empty_redis.scan_iter("*")]
    assert sum(name.startswith(b"LIMITS:") for name in names) == 4  # guests and wrong keys of two
    kept = b" ".join(names + [bytes(empty_redis.dump(name)) for name in names])
    assert not re.search(rb"192\.0\.2|2001:0?db8", kept)


def test_who_lacks_the_secret_cannot_tell_whose_count_it_is(
    store: Store, metrics: Metrics, empty_redis: redis.Redis
) -> None:
    for secret in (JWT_SECRET, "another secret, of another service"):
        Quota("g", 2, Shared(store.brief_pool(5.0), metrics, secret)).take("192.0.2.1")
    assert len(list(empty_redis.scan_iter("LIMITS:*"))) == 2


def test_the_proxy_says_the_address_only_where_it_is_trusted(make: Any, script: Script) -> None:
    forwarded = [{"X-Forwarded-For": f"192.0.2.{i}"} for i in range(2)]
    alone = make(script, guest_limit_per_minute=1)
    answers = [alone.client.post("/v1/auth/guest", headers=h).status_code for h in forwarded]
    assert answers == [201, 429]
    behind = make(script, guest_limit_per_minute=1, proxies=1)
    forwarded = [{"X-Forwarded-For": f"6.6.6.6, 198.51.100.{i}"} for i in range(2)]
    answers = [behind.client.post("/v1/auth/guest", headers=h).status_code for h in forwarded]
    assert answers == [201, 201]
    assert behind.client.post("/v1/auth/guest", headers=forwarded[0]).status_code == 429


def test_messages_are_limited_per_person_but_never_a_crisis(make: Any, script: Script) -> None:
    edge = make(script, message_limit_per_minute=2)
    person, other = Person(edge), Person(edge)
    assert [person("POST", "/v1/chat", {"message": "hi"}).status_code for _ in range(3)] == [
        200,
        200,
        429,
    ]
    assert person("POST", "/v1/chat", {"message": "I want to kill myself"}).status_code == 200
    answer = other("POST", "/v1/chat", {"message": "hi"})
    assert answer.headers["RateLimit"].startswith('"messages";r=1;t=')
    assert answer.headers["RateLimit-Policy"] == '"messages";q=2;w=60'


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_one_person_has_not_all_places_but_never_waits_with_a_crisis(make: Any, kind: str) -> None:
    """The others go on; and a place is free again however the message ended."""
    seen: list[tuple[int, str]] = []

    class Nested(Script):
        """While it answers the first message, others come."""

        def reply(self, request: Any) -> Any:
            if request.message == "first":
                for token, text in ((mine, "second"), (mine, "i want to die"), (theirs, "hello")):
                    answer = say(token, text)
                    seen.append((answer.status_code, answer.get_data(as_text=True)))
            if request.message == "broken":
                raise Overloaded(retry_after=1.0)
            return super().reply(request)

    edge = make(Nested(), person_in_flight_max=1)
    mine, theirs = (edge.client.post("/v1/auth/guest").json["token"] for _ in range(2))

    def say(token: str, text: str) -> Any:
        headers = {"Authorization": f"Bearer {token}", "Accept": kind}
        return edge.client.post("/v1/chat", json={"message": text}, headers=headers)

    for text in ("broken", "first", "broken", "last"):
        told = say(mine, text).get_data(as_text=True)
        assert ("Hello." in told) is (text != "broken")
    refused, *answered = seen
    assert "quota-exceeded" in refused[1]
    assert refused[0] == (200 if kind == "text/event-stream" else 429)
    assert all("Hello." in text for _, text in answered)


def test_a_crisis_beyond_the_quota_is_answered_and_not_written_down(
    make: Any, script: Script
) -> None:
    edge = make(script, message_limit_per_minute=2)
    person, other = Person(edge), Person(edge)
    for _ in range(4):
        assert person("POST", "/v1/chat", {"message": "i want to die"}).status_code == 200
    other("POST", "/v1/chat", {"message": "i want to die"})
    assert [asked.kept for asked in script.asked] == [True, True, False, False, True]


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_a_crisis_beyond_the_places_is_answered_and_not_written_down(make: Any, kind: str) -> None:
    class Nested(Script):
        """While it answers one message, another comes."""

        def reply(self, request: Any) -> Any:
            reply = super().reply(request)
            if len(self.asked) < 4:
                assert "Hello." in say()
            return reply

    script = Nested()
    edge = make(script, person_in_flight_max=2)
    token = edge.client.post("/v1/auth/guest").json["token"]

    def say() -> str:
        headers = {"Authorization": f"Bearer {token}", "Accept": kind}
        sent = {"message": "i want to die"}
        return str(edge.client.post("/v1/chat", json=sent, headers=headers).get_data(as_text=True))

    say()
    say()
    assert [asked.kept for asked in script.asked] == [True, True, False, False, True]


def test_guests_can_be_switched_off(make: Any, script: Script) -> None:
    edge = make(script, guests=False)
    assert_problem(edge.client.post("/v1/auth/guest"), 403, "forbidden")


def test_messages_are_limited_per_address_but_never_a_crisis(make: Any, script: Script) -> None:
    edge = make(script, address_limit_per_minute=2)
    people = [Person(edge) for _ in range(3)]
    statuses = [p("POST", "/v1/chat", {"message": "hi"}).status_code for p in people]
    assert statuses == [200, 200, 429]
    assert people[2]("POST", "/v1/chat", {"message": "I want to kill myself"}).status_code == 200
    assert [asked.kept for asked in script.asked] == [True, True, False], "but not written down"


def test_other_requests_are_limited_per_person(make: Any, script: Script) -> None:
    edge = make(script, request_limit_per_minute=2)
    person, other = Person(edge), Person(edge)
    answers = [person("GET", "/v1/conversations") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["RateLimit-Policy"] == '"requests";q=2;w=60'
    assert answers[0].headers["RateLimit"].startswith('"requests";r=1;t=')
    assert_problem(answers[2], 429, "quota-exceeded")
    assert other("GET", "/v1/conversations").status_code == 200
    assert person("POST", "/v1/chat", {"message": "hi"}).status_code == 200


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),  # of one customer
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1:4711", "192.0.2.1:4712", True),  # as some proxies write it
        ("192.0.2.1:4711", "192.0.2.2:4711", False),
        ("[2001:db8:1:2::1]:4711", "2001:db8:1:2::9", True),
        ("one", "another", True),
        ("", "1.2.3.4.5", True),
        ("[192.0.2.1", "\u0661", True),
    ],
)
def test_an_address_is_what_somebody_has_one_of(
    make: Any, script: Script, one: str, other: str, same: bool
) -> None:
    edge = make(script, guest_limit_per_minute=1)
    statuses = [
        edge.client.post("/v1/auth/guest", environ_overrides={"REMOTE_ADDR": where}).status_code
        for where in (one, other)
    ]
    assert statuses == [201, 429 if same else 201]


UNREADABLE = (
    {"data": "{", "content_type": "application/json"},
    {"data": "{}", "content_type": "text/plain"},
    {"json": {"message": " "}},
    {"json": {"message": "x" * 9_000}},
    {"json": {"message": "hi"}, "headers": {"Idempotency-Key": "no such\u00e9"}},
)


@pytest.mark.parametrize("sent", UNREADABLE)
@pytest.mark.parametrize("quota", ["message", "address"])
def test_what_should_have_been_a_message_counts_as_one(
    make: Any, script: Script, sent: dict[str, Any], quota: str
) -> None:
    edge = make(script, **{f"{quota}_limit_per_minute": 2})
    person = Person(edge)
    token = {"Authorization": f"Bearer {person.token}"}
    more = {**sent, "headers": {**token, **sent.get("headers", {})}}
    statuses = [person.client.post("/v1/chat", **more).status_code for _ in range(3)]
    assert statuses[0] == statuses[1] in (400, 415, 422)
    assert statuses[2] == 429
    assert person("POST", "/v1/chat", {"message": "hi"}).status_code == 429
    assert person("POST", "/v1/chat", {"message": "I want to kill myself"}).status_code == 200


def test_who_shows_nothing_is_counted_by_address(make: Any, script: Script) -> None:
    edge = make(script, address_limit_per_minute=4)
    paths = ("/", "/openapi.json", "/metrics", "/admin/v1/session", "/admin/")
    answers = [edge.client.get(path) for path in paths]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429]
    assert_problem(answers[4], 429, "quota-exceeded")
    assert answers[0].headers["RateLimit"].startswith('"visits";r=3;t=')
    other = edge.client.get("/", environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
    assert other.status_code == 200
    for path in ("/livez", "/readyz", "/health"):  # whoever would restart us is told the truth
        assert edge.client.get(path).status_code == 200


def test_many_people_of_one_address_are_counted_together(make: Any, script: Script) -> None:
    edge = make(script, address_limit_per_minute=2)
    people = [Person(edge) for _ in range(3)]
    key = {"Idempotency-Key": "the-same-of-each"}
    answers = [one("POST", "/v1/auth/refresh", headers=key) for one in people]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert people[2]("POST", "/v1/chat", {"message": "hi"}).status_code == 200
