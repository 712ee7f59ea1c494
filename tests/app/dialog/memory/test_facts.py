"""What one message teaches: cases from a person's point of view, then the traps."""

from __future__ import annotations

import pytest

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


# Written before the patterns: what a person would expect to be remembered.
EXPECTED = [
    ("Hi, I'm Anna", {("name", "My name is Anna.")}),
    ("my name is Zoë!", {("name", "My name is Zoë.")}),
    ("call me Bo please", {("name", "My name is Bo.")}),
    ("Name's José, nice to meet you", {("name", "My name is José.")}),
    ("My name is 李雷", {("name", "My name is 李雷.")}),
    ("im anna", {("name", "My name is Anna.")}),
    ("i luv sushi", {("taste:sushi", "I like sushi.")}),
    ("I love hiking.", {("taste:hiking", "I like hiking.")}),
    ("I don't like coffee", {("taste:coffee", "I don't like coffee.")}),
    ("I hate Mondays", {("taste:mondays", "I don't like Mondays.")}),
    (
        "I like hiking, jazz and sushi",
        {
            ("taste:hiking", "I like hiking."),
            ("taste:jazz", "I like jazz."),
            ("taste:sushi", "I like sushi."),
        },
    ),
    ("My favourite colour is blue", {("favourite:colour", "My favourite colour is blue.")}),
    ("my sister Mia is visiting", {("person:sister", "My sister is called Mia.")}),
    ("I went out with my friend Tom", {("person:friend", "My friend is called Tom.")}),
    ("My husband is called Jonas", {("person:husband", "My husband is called Jonas.")}),
    ("I have a dog named Rex", {("pet:dog", "My dog is called Rex.")}),
    ("ive got 2 cats", {("pet:cat", "I have 2 cats.")}),
    ("My cat's name is Luna", {("pet:cat", "My cat is called Luna.")}),
    ("I live in Porto now", {("lives", "I live in Porto.")}),
    ("I'm from Brazil", {("from", "I'm from Brazil.")}),
    ("I work as a nurse", {("work", "I work as a nurse.")}),
    ("I'm a software engineer", {("work", "I'm a software engineer.")}),
    ("I study biology in Lisbon", {("studies", "I study biology in Lisbon.")}),
    ("I'm 25 years old", {("age", "I'm 25 years old.")}),
    ("my birthday is on March 3rd", {("birthday", "My birthday is March 3rd.")}),
    (
        "I speak French and English",
        {("speaks:french", "I speak French."), ("speaks:english", "I speak English.")},
    ),
    ("I play the cello", {("does:playing the cello", "I play the cello.")}),
    (
        "I've been learning Spanish for two years",
        {("does:learning spanish", "I'm learning Spanish.")},
    ),
    ("I'm allergic to nuts", {("allergy:nuts", "I'm allergic to nuts.")}),
    ("I'm vegetarian", {("diet", "I'm vegetarian.")}),
    ("I'm married", {("status", "I'm married.")}),
    ("I just moved to Berlin!", {("lives", "I live in Berlin.")}),
    (
        "Hey, I'm Tom, 31, from Leeds, and I work as a chef.",
        {
            ("name", "My name is Tom."),
            ("age", "I'm 31 years old."),
            ("from", "I'm from Leeds."),
            ("work", "I work as a chef."),
        },
    ),
]


@pytest.mark.parametrize(("message", "expected"), EXPECTED, ids=[m for m, _ in EXPECTED])
def test_what_a_person_tells_is_learned(message: str, expected: set[tuple[str, str]]) -> None:
    assert learned(message) == expected


