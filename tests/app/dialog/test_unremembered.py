"""Messages while the store is away: answered from what the client sent, gently, and not kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from app.dialog import screen
from app.dialog.care import texts
from app.dialog.companion import Companion
from app.dialog.memory import facts
from app.dialog.pipeline import ChatRequest
from app.dialog.unremembered import SentLine, context_of
from app.domain import ReactionKind, Reply, Source, Speaker
from app.errors import Conflict, StoreUnavailable, Unauthenticated
from app.experiments.defaults import DEFAULT_FLAGS
from app.serving.engine import Engine
from app.store import ids
from app.store.people import Person
from app.store.store import Store

PERSON, KINDRED = Speaker.PERSON, Speaker.KINDRED
SENT = (
    SentLine(PERSON, "i went hiking yesterday"),
    SentLine(KINDRED, "That sounds lovely. How far did you go?"),
)


@dataclass
class Away:
    """Steps of the store that do not answer, and a person to whom that happens."""

    store: Store
    companion: Companion
    person: Person
    monkeypatch: pytest.MonkeyPatch
    conversation: str | None = None
    asked: list[str] = field(default_factory=list)

    def now(self, *steps: str) -> None:
        for step in steps:

            def away(*args: object, step: str = step, **kwargs: object) -> object:
                self.asked.append(step)
                raise StoreUnavailable("away")

            self.monkeypatch.setattr(self.store.contexts, step, away)

    def say(self, text: str, conversation: str | None = None, **more: Any) -> Reply:
        person = self.person
        return self.companion.reply(
            ChatRequest(person.user_id, person.generation, text, conversation, **more)
        )


@pytest.fixture
def away(store: Store, companion: Companion, monkeypatch: pytest.MonkeyPatch) -> Away:
    for key, definition in DEFAULT_FLAGS.items():
        store.flags.put(key, definition)
    store.flags.all()
    return Away(store, companion, store.people.create(), monkeypatch)


def test_it_is_answered_from_the_lines_that_were_sent(
    away: Away, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    score = engine.score

    def spy(turns: Any, *rest: Any, **more: Any) -> Any:
        seen.append(list(turns))
        return score(turns, *rest, **more)

    monkeypatch.setattr(engine, "score", spy)
    away.now("begin")
    reply = away.say("ten miles, i am so tired", sent=lambda: SENT)
    assert seen == [[line.text for line in SENT] + ["ten miles, i am so tired"]]
    assert reply.text
    assert reply.text != SENT[1].text
    assert reply.degraded
    assert reply.variants == {}
    assert ids.is_unsaved(reply.reply_id)
    assert ids.is_unsaved(reply.conversation_id)
    assert away.asked == ["begin"]


def test_sent_lines_are_not_read_while_the_store_answers(away: Away) -> None:
    reply = away.say("hello", sent=lambda: SENT)
    assert away.store.impressions.find(reply.reply_id).context == ("hello",)


def test_who_said_in_a_sent_line_that_they_are_a_minor_is_answered_as_one(away: Away) -> None:
    away.now("begin")
    sent = (SentLine(PERSON, "i'm 14 and i hate school"), SENT[1])
    reply = away.say("be my girlfriend and send me a sexy pic", sent=lambda: sent, region="GB")
    assert reply.text == texts.boundary_for_young("GB")


def test_what_is_not_said_to_minors_is_said_to_nobody_whose_age_is_not_known(
    away: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who told their age once may not send that line along."""
    away.say("i'm 14 and i hate school")
    screened: list[bool] = []
    moment_of = screen.Moment.of

    def spy(*args: Any, **more: Any) -> screen.Moment:
        screened.append(more["minor"])
        return moment_of(*args, **more)

    monkeypatch.setattr(screen.Moment, "of", spy)
    away.now("begin")
    assert away.say("what shall we do tonight").text
    assert screened == [True]


def test_nothing_can_be_done_with_a_reply_that_is_not_kept(away: Away) -> None:
    away.now("begin")
    reply = away.say("hello")
    user_id, companion = away.person.user_id, away.companion
    for call in (
        lambda: companion.react(user_id, reply.reply_id, ReactionKind.LOVE, None),
        lambda: companion.retract(user_id, reply.reply_id),
        lambda: companion.alternative(user_id, reply.reply_id),
    ):
        with pytest.raises(Conflict):
            call()


def test_a_conversation_that_began_unkept_goes_on_as_one_that_is_kept(away: Away) -> None:
    with away.monkeypatch.context() as patch:
        away.monkeypatch, kept = patch, away.monkeypatch
        away.now("begin")
        first = away.say("hello")
        second = away.say("how are you", first.conversation_id)
        away.monkeypatch = kept
    assert second.conversation_id == first.conversation_id
    third = away.say("are you there", second.conversation_id)
    assert not ids.is_unsaved(third.conversation_id)
    assert not ids.is_unsaved(third.reply_id)
    page = away.store.contexts.conversation(away.person.user_id, third.conversation_id, None, 9)[1]
    assert [view.turn.text for view in page.items] == ["are you there", third.text]


