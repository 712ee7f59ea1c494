"""Which version answered whom: the slate and the variants say what was, not what was meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.dialog.companion import Companion
from app.dialog.pipeline import ChatRequest
from app.domain import Reply, Slate, Source
from app.experiments.defaults import DEFAULT_FLAGS
from app.experiments.model_flags import definition
from app.serving.batching.pending import Pending
from app.serving.fakes import FakeEngine
from app.serving.versions.fleet import Fleet, Held, Versions
from app.settings import Settings
from app.store.people import Person
from app.store.store import Store
from app.telemetry import Metrics

MESSAGES = Path(__file__).parent / "safety" / "messages"


class Model:
    def __init__(self, version: str) -> None:
        self.version = version


class TwoVersions(FakeEngine):
    """A fake of which several versions may be loaded; it notes which ones were asked."""

    def __init__(self, candidates: int = 4) -> None:
        super().__init__(candidates=candidates)
        self.kinds = {kind: Versions(Model("v0")) for kind in ("reranker", "generator")}
        self.fleet: Fleet = Fleet(self.kinds, {"encoder": "fake-1", "index": "fake-1"})
        self.versions = self.fleet.versions
        self.asked: list[tuple[str, str | None]] = []

    def holding(self, wanted: Mapping[str, str]) -> Any:
        return self.watched(wanted)

    @contextmanager
    def watched(self, wanted: Mapping[str, str]) -> Iterator[Held]:
        with self.fleet.holding(wanted) as held:
            yield held

    def generate(self, turns: Sequence[str], facts: Sequence[str], **more: Any) -> Pending[Any]:
        self.asked.append(("generator", more.get("version")))
        return super().generate(turns, facts, **more)

    def score(self, *args: Any, version: str | None = None) -> Pending[Any]:
        self.asked.append(("reranker", version))
        return super().score(*args, version=version)


@pytest.fixture
def engine() -> TwoVersions:
    return TwoVersions()


@pytest.fixture
def person(store: Store) -> Person:
    for key, flag in DEFAULT_FLAGS.items():
        store.flags.put(key, flag)
    return store.people.create()


def slate_of(
    store: Store, engine: TwoVersions, person: Person, text: str = "hello there"
) -> tuple[Slate, Mapping[str, str]]:
    companion = Companion(store, engine, Settings(chat_deadline_ms=30_000), Metrics())
    reply = companion.reply(ChatRequest(person.user_id, person.generation, text))
    return store.impressions.find(reply.reply_id).slate, reply.variants


def serve_everybody(store: Store, kind: str, version: str) -> None:
    store.flags.put(f"{kind}-model", definition(kind, "v0", version, 100))


def test_without_a_flag_everybodys_answers(
    store: Store, engine: TwoVersions, person: Person
) -> None:
    slate, variants = slate_of(store, engine, person)
    assert slate.versions["reranker"] == slate.versions["generator"] == "v0"
    assert variants.keys() == DEFAULT_FLAGS.keys()
    assert set(engine.asked) == {("generator", "v0"), ("reranker", "v0")}


def test_the_version_that_a_person_was_given_scores_and_is_logged(
    store: Store, engine: TwoVersions, person: Person
) -> None:
    for kind in ("reranker", "generator"):
        engine.kinds[kind].add(Model("v1"))
        serve_everybody(store, kind, "v1")
    slate, variants = slate_of(store, engine, person)
    assert slate.versions["reranker"] == slate.versions["generator"] == "v1"
    assert set(engine.asked) == {("generator", "v1"), ("reranker", "v1")}
    assert variants["reranker-model"] == variants["generator-model"] == "v1"
    assert slate.variants == variants
    assert all(versions.default.users == 0 for versions in engine.kinds.values())


def test_what_is_not_loaded_did_not_answer_and_counts_as_no_exposure(
    store: Store, engine: TwoVersions, person: Person
) -> None:
    serve_everybody(store, "reranker", "v1")
    slate, variants = slate_of(store, engine, person)
    assert slate.versions["reranker"] == "v0"
    assert "reranker-model" not in variants
    assert variants.keys() == DEFAULT_FLAGS.keys()


def test_a_generator_that_nothing_was_asked_of_was_not_met(store: Store, person: Person) -> None:
    engine = TwoVersions(candidates=0)
    store.flags.put("generator-model", definition("generator", "v0"))
    store.flags.put("reranker-model", definition("reranker", "v0"))
    _, variants = slate_of(store, engine, person)
    assert variants["reranker-model"] == "v0"
    assert "generator-model" not in variants


def test_in_a_crisis_everybodys_answers_and_nothing_is_tried(
    store: Store, engine: TwoVersions, person: Person
) -> None:
    engine.kinds["reranker"].add(Model("v1"))
    serve_everybody(store, "reranker", "v1")
    companion = Companion(store, engine, Settings(chat_deadline_ms=30_000), Metrics())
    first = companion.reply(ChatRequest(person.user_id, person.generation, "i want to kill myself"))
    assert first.source is Source.SAFETY
    request = ChatRequest(
        person.user_id, person.generation, "tell me about tea", first.conversation_id
    )
    reply = companion.reply(request)
    slate = store.impressions.find(reply.reply_id).slate
    assert slate.versions["reranker"] == "v0"
    assert reply.variants == {}


def test_who_is_answered_by_safety_met_no_model(
    store: Store, engine: TwoVersions, person: Person
) -> None:
    engine.kinds["reranker"].add(Model("v1"))
    serve_everybody(store, "reranker", "v1")
    abuse = next(
        line
        for line in (MESSAGES / "boundary.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    )
    slate, variants = slate_of(store, engine, person, abuse)
    assert slate.candidates == ()
    assert variants.keys() == DEFAULT_FLAGS.keys()


def test_an_alternative_in_a_crisis_is_part_of_no_experiment(
    store: Store, engine: TwoVersions, person: Person
) -> None:
    engine.kinds["reranker"].add(Model("v1"))
    serve_everybody(store, "reranker", "v1")
    companion = Companion(store, engine, Settings(chat_deadline_ms=30_000), Metrics())

    def say(text: str, conversation: str | None = None) -> Reply:
        return companion.reply(ChatRequest(person.user_id, person.generation, text, conversation))

    first = say("hello there")
    before = companion.alternative(person.user_id, first.reply_id)
    assert before.variants["reranker-model"] == "v1"
    second = say("tell me about tea", first.conversation_id)
    assert second.variants
    say("i want to kill myself", first.conversation_id)
    after = companion.alternative(person.user_id, second.reply_id)
    assert after.variants == {}
    slate = store.impressions.find(after.reply_id).slate
    assert slate.variants == {}
    assert slate.versions["reranker"] == "v1"  # which it was is still known
