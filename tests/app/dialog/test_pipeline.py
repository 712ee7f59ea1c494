"""One message through the real store and the real models: what is answered, kept and explained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.dialog.companion import Companion
from app.dialog.pipeline import dialog_of
from app.dialog.screen.machine import MachineText
from app.domain import ReactionKind, Source, Speaker, Turn, UserContext
from app.errors import (
    Conflict,
    IdempotencyMismatch,
    NotFound,
)
from app.experiments.defaults import DEFAULT_FLAGS
from app.serving.engine import Engine
from app.store.people import Person
from app.store.store import Store
from tests.app.dialog.talk import Say


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


def test_where_no_other_candidate_is_left_no_model_is_asked(
    say: Say,
    companion: Companion,
    person: Person,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Somebody may ask again and again, and no load control stands before it."""
    shown = store.impressions.get(person.user_id, say("i feel lonely").reply_id)
    kept_back = tuple(c.with_(filters=("twin",)) for c in shown.slate.candidates)
    last = replace(shown, slate=replace(shown.slate, candidates=kept_back))
    monkeypatch.setattr(store.impressions, "get", lambda *_: last)
    monkeypatch.setattr(MachineText, "begin", None)
    with pytest.raises(Conflict):
        companion.alternative(person.user_id, last.reply.reply_id)


def test_the_alternative_is_what_stands_in_the_context(
    say: Say, companion: Companion, person: Person, store: Store
) -> None:
    reply = say("hello there")
    other = companion.alternative(person.user_id, reply.reply_id)
    impression = store.impressions.find(say("go on", reply.conversation_id).reply_id)
    assert impression.context == ("hello there", other.text, "go on")


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
