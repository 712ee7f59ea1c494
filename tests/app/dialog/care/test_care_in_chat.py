"""The protocol through the pipeline and the real store: resources, marks, notices, counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.dialog.care import texts
from app.dialog.care.texts import Kind
from app.dialog.companion import Companion
from app.dialog.pipeline import ChatRequest
from app.dialog.safety.messages import Danger, Reading
from app.domain import NoticeKind, Reply, Source
from app.errors import IdempotencyMismatch, InFlight, KindredError, StoreUnavailable
from app.experiments.defaults import DEFAULT_FLAGS
from app.serving.fakes import FakeEngine
from app.settings import Settings
from app.store import ids, tallies
from app.store.store import Store
from app.telemetry import Metrics

Say = Callable[..., Reply]


class Offensive:
    """A reader that finds everything."""

    def finds(self, text: str) -> bool:
        return True


@pytest.fixture
def engine(settings: Settings) -> Any:
    return FakeEngine()


@pytest.fixture
def companion(store: Store, engine: Any, settings: Settings) -> Companion:
    for key, definition in DEFAULT_FLAGS.items():
        store.flags.put(key, definition)
    return Companion(store, engine, settings, Metrics())


@pytest.fixture
def say(companion: Companion, store: Store) -> Say:
    person = store.people.create()

    def send(text: str, conversation: str | None = None, **more: Any) -> Reply:
        request = ChatRequest(person.user_id, person.generation, text, conversation, **more)
        return companion.reply(request)

    return send


def counted(store: Store) -> dict[str, int]:
    store.tallies.flush()
    days = [tallies.year(store._core.client, year) for year in (2025, 2026, 2027, 2028)]
    return {event: n for year in days for day in year.values() for event, n in day.items()}


def test_the_country_of_the_client_names_the_help(say: Say) -> None:
    first = say("i want to kill myself", region="IE")
    assert first.text == texts.first(Kind.SELF, "IE")
    again = say("i still want to die", first.conversation_id, region="IE")
    assert again.text == texts.again(Kind.SELF, "IE")[0]


def test_the_version_of_the_words_is_kept_with_the_reply(say: Say, store: Store) -> None:
    reply = say("i want to kill myself")
    versions = store.impressions.find(reply.reply_id).slate.versions
    assert versions["crisis"] == texts.CRISIS_VERSION


def test_with_every_model_down_the_protocol_answers(
    say: Say, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*args: object, **more: object) -> object:
        raise KindredError("no model")

    for name in ("embed", "generate", "score", "plan", "admission"):
        monkeypatch.setattr(engine, name, down)
    assert say("i want to kill myself", region="NZ").text == texts.first(Kind.SELF, "NZ")


def test_a_conversation_is_followed_up_and_the_mark_outlasts_being_safe(
    say: Say, store: Store
) -> None:
    began = say("i want to kill myself", region="GB")
    safe = say("i am safe now", began.conversation_id, region="GB")
    assert NoticeKind.SUPPORT not in {notice.kind for notice in safe.notices}
    second = say("tell me something nice", began.conversation_id, region="GB")
    [support] = [n for n in second.notices if n.kind is NoticeKind.SUPPORT]
    assert "116 123" in support.text
    assert store.impressions.find(second.reply_id).slate.n == 0, "still no machine text"
    elsewhere = say("hello")
    assert store.impressions.find(elsewhere.reply_id).slate.variants


def test_a_conversation_begins_with_what_kindred_is_and_does_not_repeat_it(say: Say) -> None:
    first = say("hello")
    assert [notice.kind for notice in first.notices] == [NoticeKind.AI_DISCLOSURE]
    assert say("and you?", first.conversation_id).notices == ()


def test_referrals_disclosures_and_nothing_else_are_counted(say: Say, store: Store) -> None:
    first = say("hello")
    say("fine", first.conversation_id)
    say("i want to kill myself", first.conversation_id)
    say("my friend wants to kill herself")
    assert counted(store) == {"disclosure": 2, "referral:other": 1, "referral:self": 1}


def test_a_retry_is_counted_once(say: Say, store: Store) -> None:
    keys = {"keys": ("m:1",), "fingerprint": "f"}
    assert say("i want to kill myself", **keys) == say("i want to kill myself", **keys)
    assert counted(store)["referral:self"] == 1


@pytest.mark.parametrize("place", [None, "nobody's"])
def test_a_key_that_named_another_message_withholds_no_help(say: Say, place: str | None) -> None:
    say("hello", keys=("k:always the same",), fingerprint="one")
    reply = say("i want to kill myself", place, keys=("k:always the same",), fingerprint="two")
    assert reply.text == texts.first(Kind.SELF, "")
    assert not reply.degraded
    with pytest.raises(IdempotencyMismatch):
        say("good night", keys=("k:always the same",), fingerprint="three")


def test_an_attempt_that_never_ended_withholds_no_help(
    say: Say, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where its worker was killed: the key is held for half a minute more."""
    keys = {"keys": ("m:1",), "fingerprint": "f"}
    with monkeypatch.context() as patch:
        for step in ("finish", "abandon"):
            patch.setattr(store.contexts, step, killed)
        with pytest.raises(SystemExit):
            say("hello", **keys)
        with pytest.raises(SystemExit):
            say("i want to kill myself", keys=("m:2",), fingerprint="f")
    with pytest.raises(InFlight):
        say("hello", **keys)
    reply = say("i want to kill myself", keys=("m:2",), fingerprint="f")
    assert reply.text == texts.first(Kind.SELF, "")
    assert not reply.degraded


