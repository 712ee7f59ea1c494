"""Flags that are too many, too large or too long-winded: refused by name, or of no harm to chat."""

from __future__ import annotations

import json
from typing import Any

import pytest
import redis

from app.experiments.defaults import DEFAULT_FLAGS
from app.experiments.schema import is_sound
from app.store import keys
from app.store.store import Store
from tests.app.web.helpers import Admin, Person, assert_problem

FLAG: dict[str, Any] = {
    "state": "ENABLED",
    "variants": {"on": True, "off": False},
    "defaultVariant": "off",
}
SO_FAR = {"var": "accumulator"}
DOUBLED = {"reduce": [[0] * 40, [SO_FAR, SO_FAR], ["a"]]}
GROWING = {
    "twenties": {"reduce": [[0] * 6, {"substr": [[SO_FAR] * 20, 0]}, "aaaaaaaaaa"]},
    "comparing": {"if": [{"==": [DOUBLED, DOUBLED]}, "on", "off"]},
    "joining": {"cat": [DOUBLED]},
}


def listed(admin: Admin) -> set[str]:
    """The keys of all flags."""
    found = admin("GET", "/admin/v1/flags").json
    assert found is not None
    return set(found["flags"])


def test_a_message_and_one_of_a_crisis_are_answered_whatever_grows_in_a_flag(
    person: Person, admin: Admin
) -> None:
    for key, rule in GROWING.items():
        assert (
            admin("PUT", f"/admin/v1/flags/{key}", {**FLAG, "targeting": rule}).status_code == 201
        )
    switch = {**FLAG, "targeting": GROWING["twenties"]}
    assert admin("PUT", "/admin/v1/flags/generator", switch).status_code == 200
    reply = person.say("hello")
    expected = dict.fromkeys(DEFAULT_FLAGS, "on") | dict.fromkeys(GROWING, "off")
    assert reply["variants"] == {**expected, "generator": "off"}
    assert (reply["saved"], reply["degraded"]) == (True, False)
    crisis = person.say("i want to kill myself")
    assert (crisis["source"], crisis["variants"]) == ("safety", {})
    assert "988" in crisis["text"]


@pytest.mark.parametrize(
    ("changes", "pointer", "detail"),
    [
        ({"variants": {"on": True, "off": False, "x" * 101: True}}, "/variants", "100 characters"),
        ({"metadata": {"description": "x" * 16_000}}, "", "at most 16,000 bytes as JSON"),
        ({"$comment": "x" * 16_000}, "", "at most 16,000 bytes as JSON"),
    ],
)
def test_what_is_too_long_is_named_and_not_repeated(
    admin: Admin, changes: dict[str, Any], pointer: str, detail: str
) -> None:
    answer = admin("PUT", "/admin/v1/flags/x", {**FLAG, **changes})
    problem = assert_problem(answer, 422, "invalid-input", pointer)
    assert detail in problem["detail"]
    assert "x" * 101 not in answer.text
    assert_problem(admin("GET", "/admin/v1/flags/x"), 404)


def test_one_flag_more_than_200_is_refused_and_one_that_is_there_replaced(
    admin: Admin, person: Person, empty_redis: redis.Redis
) -> None:
    rest = json.dumps({name: value for name, value in FLAG.items() if name != "state"})
    for i in range(200 - len(DEFAULT_FLAGS)):
        empty_redis.hset(keys.FLAG_DEFINITIONS, f"f{i}", rest)
    empty_redis.incr(keys.FLAG_VERSION)
    refused = assert_problem(admin("PUT", "/admin/v1/flags/one-more", FLAG), 409, "conflict")
    assert "200 flags" in refused["detail"]
    assert admin("PUT", "/admin/v1/flags/f1", {**FLAG, "defaultVariant": "on"}).status_code == 200
    assert len(listed(admin)) == 200
    assert len(person.say("hello")["variants"]) == 200
    assert admin("DELETE", "/admin/v1/flags/f2").status_code == 204
    assert admin("PUT", "/admin/v1/flags/one-more", FLAG).status_code == 201


def test_what_is_too_large_in_redis_already_is_left_out(
    admin: Admin, person: Person, store: Store, empty_redis: redis.Redis
) -> None:
    store.flags.demand(is_sound)  # as the factory does
    long = "n" * 200_000
    for key, definition in (
        ("large", {**FLAG, "metadata": {"description": long}}),
        ("named", {**FLAG, "variants": {long: True}, "defaultVariant": long}),
        (long, FLAG),
    ):
        empty_redis.hset(keys.FLAG_DEFINITIONS, key, json.dumps(definition))
    empty_redis.incr(keys.FLAG_VERSION)
    assert person.say("hello")["variants"].keys() == DEFAULT_FLAGS.keys()
    assert listed(admin) == set(DEFAULT_FLAGS)
    assert admin("PUT", "/admin/v1/flags/large", FLAG).status_code == 201
    assert person.say("hello again")["variants"]["large"] == "off"
    assert admin("DELETE", "/admin/v1/flags/named").status_code == 204
