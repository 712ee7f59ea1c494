"""Which messages the protocol answers, with which text, and what stands beside a reply."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest

from app.dialog.care import notices, protocol, tally, texts
from app.dialog.care.protocol import Answer
from app.dialog.care.texts import Kind
from app.dialog.lines import BOUNDARY
from app.dialog.safety import Reading
from app.domain import Notice, NoticeKind, Reply, Source, Speaker, Turn, UserContext

HOUR = 3_600.0
EVERY = 3 * HOUR


def answer(message: str, said: Sequence[str] = (), region: str = "", **more: Any) -> Answer:
    found = protocol.answer(
        Reading.of(message), message, said, region, minor=more.pop("minor", False)
    )
    assert found is not None
    return found


def context(*lines: str, **more: Any) -> UserContext:
    """A conversation: the person's lines, each but the last answered."""
    turns = []
    for i, line in enumerate(lines):
        turns.append(Turn(f"t{2 * i}", 2 * i + 1, Speaker.PERSON, line, 0.0))
        if line is not lines[-1]:
            turns.append(Turn(f"t{2 * i + 1}", 2 * i + 2, Speaker.KINDRED, "I hear you.", 0.0))
    return UserContext("u", "c", turns[-1], tuple(turns), **more)


def due(at: UserContext, now: float, **more: Any) -> list[NoticeKind]:
    found = notices.due(at, now=now, every=EVERY, crisis=more.pop("crisis", False), region="")
    return [notice.kind for notice in found]


def test_each_kind_has_its_text_and_an_ordinary_message_none() -> None:
    assert answer("i want to kill myself") == Answer(texts.first(Kind.SELF), Kind.SELF)
    assert answer("my friend wants to kill herself").referral is Kind.OTHER
    assert answer("my brother killed himself last year").referral is Kind.LOSS
    assert answer("i'll kill you") == Answer(BOUNDARY)
    assert protocol.answer(Reading.of("hello"), "hello", (), "GB", minor=True) is None


def test_a_country_and_an_age_choose_the_resources() -> None:
    assert answer("i want to die", region="AU").text == texts.first(Kind.SELF, "AU")
    young = answer("i want to die", region="AU", minor=True).text
    assert "1800 55 1800" in young


def test_nobody_hears_the_same_text_again_while_there_is_another() -> None:
    said: list[str] = []
    for _ in range(4):
        said.append(answer("i want to die", said).text)
    assert said[0] == texts.first(Kind.SELF)
    assert len(set(said)) == 4
    fifth = answer("i want to die", said).text
    assert fifth == said[1], "the one that was said longest ago"


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("place", [None, 0, -1])
def test_nobody_is_handed_back_to_the_models_at_once(kind: Kind, place: int | None) -> None:
    """Two messages after a danger hear written words, whatever they seem to speak of."""
    told = texts.first(kind, "GB") if place is None else texts.again(kind, "GB")[place]
    said = ["Hello there.", told]
    for message in ("no, tonight", "what's for dinner"):
        staying = answer(message, said, "GB")
        assert staying.text in texts.STAYING[kind]
        assert not staying.crisis
        said.append(staying.text)
    assert len(set(said)) == 4
    assert protocol.answer(Reading.of("and then"), "and then", said, "GB", minor=False) is None


def test_what_is_said_to_stay_is_said_once() -> None:
    said = [texts.first(Kind.SELF), *texts.STAYING[Kind.SELF], "Tell me more.", "Go on."]
    said.append(answer("i still want to die", said).text)
    assert protocol.answer(Reading.of("yes"), "yes", said, "", minor=False) is None


def test_no_words_of_the_protocol_are_taken_for_another_kinds() -> None:
    for kind in Kind:
        for line in (texts.first(kind, "US"), *texts.again(kind, "US")):
            assert texts.kind_of(line) is kind
        assert all(texts.kind_of(line) is None for line in texts.STAYING[kind])


def test_a_danger_of_another_kind_gets_its_own_first_text() -> None:
    said = [answer("my friend wants to kill herself").text]
    assert answer("and i want to die too", said).text == texts.first(Kind.SELF)
    said = [answer("i want to die", region="DE").text]
    further = answer("i want to die", said, region="FR").text
    assert further == texts.again(Kind.SELF, "FR")[0]


