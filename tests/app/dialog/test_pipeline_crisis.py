"""A message in danger goes through the real store and models before anything else."""

from __future__ import annotations

import pytest

from app.dialog.companion import Companion
from app.dialog.pipeline import ChatRequest
from app.domain import Source
from app.errors import (
    Conflict,
    Overloaded,
    StoreUnavailable,
)
from app.serving.engine import Engine
from app.settings import Settings
from app.store.people import Person
from app.store.store import Store
from app.telemetry import Metrics
from tests.app.dialog.talk import Say


def test_a_crisis_is_answered_first_and_marks_the_conversation(
    say: Say, store: Store, companion: Companion, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = companion._pipeline._choosing._settings.model_copy(update={"exploration": 0.5})
    monkeypatch.setattr(companion._pipeline._choosing, "_settings", settings)
    reply = say("i want to kill myself")
    assert reply.source is Source.SAFETY
    assert "988" in reply.text
    assert reply.variants == {}
    for message in ("no, tonight", "i called my sister"):
        staying = say(message, reply.conversation_id)
        assert (staying.source, staying.variants) == (Source.SAFETY, {})
    after = say("tell me something", reply.conversation_id)
    slate = store.impressions.find(after.reply_id).slate
    assert after.variants == {}
    assert slate.exploration == 0.0
    assert slate.n == 0
    assert slate.candidates
    assert all(c.source is Source.RETRIEVAL for c in slate.candidates)
    elsewhere = store.impressions.find(say("hello").reply_id).slate
    assert elsewhere.variants != {}
    assert elsewhere.exploration == 0.5


def test_after_a_crisis_an_alternative_is_screened_anew(
    say: Say, companion: Companion, person: Person, store: Store
) -> None:
    reply = say("tell me a joke")
    say("i want to die", reply.conversation_id)
    try:
        other = companion.alternative(person.user_id, reply.reply_id)
    except Conflict:
        return
    slate = store.impressions.find(other.reply_id).slate
    chosen = slate.candidate(slate.chosen)
    assert chosen is not None
    assert chosen.source is Source.RETRIEVAL
    assert not {"kind:joke", "feeling:playful"} & set(chosen.tags)


def test_a_crisis_is_answered_though_the_store_or_the_conversation_is_gone(
    say: Say, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = say("hello").conversation_id[:-4] + "zzzz"
    reply = say("i want to die", gone)
    assert reply.source is Source.SAFETY
    assert reply.conversation_id != gone

    def away(*args: object, **kwargs: object) -> object:
        raise StoreUnavailable("away")

    for step in ("finish", "begin"):
        monkeypatch.setattr(store.contexts, step, away)
        reply = say("i want to die")
        assert reply.source is Source.SAFETY
        assert reply.degraded
        assert "988" in reply.text


def test_a_crisis_is_answered_though_everything_else_is_shed(
    store: Store, engine: Engine, engine_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> object:
        raise Overloaded("full", retry_after=1)

    monkeypatch.setattr(engine, "admission", full)
    companion = Companion(store, engine, engine_settings, Metrics())
    person = store.people.create()
    with pytest.raises(Overloaded):
        companion.reply(ChatRequest(person.user_id, person.generation, "hello"))
    reply = companion.reply(ChatRequest(person.user_id, person.generation, "i want to die"))
    assert reply.source is Source.SAFETY


def test_a_crisis_is_answered_whatever_of_ours_is_broken(
    say: Say, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> object:
        raise OverflowError("nobody foresaw this")

    monkeypatch.setattr(store.flags, "current", broken)
    reply = say("i want to die")
    assert (reply.source, reply.degraded) == (Source.SAFETY, True)
    assert "988" in reply.text
    with pytest.raises(OverflowError):
        say("hello")