NOTHING = [
    "I'm fine, thanks",
    "i'm so tired today",
    "I'm hungry",
    "I'm here",
    "I'm going to bed",
    "I'm not sure about that",
    "Sorry, I'm late",
    "I'm just checking in",
    "I'm Tired",
    "im bored",
    "im good hbu",
    "I'm a bit lost",
    "I'm a morning person",
    "I'm a fan",
    "I'm from a big family",
    "I live in fear of exams",
    "I work from home today",
    "I work hard",
    "do I like jazz?",
    "am I called Anna?",
    "Do you like sushi?",
    "What if I lived in Rome?",
    "I like jazz?",
    "I wish I was a pilot",
    "If I were a nurse I'd work nights",
    "I'd love to live in Paris",
    "I would like a coffee",
    "id like some tea",
    "I want to live in Rome and work as a chef",
    "my sister likes jazz",
    "My brother works as a nurse and lives in Berlin",
    "she hates coffee",
    "he said I'm Tom",
    'He shouted "I am Tom and I like beer" across the street',
    "My mum says I like arguing",
    "I like it",
    "I love you",
    "I love that you ask",
    "I like how you said that",
    "I don't know what I like",
    "I don't mind rain",
    "Imagine I'm a pirate and I live in a cave",
    "What's your name?",
    "Good morning! How are you?",
    "Tell me a joke",
    "I had a long day at work",
    "I have a cold",
    "I have a question",
    "I've got a headache",
    "I have a bird's eye view of the town",
    "forget it",
    "I always forget things",
    "I can't remember where I live lol",
    "call me later",
    "don't call me crazy",
    "I'm 5 minutes away",
    "I'm 100% sure",
    "I play along",
    "The weather in London is awful",
    "my name is not important",
    "My password is hunter2",
    "my email is anna@example.org",
    "My number is 555 123 4567",
    "I used to like jazz",
    "I used to live in Oslo",
    "I'm moving on",
    "Anna is a nurse",
    "my favourite is the blue one",
    "in the game I'm a nurse",
    "Let's pretend I'm a nurse and I live in Rome",
    "I hate myself",
    "I hate my life",
    "I'm single-handedly fixing this",
    "I'm working on it",
    "I'm studying for my exam",
    "I'm OK",
    "I'm home",
    "I'm Anna's sister",
]


@pytest.mark.parametrize("message", NOTHING)
def test_everyday_lines_teach_nothing(message: str) -> None:
    assert facts.learn(turn(message), ()) == FactChange()


