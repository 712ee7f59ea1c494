"""Administrators: the reaction log, judgements, flags, explain and replay."""

from __future__ import annotations

import time
from typing import Any

import pytest

from app.experiments.defaults import DEFAULT_FLAGS
from tests.app.web.helpers import Admin, Edge, Person, assert_problem

LOG = "/admin/v1/reactions"
FLAG: dict[str, Any] = {
    "state": "ENABLED",
    "variants": {"on": True, "off": False},
    "defaultVariant": "off",
    "metadata": {"description": "Tried out."},
}


def react(person: Person, text: str, kind: str, comment: str | None = None) -> dict[str, Any]:
    reply = person.say(text)
    path = f"/v1/replies/{reply['reply_id']}/reaction"
    sent = {"reaction": kind} | ({"comment": comment} if comment else {})
    assert person("PUT", path, sent).status_code == 200
    return reply


def test_a_reaction_is_seen_with_everything_behind_it(person: Person, admin: Admin) -> None:
    reply = react(person, "a long day", "love", "just right")
    (row,) = admin("GET", LOG).json["items"]
    assert row["action"] == "made"
    assert (row["reaction"], row["previous"], row["comment"]) == ("love", None, "just right")
    assert (row["reply_id"], row["user_id"]) == (reply["reply_id"], person.user_id)
    assert row["context"] == ["a long day"]
    assert row["response"] == reply["text"]
    assert row["source"] == reply["source"]
    assert row["conversation_id"] == reply["conversation_id"]
    assert row["variants"] == reply["variants"]
    assert set(row["versions"]) == {"encoder", "reranker", "generator", "index"}
    assert row["scores"]["propensity"] > 0
    assert "upvote" in row["scores"]["heads"]


def test_replacing_and_retracting_are_events_too(person: Person, admin: Admin) -> None:
    reply = react(person, "hello", "love")
    path = f"/v1/replies/{reply['reply_id']}/reaction"
    person("PUT", path, {"reaction": "downvote"})
    person("DELETE", path)
    rows = admin("GET", LOG).json["items"]
    assert [(row["action"], row["reaction"], row["previous"]) for row in rows] == [
        ("retracted", None, "downvote"),
        ("replaced", "downvote", "love"),
        ("made", "love", None),
    ]


def test_filters_and_pages(kindred: Edge, admin: Admin) -> None:
    people = [Person(kindred) for _ in range(3)]
    start = time.time()
    for i in range(6):
        react(people[i % 3], f"line {i}", "love" if i % 2 else "funny")
    love = admin("GET", f"{LOG}?reaction=love").json["items"]
    assert [row["context"][-1] for row in love] == ["line 5", "line 3", "line 1"]
    seen, cursor = [], ""
    while True:
        page = admin("GET", f"{LOG}?limit=2" + (f"&cursor={cursor}" if cursor else "")).json
        seen += [row["context"][-1] for row in page["items"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert seen == [f"line {i}" for i in reversed(range(6))]
    assert len(admin("GET", f"{LOG}?since={start - 1}").json["items"]) == 6
    assert admin("GET", f"{LOG}?until={start - 1}").json["items"] == []
    assert admin("GET", f"{LOG}?since=2100-01-01T00:00:00Z").json["items"] == []
    assert len(admin("GET", f"{LOG}?variant=generator").json["items"]) == 6
    assert len(admin("GET", f"{LOG}?variant=generator%3Don").json["items"]) == 6
    assert admin("GET", f"{LOG}?variant=generator%3Doff").json["items"] == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("since=yesterday", "/since"),
        ("until=-5", "/until"),
        ("since=nan", "/since"),
        ("since=1e400", "/since"),
        ("reaction=meh", "/reaction"),
        ("variant=", "/variant"),
        ("cursor=1-2-3", "/cursor"),
        ("limit=1000", "/limit"),
        ("user=1", "/user"),
    ],
)
def test_bad_filters_are_named(admin: Admin, query: str, pointer: str) -> None:
    assert_problem(admin("GET", f"{LOG}?{query}"), 422, "invalid-input", pointer)


def test_an_erased_persons_reactions_show_nothing_of_them(person: Person, admin: Admin) -> None:
    react(person, "a secret", "love", "secret too")
    assert person("DELETE", "/v1/me").status_code == 200
    answer = admin("GET", LOG)
    assert answer.status_code == 200
    assert "secret" not in answer.text


def test_judgements_have_a_result_each(admin: Admin) -> None:
    good = {
        "id": "a1",
        "context": ["I got the job!", "Wow!", "Yes, I start on Monday."],
        "response": "Congratulations!",
        "reaction": "upvote",
        "source": "panel",
        "created_at": "2026-01-02T03:04:05Z",
        "comment": "warm",
    }
    items: list[Any] = [
        good,
        {**good, "id": "a2", "reaction": "meh"},
        {**good, "id": "a3", "created_at": "tomorrow"},
        good,
        {**good, "id": "a4", "created_at": "2999-01-01T00:00:00Z"},
        "nothing",
        {**good, "id": "a5", "response": "\u200b"},
        {k: v for k, v in good.items() if k != "source"},
        {**good, "id": "a6"},
    ]
    answer = admin("POST", LOG, {"reactions": items})
    assert answer.status_code == 200
    results = answer.json["results"]
    assert [item["index"] for item in results] == list(range(9))
    assert [item["status"] for item in results] == [
        "stored",
        "invalid",
        "invalid",
        "duplicate",
        "invalid",
        "invalid",
        "invalid",
        "invalid",
        "stored",
    ]
    assert results[1]["errors"][0]["pointer"] == "/reactions/1/reaction"
    assert results[2]["errors"][0]["pointer"] == "/reactions/2/created_at"
    assert results[5]["errors"][0]["pointer"] == "/reactions/5"
    assert results[7]["errors"][0]["pointer"] == "/reactions/7/source"
    again = admin("POST", LOG, {"reactions": [good]}).json["results"]
    assert again[0]["status"] == "duplicate"
    rows = admin("GET", LOG).json["items"]
    assert {row["action"] for row in rows} == {"judged"}
    assert len(rows) == 2
    assert rows[0]["response"] == "Congratulations!"
    assert rows[0]["context"] == good["context"]


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [({}, "/reactions"), ({"reactions": []}, "/reactions"), ({"reactions": {}}, "/reactions")],
)
def test_bad_judgement_envelopes_are_422(admin: Admin, sent: Any, pointer: str) -> None:
    assert_problem(admin("POST", LOG, sent), 422, "", pointer)