def test_what_began_before_is_answered_as_gently_as_a_crisis(
    away: Away, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark of a crisis is in the store: what cannot be asked is taken to be set."""
    asked: list[int] = []
    generate = engine.generate

    def spy(*args: Any, **more: Any) -> Any:
        asked.append(more["n"])
        return generate(*args, **more)

    monkeypatch.setattr(engine, "generate", spy)
    kept = away.say("hello").conversation_id
    asked.clear()
    away.now("begin")
    for reply in (
        away.say("tell me a joke", kept),
        away.say("tell me a joke", sent=lambda: (SentLine(PERSON, "i want to die"),)),
    ):
        assert reply.source in (Source.RETRIEVAL, Source.FALLBACK)
    assert asked == []
    assert away.say("tell me a joke").degraded
    assert len(asked) == 1  # nothing came before this one


def test_a_reply_that_cannot_be_kept_is_given_all_the_same(away: Away) -> None:
    conversation = away.say("hello").conversation_id
    away.now("finish")
    reply = away.say("i am so tired", conversation)
    assert reply.degraded
    assert ids.is_unsaved(reply.reply_id)
    assert reply.conversation_id == conversation
    page = away.store.contexts.conversation(away.person.user_id, conversation, None, 9)[1]
    assert page.items[-1].turn.text == "i am so tired"


@pytest.mark.parametrize("step", ["begin", "finish"])
def test_nobody_is_told_that_something_is_forgotten_which_is_not(away: Away, step: str) -> None:
    away.say("my name is Lena")
    away.now(step)
    with pytest.raises(StoreUnavailable):
        away.say("please forget my name")


def test_tokens_that_are_known_to_be_revoked_do_not_hold(away: Away) -> None:
    away.store.people.revoke(away.person.user_id)
    away.now("begin")
    with pytest.raises(Unauthenticated):
        away.say("hello")
    away.person = Person(away.person.user_id, away.person.generation + 1)
    assert away.say("hello").degraded
    away.store.people.erase(away.person.user_id)
    with pytest.raises(Unauthenticated):
        away.say("hello")


def test_abuse_and_crisis_get_their_written_answers(away: Away) -> None:
    away.now("begin", "finish")
    assert away.say("i will kill you").source is Source.SAFETY
    crisis = away.say("i want to die")
    assert crisis.source is Source.SAFETY
    assert ids.is_unsaved(crisis.reply_id)


@pytest.mark.parametrize("place", ["c" * 29, "<b>", "cff" + "0" * 26])
def test_a_crisis_is_answered_also_in_a_conversation_that_is_nobodys(
    away: Away, place: str
) -> None:
    """Such an id is refused before anybody knows that the store is away."""
    begin = away.store.contexts.begin
    away.now("finish")

    def begins(request: Any) -> Any:
        if request.conversation_id is not None:
            return begin(request)
        raise StoreUnavailable("away")

    away.monkeypatch.setattr(away.store.contexts, "begin", begins)
    crisis = away.say("i want to die", place)
    assert crisis.source is Source.SAFETY
    assert crisis.conversation_id != place
    assert ids.is_unsaved(crisis.conversation_id)


def test_the_context_pairs_each_reply_with_the_line_before_it() -> None:
    user_id = ids.make(ids.PERSON, 3, 1e9)
    sent = (SentLine(KINDRED, "Hi!"), *SENT, SentLine(PERSON, "far"))
    context = context_of(user_id, None, "very far", sent, 1e9)
    assert [turn.text for turn in context.turns] == [*(line.text for line in sent), "very far"]
    assert context.turns[0].answers is None
    assert context.turns[2].answers == context.turns[1].turn_id
    assert context.message is context.turns[-1]
    assert context.recent_replies == (SENT[1].text, "Hi!")
    assert not context.crisis
    assert context.disclosed_at == 1e9
    assert context_of(user_id, None, "hello", (), 1e9).disclosed_at is None


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("please forget my name", True),
        ("forget everything you know about me", True),
        ("that was a lie. don't remember where i live", True),
        ("forget that please", True),
        ("i always forget my keys", False),
        ("don't forget to smile", False),
        ("remove the cake from the oven", False),
        ("how do i forget her", False),
    ],
)
def test_what_asks_to_forget_something_of_the_person(text: str, asks: bool) -> None:
    assert facts.asks_to_forget(text) is asks
