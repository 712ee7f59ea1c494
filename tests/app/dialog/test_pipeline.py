"""One message through the real store and the real models: what is answered, kept and explained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.dialog.companion import Companion
from app.dialog.pipeline import ChatRequest, dialog_of
from app.domain import ReactionKind, Reply, Source, Speaker, Turn, UserContext
from app.errors import (
    Conflict,
    IdempotencyMismatch,
    KindredError,
    NotFound,
    Overloaded,
    StoreUnavailable,
    Unauthenticated,
)
from app.experiments.defaults import DEFAULT_FLAGS
from app.serving.engine import Engine
from app.settings import Settings
from app.store.people import Person
from app.store.store import Store
from app.telemetry import Metrics

Say = Callable[..., Reply]


@pytest.fixture
def person(store: Store) -> Person:
    for key, definition in DEFAULT_FLAGS.items():
        store.flags.put(key, definition)
    return store.people.create()


@pytest.fixture
def say(companion: Companion, person: Person) -> Say:
    def send(text: str, conversation: str | None = None, keys: tuple[str, ...] = ()) -> Reply:
        request = ChatRequest(
            person.user_id, person.generation, text, conversation, keys, fingerprint=f"fp:{text}"
        )
        return companion.reply(request)

    return send


def test_a_message_is_answered_from_a_slate_with_both_sources(say: Say, store: Store) -> None:
    reply = say("i am so tired after work today")
    slate = store.impressions.find(reply.reply_id).slate
    assert reply.text
    assert not reply.degraded
    assert {c.source for c in slate.candidates} >= {Source.RETRIEVAL, Source.GENERATOR}
    assert all(c.score is not None and "upvote" in c.heads for c in slate.candidates)
    assert set(slate.timings_ms) >= {"begin", "gather", "rank", "choose"}
    assert set(slate.versions) == {"encoder", "reranker", "generator", "index"}
    assert reply.variants.keys() == DEFAULT_FLAGS.keys()
    chosen = slate.candidate(slate.chosen)
    assert chosen is not None
    assert chosen.text == reply.text
    assert chosen.propensity == 1.0


def test_the_conversation_goes_on_and_nothing_is_said_twice(say: Say, store: Store) -> None:
    first = say("hello")
    lines = ("hello", "hello", "hello again", "hello")
    texts = [first.text, *(say(line, first.conversation_id).text for line in lines)]
    assert len(set(texts)) == len(texts)
    impression = store.impressions.find(say("bye", first.conversation_id).reply_id)
    assert impression.context[:3] == ("hello", texts[0], "hello")
    assert impression.context[-1] == "bye"


def test_a_retry_gets_the_same_reply_and_another_body_is_refused(say: Say, store: Store) -> None:
    first = say("good morning", keys=("m:1",))
    again = say("good morning", keys=("m:1",))
    assert again == first
    with pytest.raises(IdempotencyMismatch):
        say("good night", keys=("m:1",))
    person_turns = store.contexts.conversation(
        store.impressions.find(first.reply_id).user_id, first.conversation_id, None, 50
    )[1].items
    assert len(person_turns) == 2


def test_replay_makes_the_same_choice(say: Say, companion: Companion) -> None:
    for line in ("what should i cook", "my dog is ill", "tell me a joke"):
        replay = companion.replay(say(line).reply_id)
        assert replay.same
        assert replay.chosen == replay.recorded


def test_an_alternative_is_the_next_best_and_a_retry_gets_it_again(
    say: Say, companion: Companion, person: Person, store: Store
) -> None:
    reply = say("i feel lonely")
    other = companion.alternative(person.user_id, reply.reply_id)
    assert companion.alternative(person.user_id, reply.reply_id) == other
    assert other.text != reply.text
    assert companion.replay(other.reply_id).same
    shown = store.impressions.find(other.reply_id).slate
    assert [c.propensity for c in shown.candidates if c.candidate_id == shown.chosen] == [1.0]
    assert sum(c.propensity for c in shown.candidates) == 1.0
    seen = {reply.text, other.text}
    for _ in range(len(shown.candidates)):
        try:
            other = companion.alternative(person.user_id, other.reply_id)
        except Conflict:
            break
        assert other.text not in seen
        seen.add(other.text)
    with pytest.raises(Conflict):
        companion.alternative(person.user_id, other.reply_id)
    with pytest.raises(NotFound):
        companion.alternative(store.people.create().user_id, reply.reply_id)


def test_the_alternative_is_what_stands_in_the_context(
    say: Say, companion: Companion, person: Person, store: Store
) -> None:
    reply = say("hello there")
    other = companion.alternative(person.user_id, reply.reply_id)
    impression = store.impressions.find(say("go on", reply.conversation_id).reply_id)
    assert impression.context == ("hello there", other.text, "go on")


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


def test_an_explored_choice_is_replayed_from_the_store(
    say: Say, store: Store, companion: Companion, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = companion._pipeline._choosing._settings.model_copy(update={"exploration": 0.5})
    monkeypatch.setattr(companion._pipeline._choosing, "_settings", settings)
    ids = [say(line).reply_id for line in ("hello", "i am tired", "what is new", "good night")]
    for reply_id in ids:
        slate = store.impressions.find(reply_id).slate
        assert sum(c.propensity for c in slate.candidates) == pytest.approx(1.0)
        assert companion.replay(reply_id).same


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


def test_facts_are_learned_recalled_and_forgotten(say: Say, store: Store, person: Person) -> None:
    first = say("hi, my name is Lena")
    assert [(f.slot, f.value) for f in store.profile.facts(person.user_id)] == [("name", "Lena")]
    asked = say("what's my name?", first.conversation_id)
    assert "Lena" in asked.text
    say("please forget my name", first.conversation_id)
    assert store.profile.facts(person.user_id) == []


def test_facts_reach_prompt_and_ranking_only_where_the_flag_is_on(
    say: Say, store: Store, engine: Engine, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    generate, score = engine.generate, engine.score

    def spy_generate(turns: Any, facts: Any, **options: Any) -> Any:
        seen.append(list(facts))
        return generate(turns, facts, **options)

    def spy_score(turns: Any, texts: Any, facts: Any, deadline: float, **more: Any) -> Any:
        seen.append(list(facts))
        return score(turns, texts, facts, deadline, **more)

    monkeypatch.setattr(engine, "generate", spy_generate)
    monkeypatch.setattr(engine, "score", spy_score)
    say("i love hiking")
    assert seen
    assert all(any("hiking" in fact for fact in facts) for facts in seen)
    definition = dict(DEFAULT_FLAGS["personal-facts"])
    store.flags.put("personal-facts", {**definition, "defaultVariant": "off"})
    seen.clear()
    reply = say("i love jazz. what do you know about me?")
    assert reply.variants["personal-facts"] == "off"
    assert seen
    assert all(facts == [] for facts in seen)
    impression = store.impressions.find(reply.reply_id)
    assert impression.facts == ()
    assert not any(c.origin.get("memory") for c in impression.slate.candidates)
    assert [f.value for f in store.profile.facts(person.user_id)] == ["hiking"]


def without_generator(store: Store) -> None:
    """Everybody's slates hold no generated candidate from now on."""
    definition = dict(DEFAULT_FLAGS["generator"])
    off = next(name for name, value in definition["variants"].items() if value is False)
    store.flags.put("generator", {**definition, "defaultVariant": off})


