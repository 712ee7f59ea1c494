"""Questions for what a person told, and what is no such question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dialog.memory.facts import applied, learn
from app.dialog.memory.recall import WORDS_MAX, recall
from app.dialog.memory.recall_lines import KNOWN, UNKNOWN
from app.domain import Fact, Speaker, Turn, UserContext

TOLD = (
    "I'm Anna",
    "I like hiking and jazz",
    "I hate coffee",
    "I live in Bern",
    "My sister is called Maya",
    "I have a dog named Rex",
    "I work as a nurse",
    "my favourite colour is blue",
    "I play the cello",
    "I'm 30",
    "I'm allergic to nuts",
)


def remembered(*messages: str) -> tuple[Fact, ...]:
    context = UserContext("u", "c", Turn("t", 1, Speaker.PERSON, "", 0.0), ())
    for i, message in enumerate(messages):
        said = Turn(f"t{i}", i, Speaker.PERSON, message, float(i))
        context = applied(context, learn(said, context.facts))
    return context.facts


ANSWERED = [
    ("What's my name?", "your name is Anna"),
    ("whats my name", "your name is Anna"),
    ("do you remember my name", "your name is Anna"),
    ("Hey Kindred, do you still remember my name?", "your name is Anna"),
    ("I forgot, what's my name again?", "your name is Anna"),
    ("who am I?", "your name is Anna"),
    ("Do you know where I live?", "you live in Bern"),
    ("where do i live", "you live in Bern"),
    ("what's my dog called?", "your dog is called Rex"),
    ("What's my dog's name?", "your dog is called Rex"),
    ("do I have any pets?", "your dog is called Rex"),
    ("Who is Rex?", "your dog is called Rex"),
    ("who's my sister?", "your sister is called Maya"),
    ("do you remember what I like?", "you like hiking and jazz"),
    ("What don't I like?", "you don't like coffee"),
    ("Do I like hiking?", "you like hiking"),
    ("do I like coffee?", "you don't like coffee"),
    ("what's my favorite color?", "your favourite colour is blue"),
    ("how old am I?", "you're 30 years old"),
    ("what do I do for a living?", "you work as a nurse"),
    ("what are my hobbies?", "you play the cello"),
    ("what am i allergic to?", "you're allergic to nuts"),
]


@pytest.mark.parametrize(("message", "told"), ANSWERED, ids=[m for m, _ in ANSWERED])
def test_what_was_told_is_said_back(message: str, told: str) -> None:
    answers = recall(message, remembered(*TOLD))
    assert len(answers) == 2
    assert answers[0] != answers[1]
    assert all(told.casefold() in answer.casefold() for answer in answers)


HONEST = [
    ("What's my name?", "name"),
    ("where do I live?", "live"),
    ("what's my dog called?", "dog's name"),
    ("what is my brother called?", "brother's name"),
    ("when's my birthday?", "birthday"),
    ("how old am I?", "a"),
    ("what's my favourite movie?", "favourite movie"),
    ("do I like opera?", "opera"),
    ("what are my hobbies?", "free time"),
    ("am I vegetarian?", "eat"),
    ("what do you know about me?", "tell"),
]


@pytest.mark.parametrize(("message", "about"), HONEST, ids=[m for m, _ in HONEST])
def test_what_was_not_told_is_not_invented(message: str, about: str) -> None:
    answers = recall(message, ())
    assert len(answers) == 2
    for answer in answers:
        assert 6 <= len(answer.split()) <= WORDS_MAX
        assert "{" not in answer
        assert any(word in answer for word in ("n't", "Not", "Nothing", "only"))
    assert about in " ".join(answers)


@pytest.mark.parametrize(
    "message",
    [
        "What do you know about me?",
        "what do you remember about me",
        "Tell me what you know about me",
        "Can you remember anything about me?",
        "what have I told you so far?",
        "do you remember me?",
    ],
)
def test_all_that_is_known_begins_with_the_name(message: str) -> None:
    answers = recall(message, remembered(*TOLD))
    assert len(answers) == 2
    for answer in answers:
        assert "your name is Anna" in answer
        assert answer.count(",") + answer.count(" and ") >= 4
        assert len(answer.split()) <= WORDS_MAX


@pytest.mark.parametrize(
    "message",
    [
        "My name is Anna.",
        "I like hiking.",
        "what's your name?",
        "Where are you from?",
        "what do you like?",
        "do you like hiking?",
        "what should I do?",
        "My dog died, what do I do?",
        "what do I do now?",
        "what's my problem?",
        "what is the meaning of life?",
        "where should I live?",
        "Who is Einstein?",
        "do I love him?",
        "do I love her or not?",
        "Can you help me?",
        "I remember my name day",
        "",
        "???",
    ],
)
def test_other_messages_ask_for_nothing(message: str) -> None:
    assert recall(message, remembered(*TOLD)) == []


def test_the_same_question_over_the_same_facts_gets_the_same_answers() -> None:
    facts = remembered(*TOLD)
    assert recall("What's my name?", facts) == recall("What's my name?", facts)


def test_answers_take_many_shapes() -> None:
    facts = remembered(*TOLD)
    first = {recall(f"What's my name{'?' * i}", facts)[0] for i in range(1, 40)}
    assert len(first) == len(KNOWN)
    unknown = {recall(f"What's my name{'?' * i}", ())[0] for i in range(1, 40)}
    assert len(unknown) == len(UNKNOWN["name"])


def test_after_a_change_only_the_new_is_said() -> None:
    facts = remembered("I'm Lea", "actually my name is Lena, not Lea")
    answers = " ".join(recall("what's my name?", facts))
    assert "Lena" in answers
    assert "Lea." not in answers


def test_braces_in_what_was_told_do_no_harm() -> None:
    odd = Fact("f1", "name", "name", "{x}", "My name is {x}.", "", "t", 0.0)
    answers = recall("what's my name?", (odd,))
    assert answers
    assert all("our name is {x}" in answer for answer in answers)


@given(st.text(max_size=200))
def test_any_message_keeps_the_bounds(message: str) -> None:
    answers = recall(message, remembered("I'm Anna", "I like jazz"))
    assert len(answers) <= 2
    assert all(6 <= len(answer.split()) <= WORDS_MAX for answer in answers)


@given(st.lists(st.sampled_from(TOLD), unique=True))
def test_only_what_is_known_is_said(messages: list[str]) -> None:
    facts = remembered(*messages)
    said = " ".join(recall("what do you know about me?", facts))
    for name, message in (("Anna", TOLD[0]), ("Bern", TOLD[3]), ("Rex", TOLD[5])):
        assert message in messages or name not in said