def test_too_many_judgements_are_422(admin: Admin) -> None:
    assert_problem(admin("POST", LOG, {"reactions": [0] * 501}), 422, "", "/reactions")


def test_flags_from_first_to_last(admin: Admin) -> None:
    listed = admin("GET", "/admin/v1/flags").json
    assert listed["flags"] == {key: dict(flag) for key, flag in DEFAULT_FLAGS.items()}
    made = admin("PUT", "/admin/v1/flags/shorter-replies", FLAG)
    assert (made.status_code, made.json) == (201, FLAG)
    changed = {**FLAG, "targeting": {"fractional": [["on", 50], ["off", 50]]}}
    again = admin("PUT", "/admin/v1/flags/shorter-replies", changed)
    assert (again.status_code, again.json) == (200, changed)
    assert admin("GET", "/admin/v1/flags/shorter-replies").json == changed
    off = admin("POST", "/admin/v1/flags/shorter-replies/toggle", {"state": "DISABLED"})
    assert off.json == {**changed, "state": "DISABLED"}
    later = admin("GET", "/admin/v1/flags").json
    assert later["version"] > listed["version"]
    assert later["flags"]["shorter-replies"]["state"] == "DISABLED"
    assert admin("DELETE", "/admin/v1/flags/shorter-replies").status_code == 204
    for method, path, sent in (
        ("GET", "", None),
        ("DELETE", "", None),
        ("POST", "/toggle", {"state": "ENABLED"}),
    ):
        answer = admin(method, f"/admin/v1/flags/shorter-replies{path}", sent)
        assert_problem(answer, 404, "not-found")


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        ({}, "/state"),
        ({**FLAG, "state": "ON"}, "/state"),
        ({**FLAG, "variants": {}}, "/variants"),
        ({**FLAG, "variants": []}, "/variants"),
        ({**FLAG, "defaultVariant": "maybe"}, "/defaultVariant"),
        ({**FLAG, "targeting": {"frac": []}}, "/targeting/frac"),
        ({**FLAG, "targeting": []}, "/targeting"),
        ({**FLAG, "targeting": {"fractional": [["on", -1]]}}, "/targeting/fractional/0/1"),
        ({**FLAG, "metadata": {"a": []}}, "/metadata/a"),
        ({**FLAG, "defualt": 1}, "/defualt"),
    ],
)
def test_bad_flags_are_named(admin: Admin, sent: Any, pointer: str) -> None:
    assert_problem(admin("PUT", "/admin/v1/flags/x", sent), 422, "invalid-input", pointer)
    assert_problem(admin("GET", "/admin/v1/flags/x"), 404)


@pytest.mark.parametrize("key", ["-x", "a b", "a%00b", "%E2%82%AC", "a" * 101, "a:b"])
def test_bad_flag_keys_are_422(admin: Admin, key: str) -> None:
    assert_problem(admin("PUT", f"/admin/v1/flags/{key}", FLAG), 422, "invalid-input", "/key")


def test_a_toggle_changes_the_next_reply(person: Person, admin: Admin) -> None:
    assert person.say("hello")["variants"]["generator"] == "on"
    admin("PUT", "/admin/v1/flags/generator", {**FLAG, "defaultVariant": "off"})
    reply = person.say("hello again")
    assert reply["variants"]["generator"] == "off"
    slate = admin("GET", f"/admin/v1/replies/{reply['reply_id']}/explain").json
    assert slate["n"] == 0
    admin("POST", "/admin/v1/flags/generator/toggle", {"state": "DISABLED"})
    assert "generator" not in person.say("and again")["variants"]


def test_explain_and_replay(person: Person, admin: Admin) -> None:
    reply = react(person, "i slept badly", "upvote")
    explained = admin("GET", f"/admin/v1/replies/{reply['reply_id']}/explain").json
    assert explained["reply"] == reply
    assert {item["source"] for item in explained["candidates"]} == {"retrieval", "generator"}
    (chosen,) = [item for item in explained["candidates"] if item["chosen"]]
    assert chosen["text"] == reply["text"]
    assert chosen["candidate_id"] == explained["chosen"]
    assert explained["reaction"] == "upvote"
    assert explained["timings_ms"]["rank"] > 0
    assert explained["context"] == ["i slept badly"]
    replayed = admin("POST", f"/admin/v1/replies/{reply['reply_id']}/replay").json
    assert replayed == {
        "same": True,
        "chosen": explained["chosen"],
        "text": reply["text"],
        "recorded": explained["chosen"],
    }
    # Whatever is kept for a key is sealed by no person's key, and this is somebody's text.
    for _ in range(2):
        path, key = f"/admin/v1/replies/{reply['reply_id']}/replay", {"Idempotency-Key": "again"}
        assert "Idempotency-Replayed" not in admin("POST", path, **key).headers
    for path in ("explain", "replay"):
        method = "GET" if path == "explain" else "POST"
        assert_problem(admin(method, f"/admin/v1/replies/r1/{path}"), 404, "not-found")