FRAMES = [
    ("You can call me Jo", {("name", "My name is Jo.")}),
    ("My name is Anna but everyone calls me Annie", {("name", "My name is Annie.")}),
    ("I'm Jean-Luc", {("name", "My name is Jean-Luc.")}),
    ("hello im zorblax", {("name", "My name is Zorblax.")}),
    ("I'm Anna, what's your name?", {("name", "My name is Anna.")}),
    ("I'm Anna hbu?", {("name", "My name is Anna.")}),
    ("My best friend Tom dances", {("person:best friend", "My best friend is called Tom.")}),
    ("Tom is my brother", {("person:brother", "My brother is called Tom.")}),
    ("My girlfriend's called Nora", {("person:girlfriend", "My girlfriend is called Nora.")}),
    ("I have two kids", {("person:kid", "I have two kids.")}),
    ("my dog Rex ate my homework", {("pet:dog", "My dog is called Rex.")}),
    ("I just got a puppy called Milo!", {("pet:dog", "My dog is called Milo.")}),
    ("I really enjoy cooking and baking bread", {
        ("taste:cooking", "I like cooking."), ("taste:baking bread", "I like baking bread.")}),
    ("I like to hike and to swim", {
        ("taste:hiking", "I like hiking."), ("taste:swimming", "I like swimming.")}),
    ("I love rock and roll", {("taste:rock and roll", "I like rock and roll.")}),
    ("I like tea but not coffee", {
        ("taste:tea", "I like tea."), ("taste:coffee", "I don't like coffee.")}),
    ("I'm a big fan of Star Wars", {("taste:star wars", "I like Star Wars.")}),
    ("I'm not into sports", {("taste:sports", "I don't like sports.")}),
    ("I can't stand loud music", {("taste:loud music", "I don't like loud music.")}),
    ("to be honest I don't really like parties", {("taste:parties", "I don't like parties.")}),
    ("I never liked maths", {("taste:maths", "I don't like maths.")}),
    ("I LOVE PIZZA SO MUCH!!!", {("taste:pizza", "I like pizza.")}),
    ("i love pizza 🍕🍕", {("taste:pizza", "I like pizza.")}),
    ("I like pizza more than pasta", {("taste:pizza", "I like pizza.")}),
    ("My sister and I love skiing", {("taste:skiing", "I like skiing.")}),
    ("my fave movie is Spirited Away", {
        ("favourite:movie", "My favourite movie is Spirited Away.")}),
    ("Blue is my favourite color", {("favourite:colour", "My favourite color is blue.")}),
    ("My least favourite food is liver", {("taste:liver", "I don't like liver.")}),
    ("I'm studying law at Oxford", {("studies", "I study law at Oxford.")}),
    ("I'm a student at MIT", {("studies", "I'm a student at MIT.")}),
    ("I work at a hospital in Leeds", {("work:at", "I work at a hospital in Leeds.")}),
    ("I'm a nurse from Porto and mother of two", {
        ("work", "I'm a nurse."), ("from", "I'm from Porto.")}),
    ("I'm learning to play the guitar", {
        ("does:learning to play the guitar", "I'm learning to play the guitar.")}),
    ("I go running every morning", {("does:running", "I go running.")}),
    ("I turned 40 last week", {("age", "I'm 40 years old.")}),
    ("im 17 and im from texas", {("age", "I'm 17 years old."), ("from", "I'm from Texas.")}),
    ("I'm half Greek", {("from", "I'm half Greek.")}),
    ("I was born on 3 March 1990", {("birthday", "My birthday is 3 March 1990.")}),
    ("I don't eat meat", {("diet:meat", "I don't eat meat.")}),
    ("I'm vegetarian now, not vegan", {("diet", "I'm vegetarian.")}),
    ("I'm allergic to peanuts and cats, so no pets for me", {
        ("allergy:peanuts", "I'm allergic to peanuts."),
        ("allergy:cats", "I'm allergic to cats.")}),
    ("I got married last year", {("status", "I'm married.")}),
    ("i live in new york", {("lives", "I live in New York.")}),
    ("I live with my parents in Hamburg", {("lives", "I live in Hamburg.")}),
    ("I live in a small flat in Lisbon with my husband Jonas", {
        ("lives", "I live in Lisbon."), ("person:husband", "My husband is called Jonas.")}),
    ("I like jazz, do you?", {("taste:jazz", "I like jazz.")}),
    ("if I'm honest, I hate opera", {("taste:opera", "I don't like opera.")}),
    ("If it rains I stay in, but I like rain", {("taste:rain", "I like rain.")}),
    ("I love you and I love jazz", {("taste:jazz", "I like jazz.")}),
    ("My mum Sofia is a teacher and I'm a doctor", {
        ("person:mum", "My mum is called Sofia."), ("work", "I'm a doctor.")}),
    ("I'm Anna and I'm from Berlin, I love jazz but I hate techno", {
        ("name", "My name is Anna."), ("from", "I'm from Berlin."),
        ("taste:jazz", "I like jazz."), ("taste:techno", "I don't like techno.")}),
    ("I have a dog and two cats", {("pet:dog", "I have a dog."), ("pet:cat", "I have two cats.")}),
    ("I live in Bern. Sorry, I meant Berlin.", {("lives", "I live in Berlin.")}),
    ("My name is Anna. Forget it.", {("name", "My name is Anna.")}),
]  # fmt: skip


@pytest.mark.parametrize(("message", "expected"), FRAMES, ids=[m for m, _ in FRAMES])
def test_other_ways_of_saying_it(message: str, expected: set[tuple[str, str]]) -> None:
    assert learned(message) == expected
