"""What each rule finds and leaves alone, on the authors' own texts and on the whole bank."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.dialog.screen import judge, personal
from app.dialog.screen.personal import luhn
from app.dialog.screen.phrases import Lexicon, Phrase, folded
from app.dialog.screen.rules import RULES, for_adults, reasons
from app.dialog.screen.unkind import COURTING
from models.training.text_reader.texts import LabelledText, read_texts
from retrieval.corpus import load_corpus

DATA = Path(__file__).parents[4] / "data"
TEXTS = read_texts(DATA / "screen" / "development.jsonl")
EVERY_RULE = (*RULES, COURTING)

# Lines of the reviewed bank that a rule would keep back if a machine had written them, and why
# they may stay.
REVIEWED = {
    ("about_kindred-005", "human-claim"): "says what it ate: nothing",
    ("about_kindred-029", "human-claim"): "says that it has no parents",
    ("about_kindred-104", "human-claim"): "works for free, as a program",
    ("daily_life-174", "human-claim"): "travels by sentences",
    ("big_questions-042", "human-claim"): "quotes the future of the person",
    ("people_and_love-002", "human-claim"): "an invitation, in quotes, for the person to say",
    ("people_and_love-051", "human-claim"): "likewise",
    ("everyday_short-018", "human-claim"): "'As an AI I live a very small life'",
    ("feelings-093", "human-claim"): "a figure of speech, taken back in the same line",
    ("interests-044", "human-claim"): "a riddle",
    ("interests-102", "human-claim"): "a joke: the therapist is a toaster",
    ("interests-082", "human-claim"): "at home in English",
    ("play_and_goodbyes-118", "human-claim"): "plays the dog, as asked",
}


def test_the_whole_bank_passes_but_for_what_was_reviewed() -> None:
    corpus = load_corpus(DATA)
    held = {
        (corpus.entries[entry].entry_id, reason)
        for text, entry in corpus.replies
        for reason in reasons(text)
    }
    assert held == set(REVIEWED)


def test_nothing_in_the_bank_is_unkind_personal_or_advice() -> None:
    corpus = load_corpus(DATA)
    kinds = Counter(reason for text, _ in corpus.replies for reason in reasons(text))
    assert set(kinds) == {"human-claim"}


@pytest.mark.parametrize(
    "label",
    ["sexual", "human-claim", "medical", "legal", "financial", "harm", "personal-data"],
)
def test_what_is_meant_is_found(label: str) -> None:
    wanted = [text for text in TEXTS if text.label == label]
    missed = [text.text for text in wanted if label not in reasons(text.text)]
    assert len(missed) <= len(wanted) // 10, missed


def test_harmless_look_alikes_are_left_alone() -> None:
    harmless = [text for text in TEXTS if text.label == "harmless"]
    held = [(text.text, judge(text.text)) for text in harmless if judge(text.text)]
    assert len(held) <= len(harmless) // 33, held


def test_words_alone_find_half_of_the_plain_attacks() -> None:
    def found(text: LabelledText) -> bool:
        return bool({"offensive", "insult", "harm"} & set(reasons(text.text)))

    attacks = [text for text in TEXTS if text.label == "toxic"]
    assert sum(map(found, attacks)) >= len(attacks) / 2


@settings(deadline=None)
@given(st.text(max_size=300))
def test_no_text_breaks_the_rules(text: str) -> None:
    assert set(judge(text)) <= {rule.reason for rule in RULES} | {"personal-data"}
    assert for_adults(text) in (True, False)


PHRASES = [
    pytest.param(phrase, id=f"{rule.reason} {number}")
    for rule in EVERY_RULE
    for number, phrase in enumerate(rule.phrases, start=1)
]


@pytest.mark.parametrize("phrase", PHRASES)
def test_whatever_an_expression_finds_holds_one_of_its_stems(phrase: Phrase) -> None:
    @settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
    @given(
        st.from_regex(phrase.pattern, alphabet=st.characters(min_codepoint=32, max_codepoint=126))
    )
    def holds(text: str) -> None:
        if phrase.pattern.search(folded(text)):
            assert phrase.finds(folded(text))

    holds()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("You\u2019re so STUPID", "insult"),
        ("\uff59\uff4f\uff55\uff07\uff52\uff45 an idiot", "insult"),  # full width
        ("Kill your self", "harm"),
        ("FUCK you", "offensive"),
    ],
)
def test_spelling_and_case_do_not_hide_a_word(text: str, reason: str) -> None:
    assert reason in reasons(text)


def test_the_check_digit_tells_a_card_from_another_number() -> None:
    assert luhn("4111 1111 1111 1111")
    assert not luhn("4111 1111 1111 1112")
    assert personal.found("pay with 4111 1111 1111 1111")
    assert personal.found("pay with 378282246310005")
    assert not personal.found("order 4111-1111-1111-1112 is on its way")


def test_the_numbers_of_crisis_lines_are_no_personal_data() -> None:
    lines = ("988", "116 123", "13 11 14", "0800 1111", "112", "1737")
    assert not any(personal.found(f"you can call {line} now") for line in lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("will you be my girlfriend", True),
        ("send me a pic", True),
        ("lets flirt", True),
        ("talk dirty to me", True),
        ("i have a crush on a girl in my class", False),
        ("my girlfriend broke up with me", False),
        ("do you love me", False),
        ("we kissed after the dance", False),
    ],
)
def test_what_is_for_adults(text: str, expected: bool) -> None:
    assert for_adults(text) is expected


def test_the_development_texts_have_both_sides_of_every_reason() -> None:
    kinds = {text.kind for text in TEXTS if text.label == "harmless"}
    for label in {text.label for text in TEXTS} - {"harmless"}:
        assert f"as {label}" in kinds
    assert len(json.dumps([text.text for text in TEXTS])) > 5_000


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([text.text for text in TEXTS]), min_size=1, max_size=3).map(" ".join)
)
def test_the_lexicon_finds_what_each_rule_finds(text: str) -> None:
    lower = folded(text)
    slow = {
        rule.reason for rule in RULES for phrase in rule.phrases if phrase.pattern.search(lower)
    }
    assert set(Lexicon(RULES).reasons(lower)) == slow
    assert set(reasons(text)) - {personal.REASON} == slow - {personal.REASON}
