"""Idempotency-Key on every POST (faults, row 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.errors import InFlight
from app.store.store import Store
from app.web.idempotency import fingerprint
from app.web.routes import declared
from tests.app.web.helpers import Admin, Edge, Person, assert_problem

KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


@pytest.mark.faults(4)
def test_row_4_a_guest_is_made_once_for_each_key(edge: Edge) -> None:
    first = edge.client.post("/v1/auth/guest", headers=KEY)
    again = edge.client.post("/v1/auth/guest", headers=KEY)
    assert again.status_code == 201
    assert again.json == first.json
    assert again.content_type == "application/json"
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    for elsewhere in ({"REMOTE_ADDR": "192.0.2.9"}, {"HTTP_USER_AGENT": "another"}):
        other = edge.client.post("/v1/auth/guest", headers=KEY, environ_overrides=elsewhere)
        assert other.json["user_id"] != first.json["user_id"]


@pytest.mark.faults(4)
def test_row_4_another_body_is_422(kindred: Edge, admin: Admin) -> None:
    item = {"id": "1", "context": ["hi"], "response": "Hey.", "reaction": "love", "source": "p"}
    send: Callable[[Any], Any] = lambda items: admin(
        "POST", "/admin/v1/reactions", {"reactions": items}, **KEY
    )
    first = send([item])
    assert first.json["results"][0]["status"] == "stored"
    again = send([item])
    assert again.json == first.json  # "stored" again, not "duplicate"
    assert again.headers["Idempotency-Replayed"] == "true"
    assert_problem(send([{**item, "id": "2"}]), 422, "idempotency-key-reused")
    assert len(admin("GET", "/admin/v1/reactions").json["items"]) == 1


@pytest.mark.faults(4)
def test_row_4_while_in_flight_is_409(edge: Edge, store: Store) -> None:
    person = Person(edge)
    print_ = fingerprint("POST", "/v1/auth/refresh?", b"")
    assert store.idempotency.begin(person.user_id, KEY["Idempotency-Key"], print_) is None
    answer = person("POST", "/v1/auth/refresh", headers=KEY)
    assert_problem(answer, 409, "in-flight")
    assert 1 <= int(answer.headers["Retry-After"]) <= 46
    with pytest.raises(InFlight):
        store.idempotency.begin(person.user_id, KEY["Idempotency-Key"], print_)
    store.idempotency.abandon(person.user_id, KEY["Idempotency-Key"])
    assert person("POST", "/v1/auth/refresh", headers=KEY).status_code == 200


def test_a_failure_is_not_kept(person: Person) -> None:
    reply_id = "r00" + "0" * 26
    path = f"/v1/replies/{reply_id}/alternative"
    for _ in range(2):
        assert_problem(person("POST", path, headers=KEY), 404)
    reply = person.say("hello")
    path = f"/v1/replies/{reply['reply_id']}/alternative"
    fresh = {"Idempotency-Key": "another-key"}
    first = person("POST", path, headers=fresh)
    assert first.status_code == 200
    assert person("POST", path, headers=fresh).json == first.json
    assert_problem(person("POST", "/v1/auth/refresh", headers=fresh), 422)


@pytest.mark.parametrize("key", ["", '""', "a b", "ä", "x" * 256])
def test_bad_keys_are_422(edge: Edge, key: str) -> None:
    answer = edge.client.post("/v1/auth/guest", headers={"Idempotency-Key": key})
    assert_problem(answer, 422, "invalid-input")


@pytest.mark.faults(4)
def test_row_4_a_strangers_key_is_none_that_can_be_guessed(edge: Edge) -> None:
    for key in ("1", "guest", "x" * 19):  # the answer is a token; a neighbour could ask for it
        answer = edge.client.post("/v1/auth/guest", headers={"Idempotency-Key": key})
        assert_problem(answer, 422, "invalid-input")
    assert (
        edge.client.post("/v1/auth/guest", headers={"Idempotency-Key": "x" * 20}).status_code == 201
    )
    person = Person(edge)
    assert person("POST", "/v1/auth/refresh", headers={"Idempotency-Key": "1"}).status_code == 200
    paths = edge.client.get("/openapi.json").json["paths"]
    patterns = [
        parameter["schema"]["pattern"]
        for path in ("/v1/auth/guest", "/v1/auth/refresh")
        for parameter in paths[path]["post"]["parameters"]
    ]
    assert patterns == ["^[!-~]{20,255}$", "^[!-~]{1,255}$"]


def test_every_post_takes_a_key(edge: Edge) -> None:
    document = edge.client.get("/openapi.json").json
    posts = [path for path, methods in document["paths"].items() if "post" in methods]
    # Answers that are stored nowhere.
    secret = {"/admin/v1/session", "/v1/auth/revoke", "/admin/v1/replies/{reply_id}/replay"}
    assert len(posts) == 10
    for path in posts:
        parameters = document["paths"][path]["post"].get("parameters", [])
        takes = "Idempotency-Key" in [item["name"] for item in parameters]
        assert takes is (path not in secret)
    keeping = [
        rule.rule
        for rule in edge.app.url_map.iter_rules()
        if declared(edge.app.view_functions[rule.endpoint]).keeps_keys
    ]
    assert keeping == ["/v1/chat"]
