"""A person takes all along that is known of them, and is told what an erasure cannot reach."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from app.domain import LearnedModel
from app.store.privacy.personal import DATASET, Personal
from app.store.store import Store
from app.web.schemas.personal import ErasedOut, ExportOut
from tests.app.web.helpers import Edge, Person, assert_problem


def test_everything_comes_as_one_document(person: Person, kindred: Edge, store: Store) -> None:
    first = person.say("Hello, my name is Ann and I love hiking.")
    talk = first["conversation_id"]
    second = person.say("What do you think of that?", conversation_id=talk)
    path = f"/v1/replies/{second['reply_id']}/reaction"
    body = {"reaction": "love", "comment": "how kind"}
    assert person("PUT", path, body).status_code in (200, 201)
    assert person("PUT", f"/v1/conversations/{talk}/feedback", {"feeling": "better"}).status_code
    Person(kindred).say("words of somebody else")

    answer = person("GET", "/v1/me/export")
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "no-store"
    document = ExportOut.model_validate_json(answer.text, strict=True)
    assert document.complete
    assert document.person.user_id == person.user_id
    assert document.retention_days["conversations"] == 90.0
    (conversation,) = document.conversations
    assert [turn.speaker.value for turn in conversation.turns] == ["person", "kindred"] * 2
    assert conversation.turns[0].text.startswith("Hello, my name is Ann")
    assert conversation.kept_until is not None
    assert any(memory.value == "Ann" for memory in document.memories)
    replies = {reply.reply_id: reply for reply in document.replies}
    assert set(replies) == {first["reply_id"], second["reply_id"]}
    assert replies[second["reply_id"]].comment == "how kind"
    assert replies[second["reply_id"]].models
    assert document.tastes
    assert document.recent_lines == [second["text"], first["text"]]
    kinds = {event.fields["type"] for event in document.events}
    assert {"impression", "made", "feeling"} <= kinds
    assert "somebody else" not in answer.text
    # Every list is there in the order of its time, and `complete` stands last.
    assert list(json.loads(answer.text))[-1] == "complete"


def test_a_new_person_gets_an_empty_document(edge: Edge) -> None:
    document = Person(edge)("GET", "/v1/me/export").json
    assert document is not None
    lists = ("recent_lines", "memories", "conversations", "replies", "tastes", "events", "models")
    assert [document[name] for name in lists] == [[]] * 7


def test_it_may_be_asked_for_a_few_times_a_minute(make: Any, script: Any) -> None:
    one, other = (edge := make(script, export_limit_per_minute=2)) and (Person(edge), Person(edge))
    for _ in range(2):
        assert one("GET", "/v1/me/export").status_code == 200
    refused = one("GET", "/v1/me/export")
    assert_problem(refused, 429, "quota-exceeded")
    assert int(refused.headers["Retry-After"]) > 0
    assert other("GET", "/v1/me/export").status_code == 200


def test_who_reads_it_for_too_long_is_cut_off(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    person = Person(edge)
    monkeypatch.setattr("app.web.personal._DOCUMENT_SECONDS", -1.0)
    answer = person("GET", "/v1/me/export")
    assert answer.status_code == 200
    assert "complete" not in answer.text
    assert not answer.text.endswith("}")


def test_nobody_elses_token_is_enough(edge: Edge) -> None:
    assert_problem(edge.client.get("/v1/me/export"), 401)


def test_a_document_that_breaks_off_has_no_end(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    person = Person(edge)

    def broken(*_: Any) -> Any:
        raise RuntimeError("Redis went away")
        yield

    monkeypatch.setattr(Personal, "events", broken)
    with pytest.raises(RuntimeError, match="went away"):
        person("GET", "/v1/me/export").get_data()


def test_erasing_names_the_models_that_learned_from_them(
    make: Any, script: Any, store: Store
) -> None:
    store.ring.create_once(DATASET)
    asked: list[str] = []

    def learned(name: str) -> Sequence[LearnedModel]:
        asked.append(name)
        return [LearnedModel("reranker", "0123456789ab", "serving", certain=True)]

    edge = make(script)
    object.__setattr__(edge.services, "learned", learned)
    person = Person(edge)
    name = store.personal.dataset_name(person.user_id)
    answer = person("DELETE", "/v1/me")
    assert answer.status_code == 200
    erased = ErasedOut.model_validate_json(answer.text)
    assert erased.erased
    assert [(model.kind, model.certain) for model in erased.models] == [("reranker", True)]
    assert asked == [name]
    assert_problem(person("GET", "/v1/me/memories"), 401)
    assert_problem(person("DELETE", "/v1/me"), 401)