def test_a_toggled_flag_changes_the_next_reply(say: Say, store: Store) -> None:
    before = say("hello")
    store.flags.toggle("generator", "DISABLED")
    after = say("hello you")
    assert "generator" in before.variants
    assert "generator" not in after.variants
    without_generator(store)
    without = store.impressions.find(say("hello me").reply_id).slate
    assert without.n == 0
    assert all(c.source is not Source.GENERATOR for c in without.candidates)


def test_a_reaction_becomes_taste_and_biases_the_next_scores(
    say: Say, companion: Companion, person: Person, store: Store
) -> None:
    without_generator(store)  # what is loved is the same reply every time
    reply = say("i adopted a puppy")
    event = companion.react(person.user_id, reply.reply_id, ReactionKind.LOVE, "sweet")
    assert event is not None
    assert event.action == "made"
    assert companion.react(person.user_id, reply.reply_id, ReactionKind.LOVE, "sweet") is None
    asked = {"text": "my puppy ate my shoe"}
    liking = store.impressions.find(say(**asked).reply_id).slate
    retracted = companion.retract(person.user_id, reply.reply_id)
    assert retracted is not None
    assert retracted.action == "retracted"
    neutral = store.impressions.find(say(**asked).reply_id).slate
    before = {c.text: c.bias for c in neutral.candidates if c.source is Source.RETRIEVAL}
    after = {c.text: c.bias for c in liking.candidates if c.source is Source.RETRIEVAL}
    assert after.keys() == before.keys()
    assert all(after[text] >= before[text] - 1e-6 for text in after)
    assert any(after[text] > before[text] + 0.005 for text in after)


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


def test_a_crisis_is_answered_though_everything_else_is_shed(
    store: Store, engine: Engine, engine_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> object:
        raise Overloaded("full", retry_after=1)

    monkeypatch.setattr(engine, "admission", full)
    companion = Companion(store, engine, engine_settings, Metrics())
    person = store.people.create()
    with pytest.raises(Overloaded):
        companion.reply(ChatRequest(person.user_id, person.generation, "hello"))
    reply = companion.reply(ChatRequest(person.user_id, person.generation, "i want to die"))
    assert reply.source is Source.SAFETY


def test_each_reply_stands_behind_the_turn_it_answers() -> None:
    def turn(i: int, who: Speaker, answers: str | None = None) -> Turn:
        return Turn(f"t{i}", i, who, f"line {i}", 0.0, answers)

    turns = (
        turn(1, Speaker.PERSON),
        turn(2, Speaker.PERSON),  # from a second device, before the first was answered
        turn(3, Speaker.KINDRED, "t2"),
        turn(4, Speaker.KINDRED, "t1"),
        turn(5, Speaker.KINDRED, "t1"),  # an alternative: it stands
        turn(6, Speaker.PERSON),
    )
    context = UserContext("u", "c", turns[-1], turns)
    assert dialog_of(context) == ["line 1", "line 5", "line 2", "line 3", "line 6"]


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
