"""Row 37: a flag that is malformed, a flag store that is gone: chat goes on as it was known."""

from __future__ import annotations

import json

import pytest

from app.store.keys import FLAG_DEFINITIONS, FLAG_VERSION
from tests.faults.durable import Durable

pytestmark = [pytest.mark.slow, pytest.mark.faults(37)]

TONE = {
    "state": "ENABLED",
    "variants": {"warm": True, "plain": False},
    "defaultVariant": "warm",
    "targeting": {},
}
BROKEN = (
    b"{",
    b"[]",
    b'"a string"',
    b"\xff\xfe",
    json.dumps({"variants": 3, "defaultVariant": {}}).encode(),
    json.dumps({**TONE, "targeting": {"no such operator": [1, 2]}}).encode(),
    json.dumps({**TONE, "targeting": {"fractional": ["x"]}}).encode(),
    json.dumps({**TONE, "defaultVariant": "nowhere"}).encode(),
    json.dumps(
        {**TONE, "variants": {"n" * 200_000: True}, "defaultVariant": "n" * 200_000}
    ).encode(),
    json.dumps({**TONE, "metadata": {"description": "x" * 200_000}}).encode(),
)
SO_FAR = {"var": "accumulator"}
DOUBLED = {"reduce": [[0] * 40, [SO_FAR, SO_FAR], ["a"]]}
GROWING = (
    {"reduce": [[0] * 9, {"substr": [[SO_FAR] * 20, 0]}, "aaaaaaaaaa"]},
    {"if": [{"==": [DOUBLED, DOUBLED]}, "plain", "warm"]},
    {"cat": [DOUBLED]},
)


def put(durable: Durable, definition: bytes) -> None:
    """A definition straight into Redis, as a bug or an old release might leave it."""
    with durable.inside() as client:
        client.hset(FLAG_DEFINITIONS, "tone", definition)
        client.incr(FLAG_VERSION)


@pytest.fixture
def tone(durable: Durable) -> None:
    """A good flag, known to the worker."""
    answer = durable.service.admin("PUT", "/admin/v1/flags/tone", TONE)
    assert answer.status in (200, 201), answer.text
    (talker,) = durable.talkers(1)
    assert talker.replies[0]["variants"]["tone"] == "warm"


def test_row_37_a_definition_that_is_malformed(durable: Durable, tone: None) -> None:
    (talker,) = durable.talkers(1)
    known = talker.replies[0]["variants"].keys()
    for definition in BROKEN:
        put(durable, definition)
        answer = talker.say("hello again")
        assert (answer.status, answer.json["saved"]) == (200, True), definition
        variants = answer.json["variants"]
        assert variants.keys() | {"tone"} == known  # the other flags are as they were
        assert variants.get("tone", "warm") == "warm"  # the last good one, or none is shown
    for definition in BROKEN:  # after a good one, what is malformed in any way changes nothing
        assert durable.service.admin("PUT", "/admin/v1/flags/tone", TONE).status in (200, 201)
        assert talker.say("hello").json["variants"]["tone"] == "warm"
        put(durable, definition)
        assert talker.say("hello").json["variants"]["tone"] == "warm"
    assert durable.service.admin("PUT", "/admin/v1/flags/tone", TONE).status in (200, 201)
    assert talker.say("hello").json["variants"]["tone"] == "warm"


def test_row_37_a_rule_that_makes_ever_more(durable: Durable, tone: None) -> None:
    (talker,) = durable.talkers(1)
    for rule in GROWING:
        answer = durable.service.admin("PUT", "/admin/v1/flags/tone", {**TONE, "targeting": rule})
        assert answer.status == 200, answer.text
        answer = talker.say("hello again")
        assert (answer.status, answer.json["saved"]) == (200, True)
        assert answer.json["variants"]["tone"] == "warm"
        (other,) = durable.talkers(1)
        answer = other.say("i want to kill myself")
        assert (answer.status, answer.json["source"]) == (200, "safety")
    assert durable.service.admin("PUT", "/admin/v1/flags/tone", TONE).status == 200


def test_row_37_the_flag_store_is_gone(durable: Durable, tone: None) -> None:
    (talker,) = durable.talkers(1)
    switch = {**TONE, "variants": {"on": True, "off": False}, "defaultVariant": "off"}
    answer = durable.service.admin("PUT", "/admin/v1/flags/generator", switch)
    assert answer.status in (200, 201), answer.text
    try:
        assert talker.say("hello").json["source"] != "generator"
        for take_away, bring_back in (
            (durable.freeze, durable.thaw),
            (durable.kill, durable.start),
        ):
            take_away()
            for _ in range(4):
                answer = talker.say("hello from nowhere")
                assert (answer.status, answer.json["degraded"]) == (200, True)
                assert answer.json["source"] in ("retrieval", "fallback")  # still switched off
            bring_back()
            durable.well()
            assert talker.say("hello").json["variants"]["tone"] == "warm"
        with durable.inside() as client:
            client.delete(FLAG_DEFINITIONS, FLAG_VERSION)
        assert talker.say("hello").status == 200  # nobody's flags: the code's own defaults
    finally:
        switch = {**switch, "defaultVariant": "on"}
        assert durable.service.admin("PUT", "/admin/v1/flags/generator", switch).status < 300