def test_a_minor_is_refused_what_is_for_adults_and_told_where_help_is() -> None:
    refused = answer("send me nudes", minor=True, region="GB")
    assert refused == Answer(texts.boundary_for_young("GB"))
    assert not refused.crisis
    message = "will you be my girlfriend"
    assert protocol.answer(Reading.of(message), message, (), "", minor=False) is None
    assert answer(message, minor=True) == Answer(texts.boundary_for_young())
    assert answer("i want to die and send me nudes", minor=True).crisis


def test_a_crisis_answer_is_quick() -> None:
    message = "honestly i just want to kill myself, i can't do this anymore"
    reading = Reading.of(message)
    answer(message, region="GB")
    said = ["What did she say?"] * 30
    start = time.perf_counter()
    for _ in range(200):
        protocol.answer(reading, message, said, "GB", minor=True)
    assert (time.perf_counter() - start) / 200 < 0.0002


def test_a_conversation_begins_with_a_disclosure_and_repeats_it() -> None:
    now = 1e9
    assert due(context("hi", talking_since=now), now) == [NoticeKind.AI_DISCLOSURE]
    fresh = context("hi", talking_since=now - HOUR, disclosed_at=now - HOUR)
    assert due(fresh, now) == []
    old = context("hi", talking_since=now, disclosed_at=now - EVERY)
    assert due(old, now) == [NoticeKind.AI_DISCLOSURE]


def test_after_three_hours_a_break_is_advised_and_not_in_a_crisis() -> None:
    now = 1e9
    long = context("hi", talking_since=now - EVERY, disclosed_at=now - HOUR)
    assert due(long, now) == [NoticeKind.AI_DISCLOSURE, NoticeKind.BREAK]
    assert due(long, now, crisis=True) == []
    almost = context("hi", talking_since=now - EVERY + 1, disclosed_at=now - HOUR)
    assert due(almost, now) == []
    assert "about 3 hours" in texts.break_reminder(EVERY)
    assert "an hour" in texts.break_reminder(1_900)


def test_minors_hear_that_companions_do_not_suit_everybody() -> None:
    at = context("hi", talking_since=1e9, minor=True)
    [notice] = notices.due(at, now=1e9, every=EVERY, crisis=False, region="")
    assert notice == Notice(NoticeKind.AI_DISCLOSURE, texts.AI_DISCLOSURE_YOUNG)


@pytest.mark.parametrize(
    ("lines", "follows"),
    [
        (("i want to die",), False),
        (("i want to die", "ok"), False),
        (("i want to die", "ok", "what else is new"), True),
        (("i want to die", "i'm safe now", "thanks"), True),  # saying so ends no mark
        (("i want to die", "a", "b", "c"), False),
        (("i want to die", "i really want to die", "hm"), False),
        (("i want to die", "i really want to die", "hm", "so"), True),
        (("hello", "a", "b"), False),
    ],
)
def test_the_second_message_after_a_crisis_is_followed_up(
    lines: tuple[str, ...], follows: bool
) -> None:
    now = 1e9
    at = context(*lines, crisis=True, talking_since=now, disclosed_at=now)
    assert due(at, now) == ([NoticeKind.SUPPORT] if follows else [])
    calm = context(*lines, talking_since=now, disclosed_at=now)
    assert due(calm, now) == []


def test_what_is_counted() -> None:
    beside = tuple(Notice(kind, "x") for kind in NoticeKind)
    reply = Reply("r", "c", "text", Source.SAFETY, False, {}, 0.0, beside)
    assert sorted(tally.events(reply, Answer("x", Kind.OTHER))) == [
        "break",
        "disclosure",
        "referral:follow-up",
        "referral:other",
    ]
    plain = Reply("r", "c", "text", Source.RETRIEVAL, False, {}, 0.0)
    assert list(tally.events(plain, None)) == []
    assert list(tally.events(plain, Answer(BOUNDARY))) == []
