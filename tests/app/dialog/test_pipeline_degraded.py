"""What is answered where a model, a stage or the store fails."""

from __future__ import annotations

import pytest

from app.dialog.companion import Companion
from app.dialog.pipeline import ChatRequest
from app.domain import Source
from app.errors import (
    KindredError,
    NotFound,
    Overloaded,
    Unauthenticated,
)
from app.serving.engine import Engine
from app.settings import Settings
from app.store.people import Person
from app.store.store import Store
from app.telemetry import Metrics
from tests.app.dialog.talk import Say


def test_without_the_reranker_the_reviewed_bank_answers(
    say: Say, engine: Engine, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    def late(*args: object, **kwargs: object) -> object:
        raise Overloaded("full")

    monkeypatch.setattr(engine, "score", late)
    reply = say("good evening")
    slate = store.impressions.find(reply.reply_id).slate
    assert reply.degraded
    assert reply.source is Source.RETRIEVAL
    assert slate.late == ("rank",)
    generated = [c for c in slate.candidates if c.source is Source.GENERATOR]
    assert generated
    assert all("unscored" in c.filters for c in generated)


def test_with_no_model_at_all_a_plain_line_answers(
    say: Say, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> object:
        raise KindredError("no model")

    for name in ("embed", "generate", "score"):
        monkeypatch.setattr(engine, name, broken)
    reply = say("good evening")
    assert reply.source is Source.FALLBACK
    assert reply.degraded
    assert reply.text


def test_a_failure_leaves_the_turn_for_the_retry(
    say: Say, engine: Engine, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    def broken(*args: object, **kwargs: object) -> object:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(engine, "plan", broken)
        with pytest.raises(RuntimeError, match="a bug"):
            say("are you there", keys=("m:7",))
    reply = say("are you there", keys=("m:7",))
    owner = store.impressions.find(reply.reply_id).user_id
    _, page = store.contexts.conversation(owner, reply.conversation_id, None, 50)
    assert [view.turn.text for view in page.items].count("are you there") == 1


def test_a_revoked_token_and_a_strangers_conversation_are_refused(
    say: Say, companion: Companion, person: Person, store: Store
) -> None:
    reply = say("hello")
    stranger = store.people.create()
    with pytest.raises(NotFound):
        companion.reply(
            ChatRequest(stranger.user_id, stranger.generation, "hi", reply.conversation_id)
        )
    store.people.revoke(person.user_id)
    with pytest.raises(Unauthenticated):
        say("hello again")


def test_how_many_candidates_a_reply_had_is_counted_and_a_late_stage_makes_it_none(
    store: Store, person: Person, engine: Engine, engine_settings: Settings
) -> None:
    def counted(settings: Settings) -> tuple[float, float]:
        metrics = Metrics()
        companion = Companion(store, engine, settings, metrics)
        companion.reply(ChatRequest(person.user_id, person.generation, "what a long day it was"))
        sample = metrics.registry.get_sample_value
        count = sample("kindred_reply_candidates_count")
        total = sample("kindred_reply_candidates_sum")
        assert count is not None
        assert total is not None
        return count, total

    assert counted(engine_settings) == (1.0, 4.0)
    hasty = engine_settings.model_copy(update={"rank_deadline_ms": 1, "gather_deadline_ms": 1})
    count, total = counted(hasty)
    assert total == 0.0
    assert count <= 1.0  # a fallback line is no choice among candidates
