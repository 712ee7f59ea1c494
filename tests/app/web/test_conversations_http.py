"""Conversations page by page, feedback and reactions as the person sees them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.app.web.helpers import Edge, Person, assert_problem


def pages(person: Person, path: str, limit: int) -> list[dict[str, Any]]:
    found, cursor = [], ""
    while True:
        answer = person("GET", f"{path}?limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        assert answer.status_code == 200, answer.text
        found.append(answer.json)
        cursor = answer.json["next_cursor"]
        if not cursor:
            return found


def test_the_list_is_paged_the_last_used_first(person: Person) -> None:
    made = [person.say(f"hello {i}")["conversation_id"] for i in range(5)]
    listed = pages(person, "/v1/conversations", 2)
    assert [len(page["items"]) for page in listed] == [2, 2, 1]
    items = [item for page in listed for item in page["items"]]
    assert [item["conversation_id"] for item in items] == made[::-1]
    assert set(items[0]) == {
        "conversation_id",
        "created_at",
        "updated_at",
        "turn_count",
        "last_text",
        "feeling",
        "crisis",
    }


def test_turns_are_paged_from_the_end_and_show_reactions(person: Person) -> None:
    reply = person.say("one")
    conversation = reply["conversation_id"]
    person.say("two", conversation_id=conversation)
    person.say("three", conversation_id=conversation)
    sent = {"reaction": "funny", "comment": " so\u202e true "}
    person("PUT", f"/v1/replies/{reply['reply_id']}/reaction", sent)
    found = pages(person, f"/v1/conversations/{conversation}", 4)
    assert [turn["seq"] for turn in found[0]["turns"]] == [3, 4, 5, 6]
    first, second = found[1]["turns"]
    assert (first["speaker"], first["text"], first["reaction"]) == ("person", "one", None)
    assert (second["speaker"], second["reply_id"]) == ("kindred", reply["reply_id"])
    assert (second["reaction"], second["comment"]) == ("funny", "so true")
    assert second["answers"] == first["turn_id"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/limit"),
        ("limit=101", "/limit"),
        ("limit=x", "/limit"),
        ("limit=1&limit=2", "/limit"),
        ("cursor=abc", "/cursor"),
        ("cursor=%00", "/cursor"),
        ("cursor=" + "a" * 600, "/cursor"),
        ("page=2", "/page"),
    ],
)
def test_bad_parameters_are_named(person: Person, query: str, pointer: str) -> None:
    assert_problem(person("GET", f"/v1/conversations?{query}"), 422, "invalid-input", pointer)


def test_a_cursor_of_somebody_else_is_refused(kindred: Edge) -> None:
    one, two = Person(kindred), Person(kindred)
    for i in range(2):
        one.say(f"hello {i}")
    cursor = one("GET", "/v1/conversations?limit=1").json["next_cursor"]
    assert_problem(two("GET", f"/v1/conversations?cursor={cursor}"), 422, "", "/cursor")


def test_feedback(person: Person) -> None:
    conversation = person.say("hello")["conversation_id"]
    path = f"/v1/conversations/{conversation}"
    for feeling in ("worse", "better"):
        answer = person("PUT", f"{path}/feedback", {"feeling": feeling})
        assert answer.json == {"conversation_id": conversation, "feeling": feeling}
    assert person("GET", path).json["feeling"] == "better"
    assert_problem(person("PUT", f"{path}/feedback", {"feeling": "fine"}), 422, "", "/feeling")


@pytest.mark.parametrize(
    "kind", ["love", "funny", "upvote", "meaningless", "offensive", "downvote"]
)
def test_six_reactions(person: Person, kind: str) -> None:
    reply_id = person.say("hello")["reply_id"]
    path = f"/v1/replies/{reply_id}/reaction"
    answer = person("PUT", path, {"reaction": kind})
    assert answer.json == {"reply_id": reply_id, "reaction": kind, "changed": True}
    assert person("PUT", path, {"reaction": kind}).json["changed"] is False
    assert person("DELETE", path).status_code == 204
    assert person("DELETE", path).status_code == 204


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        ({}, "/reaction"),
        ({"reaction": "meh"}, "/reaction"),
        ({"reaction": 1}, "/reaction"),
        ({"reaction": "LOVE"}, "/reaction"),
        ({"reaction": "love", "comment": "x" * 2_001}, "/comment"),
        ({"reaction": "love", "comment": 1}, "/comment"),
        ({"reaction": "love", "weight": 9}, "/weight"),
    ],
)
def test_bad_reactions_are_named(person: Person, sent: dict[str, Any], pointer: str) -> None:
    reply_id = person.say("hello")["reply_id"]
    assert_problem(person("PUT", f"/v1/replies/{reply_id}/reaction", sent), 422, "", pointer)


def test_malformed_ids_are_404(person: Person) -> None:
    for strange in ("x", "r1", "%00", "%F0%9F%98%80", "a" * 500, "r00" + "0" * 26, "..", "*"):
        assert_problem(person("GET", f"/v1/conversations/{strange}"), 404, "not-found")
        sent = {"reaction": "love"}
        assert_problem(person("PUT", f"/v1/replies/{strange}/reaction", sent), 404, "not-found")


def test_memories(person: Person) -> None:
    assert person("GET", "/v1/me/memories").json == {"items": []}
    person.say("My name is Ada and I love hiking.")
    items = person("GET", "/v1/me/memories").json["items"]
    assert {item["value"].lower() for item in items} >= {"ada"}
    assert all("Ada" in item["sentence"] for item in items if item["kind"] == "name")
    first = items[0]
    one = f"/v1/me/memories/{first['memory_id']}"
    assert person("GET", one).json == first
    assert person("DELETE", one).status_code == 204
    assert_problem(person("DELETE", one), 404)
    assert_problem(person("GET", one), 404)
    assert person("DELETE", "/v1/me/memories").status_code == 204
    assert person("GET", "/v1/me/memories").json == {"items": []}
