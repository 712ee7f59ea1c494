"""Corrections, forgetting, evidence and bounds of what a message teaches."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dialog.memory import facts
from app.domain import Fact, FactChange, Speaker, Turn, UserContext

NOW = 1_800_000_000.0


def turn(text: str, turn_id: str = "t9", at: float = NOW) -> Turn:
    return Turn(turn_id, 9, Speaker.PERSON, text, at)


def known(*messages: str) -> tuple[Fact, ...]:
    """What these messages, told one minute after the other, left behind."""
    context = UserContext("u", "c", turn(""), ())
    for i, message in enumerate(messages):
        said = turn(message, f"t{i}", NOW - 60.0 * (len(messages) - i))
        context = facts.applied(context, facts.learn(said, context.facts))
    return context.facts


def learned(message: str, *before: str) -> set[tuple[str, str]]:
    change = facts.learn(turn(message), known(*before))
    return {(fact.slot, fact.text) for fact in change.learned}


BEFORE = (
    "I'm Lea",
    "I like hiking",
    "I live in Bern",
    "My sister is called Maya",
    "I have a dog named Rex",
    "I work as a nurse",
)
ALL = ("name", "taste:hiking", "lives", "person:sister", "pet:dog", "work")

CHANGES = [
    ("actually my name is Lena, not Lea", {("name", "My name is Lena.")}, ()),
    ("it's Lena, not Lea", {("name", "My name is Lena.")}, ()),
    ("My name isn't Lea, it's Lena", {("name", "My name is Lena.")}, ()),
    ("No, I said Mira not Maya", {("person:sister", "My sister is called Mira.")}, ()),
    ("Her name is Mira, not Maya", {("person:sister", "My sister is called Mira.")}, ()),
    ("my dog is called Max, not Rex", {("pet:dog", "My dog is called Max.")}, ()),
    ("I moved to Porto", {("lives", "I live in Porto.")}, ()),
    ("We moved from Bern to Basel in May", {("lives", "I live in Basel.")}, ()),
    ("I don't like hiking any more", {("taste:hiking", "I don't like hiking.")}, ()),
    ("I no longer like hiking", {("taste:hiking", "I don't like hiking.")}, ()),
    ("I'm not a nurse any more, I'm a teacher", {("work", "I'm a teacher.")}, ()),
    ("I'm retired now", {("work", "I'm retired.")}, ()),
    ("I love hiking", set(), ()),
    ("I have a dog", set(), ()),
    ("no, I meant Berlin", set(), ()),  # the last thing told was a job
    ("I'm not a nurse", set(), ("work",)),
    ("I'm not a pilot", set(), ()),
    ("I used to be a nurse", set(), ("work",)),
    ("I used to work as a nurse", set(), ("work",)),
    ("I quit my job yesterday", set(), ("work",)),
    ("I used to like hiking", set(), ("taste:hiking",)),
    ("I don't live in Bern anymore", set(), ("lives",)),
    ("I don't live in Rome", set(), ()),
    ("I don't have a dog", set(), ("pet:dog",)),
    ("I'm not Lea", set(), ("name",)),
    ("don't call me Lea", set(), ("name",)),
    ("forget my name", set(), ("name",)),
    ("Please forget my name.", set(), ("name",)),
    ("can you forget where I live?", set(), ("lives",)),
    ("don't remember where I live", set(), ("lives",)),
    ("forget that I like hiking", set(), ("taste:hiking",)),
    ("forget about my dog", set(), ("pet:dog",)),
    ("forget my sister", set(), ("person:sister",)),
    ("Forget Rex", set(), ("pet:dog",)),
    ("forget that", set(), ("work",)),
    ("forget what I just said", set(), ("work",)),
    ("forget everything about me", set(), ALL),
    ("Please delete everything you know about me.", set(), ALL),
    ("Forget my name, I'm Ada", {("name", "My name is Ada.")}, ()),
    ("forget it", set(), ()),
    ("forget about it", set(), ()),
    ("Forget me, how are you?", set(), ()),
    ("don't forget my name", set(), ()),
    ("did you forget my name?", set(), ()),
    ("I forget things", set(), ()),
    ("never forget where I live", set(), ()),
]


@pytest.mark.parametrize(("message", "expected", "gone"), CHANGES, ids=[c[0] for c in CHANGES])
def test_what_was_known_is_corrected_or_forgotten(
    message: str, expected: set[tuple[str, str]], gone: tuple[str, ...]
) -> None:
    change = facts.learn(turn(message), known(*BEFORE))
    assert {(fact.slot, fact.text) for fact in change.learned} == expected
    assert set(change.forgotten) == set(gone)


def test_a_bare_correction_points_to_what_was_told_last() -> None:
    told = known("I live in Bern and I like jazz")
    assert learned("no, I meant Berlin", "I live in Bern and I like jazz") == {
        ("lives", "I live in Berlin.")
    }
    change = facts.learn(turn("Sorry, I meant techno"), told)
    assert [fact.text for fact in change.learned] == ["I like techno."]
    assert change.forgotten == ("taste:jazz",)


def test_a_second_friend_does_not_replace_the_first() -> None:
    assert learned("I met my friend Lea", "my friend Tom is here") == {
        ("person:friend:lea", "My friend is called Lea.")
    }
    assert learned("Actually my friend is called Tim", "my friend Tom is here") == {
        ("person:friend", "My friend is called Tim.")
    }


def test_forget_that_reaches_back_an_hour() -> None:
    (fact,) = known("I like jazz")
    late = turn("forget that", at=fact.created_at + 3_601)
    assert facts.learn(late, (fact,)) == FactChange()


def test_the_evidence_is_the_sentence_as_written() -> None:
    (fact,) = facts.learn(turn("Hello! i luv  sushi, honestly. Bye."), ()).learned
    assert fact.sentence == "i luv  sushi, honestly."
    assert (fact.turn_id, fact.created_at, fact.kind, fact.value) == ("t9", NOW, "likes", "sushi")


@pytest.mark.parametrize(
    "message",
    [
        "I'm Anna and my phone number is 555 123 4567",
        "My card number is 4111 1111 1111 1111, I'm Anna",
        "my password is hunter2, my name is Anna",
        "I'm Anna, my email is anna@example.org",
    ],
)
def test_no_secret_is_kept_beside_a_fact(message: str) -> None:
    (fact,) = facts.learn(turn(message), ()).learned
    assert fact.text == "My name is Anna."
    assert not set(fact.sentence) & set(string.digits)
    assert "@" not in fact.sentence
    assert "password" not in fact.sentence


@pytest.mark.parametrize(
    "message",
    ["I like anna@example.org", "I live in www.example.org", "My favourite password is rosebud"],
)
def test_no_secret_is_a_value(message: str) -> None:
    assert facts.learn(turn(message), ()) == FactChange()


def test_a_message_teaches_at_most_eight_facts() -> None:
    message = " ".join(f"I like {thing}." for thing in string.ascii_lowercase.replace("i", ""))
    assert len(facts.learn(turn(message), ()).learned) == facts.LEARNED_MAX


def test_fact_ids_are_stable_and_differ_by_slot_and_turn() -> None:
    first = facts.learn(turn("I'm Anna and I like jazz"), ()).learned
    again = facts.learn(turn("I'm Anna and I like jazz"), ()).learned
    other = facts.learn(turn("I'm Anna and I like jazz", "t10"), ()).learned
    assert [fact.fact_id for fact in first] == [fact.fact_id for fact in again]
    assert len({fact.fact_id for fact in (*first, *other)}) == 4


def test_applied_keeps_one_fact_a_slot() -> None:
    kept = known("I'm Lea", "I like jazz", "I'm Lena", "I used to like jazz")
    assert [fact.text for fact in kept] == ["My name is Lena."]


_PIECES = st.sampled_from(
    ["I'm ", "I like ", "my name is ",
     "Anna", " not ", ", ", " and ", "forget ", "?", ". ", "that",
     "my sister ", "is called ", "I have a dog", " named ", "\u2019", "Zoë", "李雷", '"',
     "I meant ",
     "jazz", "I don't ", "live in ", "a@b.c", "12", "\n", "I used to ", "my favourite ", " is ",
     "learning ", "to ", "🙂", "\u0301", "it's ", "but "]
)  # fmt: skip


@given(st.one_of(st.text(max_size=200), st.lists(_PIECES, max_size=14).map("".join)))
def test_any_text_keeps_the_bounds(text: str) -> None:
    believed = known(*BEFORE)
    change = facts.learn(turn(text), believed)
    slots = [fact.slot for fact in change.learned]
    assert len(slots) == len(set(slots)) <= facts.LEARNED_MAX
    assert set(change.forgotten) <= {fact.slot for fact in believed}
    assert not set(change.forgotten) & set(slots)
    said = text.casefold().replace("\u2019", "'")
    for fact in change.learned:
        assert 0 < len(fact.value) <= 60
        assert fact.value in fact.text
        assert len(fact.text) <= 120
        stem = fact.value.casefold().split()[-1].removesuffix("ing")[:4]
        assert stem in said or stem in "learning playing"
        assert "@" not in fact.value
        assert fact.turn_id == "t9"


@given(st.text(max_size=300))
def test_a_change_applied_twice_is_the_change_applied_once(text: str) -> None:
    context = UserContext("u", "c", turn(text), (), facts=known(*BEFORE))
    change = facts.learn(turn(text), context.facts)
    once = facts.applied(context, change)
    assert facts.applied(once, change) == once