@pytest.mark.parametrize("place", [None, "nobody's"])
def test_what_was_read_as_a_crisis_is_one_whatever_it_cannot_be_kept_with(
    say: Say, place: str | None
) -> None:
    """A sentence reader that is late the second time has nothing to say any more."""
    said = iter([Reading(Danger.SELF, abusive=False, learned=frozenset({"crisis"}))])

    def late(message: str) -> Reading:
        return next(said, Reading(None, abusive=False))

    say("hello", keys=("m:1",), fingerprint="one")
    reply = say("tonight i let go", place, keys=("m:1",), fingerprint="two", read=late)
    assert reply.text == texts.first(Kind.SELF, "")


def test_somebody_whom_nobody_can_name_now_is_helped(companion: Companion) -> None:
    for place in (None, "c00" + "0" * 26):
        reply = companion.reply(ChatRequest("", 0, "i want to kill myself", place, region="IE"))
        assert reply.text == texts.first(Kind.SELF, "IE")
        assert ids.is_unsaved(reply.reply_id)
        assert ids.is_unsaved(reply.conversation_id)


def test_a_crisis_that_is_not_to_be_kept_is_answered_alike_and_counted(
    say: Say, store: Store, companion: Companion
) -> None:
    began = say("hello")
    reply = say("i want to kill myself", began.conversation_id, region="IE", kept=False)
    assert reply.text == texts.first(Kind.SELF, "IE")
    assert ids.is_unsaved(reply.reply_id)
    assert reply.conversation_id == began.conversation_id
    assert counted(store)["referral:self"] == 1
    failures = companion._metrics.registry.get_sample_value
    assert failures("kindred_failures_total", {"where": "crisis_over_quota"}) == 1
    assert not failures("kindred_failures_total", {"where": "crisis_unsaved"})


def killed(*args: object, **more: object) -> None:
    raise SystemExit


def test_a_referral_while_the_store_is_away_is_counted_when_it_is_back(
    say: Say, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object, **more: object) -> object:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(store.contexts, "begin", away)
        reply = say("i want to kill myself", region="CA")
    assert reply.degraded
    assert reply.text == texts.first(Kind.SELF, "CA")
    assert counted(store) == {"referral:self": 1}


def test_a_minor_is_known_from_then_on(say: Say, store: Store) -> None:
    told = say("i'm 14 and i hate school", region="GB")
    assert told.notices[0].text == texts.AI_DISCLOSURE_YOUNG
    refused = say("be my girlfriend and send me a sexy pic", region="GB")
    assert refused.source is Source.SAFETY
    assert refused.text == texts.boundary_for_young("GB")
    crisis = say("i want to kill myself", region="GB")
    assert "Childline is on 0800 1111" in crisis.text


def test_generated_text_that_the_reader_finds_is_kept_back(
    store: Store, engine: Any, settings: Settings
) -> None:
    for key, definition in DEFAULT_FLAGS.items():
        store.flags.put(key, definition)
    person = store.people.create()
    companion = Companion(store, engine, settings, Metrics(), Offensive())
    reply = companion.reply(ChatRequest(person.user_id, person.generation, "good evening"))
    slate = store.impressions.find(reply.reply_id).slate
    generated = [c for c in slate.candidates if c.source is Source.GENERATOR]
    assert generated
    assert all("toxic" in c.filters for c in generated)
    assert not any("toxic" in c.filters for c in slate.candidates if c.source is Source.RETRIEVAL)
