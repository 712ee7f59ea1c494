"""A crisis is seen as people text it, of oneself or another; everyday talk is not one.

The messages are in messages/, one a line, written for these tests.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dialog.care import protocol, texts
from app.dialog.care.protocol import Answer
from app.dialog.care.texts import Kind
from app.dialog.lines import BOUNDARY
from app.dialog.safety import Reading, is_crisis
from app.dialog.safety.words import normalise

FIRST = {kind: texts.first(kind) for kind in Kind}
HERE = Path(__file__).parent / "messages"


def messages(name: str) -> list[str]:
    return (HERE / f"{name}.txt").read_text(encoding="utf-8").splitlines()


def answer(message: str, said: Collection[str] = ()) -> Answer | None:
    """The written answer to a message; None where the models may answer."""
    return protocol.answer(Reading.of(message), message, said, "", minor=False)


@pytest.mark.parametrize("message", messages("crisis"))
def test_a_crisis_is_seen(message: str) -> None:
    assert is_crisis(message)
    assert answer(message) == Answer(FIRST[Kind.SELF], Kind.SELF)


@pytest.mark.parametrize("message", messages("other"))
def test_another_person_at_risk_is_seen(message: str) -> None:
    assert is_crisis(message)
    assert answer(message) == Answer(FIRST[Kind.OTHER], Kind.OTHER)


@pytest.mark.parametrize("message", messages("loss"))
def test_a_loss_by_suicide_is_met_with_care(message: str) -> None:
    assert is_crisis(message)
    assert answer(message) == Answer(FIRST[Kind.LOSS], Kind.LOSS)


@pytest.mark.parametrize("message", [*messages("harmless"), *messages("allowed")])
def test_everyday_talk_is_no_crisis(message: str) -> None:
    assert not is_crisis(message)
    assert answer(message) is None


@pytest.mark.parametrize("message", messages("boundary"))
def test_a_threat_meets_a_boundary_and_marks_no_crisis(message: str) -> None:
    assert answer(message) == Answer(BOUNDARY)
    assert not is_crisis(message)


def test_the_lists_are_long_and_without_twins() -> None:
    for name, least in (("crisis", 120), ("harmless", 120), ("other", 20)):
        assert len(messages(name)) >= least
        assert len(set(messages(name))) == len(messages(name))


@pytest.mark.parametrize("harmless", ["her pie was to die for.", "I cut myself shaving.", "lol"])
@pytest.mark.parametrize("message", messages("crisis")[:60:3])
def test_harmless_words_beside_it_hide_no_crisis(message: str, harmless: str) -> None:
    assert is_crisis(f"{harmless} {message}")
    assert is_crisis(f"{message}. {harmless}")


def test_a_crisis_comes_before_a_threat() -> None:
    found = answer("i'll kill you and then i want to kill myself")
    assert found == Answer(FIRST[Kind.SELF], Kind.SELF)


def test_a_second_crisis_message_is_answered_anew() -> None:
    for message, kind in (("i want to die", Kind.SELF), ("my friend wants to die", Kind.OTHER)):
        assert answer(message, [FIRST[kind]]) == Answer(texts.again(kind)[0], kind)


@pytest.mark.parametrize(
    "text", [*FIRST.values(), *(t for kind in Kind for t in texts.again(kind))]
)
def test_every_crisis_text_says_where_help_is_and_keeps_talking(text: str) -> None:
    for needed in ("local emergency number", "988", "US or Canada", "116 123", "findahelpline.com"):
        assert needed in " ".join(text.split())
    assert "Samaritans" in text
    assert "UK and Ireland" in text
    assert text.endswith("?"), "a question keeps the person talking"
    assert not text.startswith(("Please call", "I'm an AI")), "care comes first"


@pytest.mark.parametrize("text", FIRST.values())
def test_the_first_crisis_text_is_honest_about_the_speaker(text: str) -> None:
    assert "I'm an AI" in text


@pytest.mark.parametrize(
    ("message", "plain"),
    [
        ("I just wanna d1e!!", " . i want to die . "),
        ("can\u2019t do this any more... not now", " . can not do this anymore not now . "),
        ("my self, MYSLEF & mysefl", " . myself myself myself . "),
        ("killlll \U0001f602", " . kill lol . "),
        ("s*icide? Su1cide", " . suicide . suicide . "),
        ("", " . . "),
    ],
)
def test_one_spelling_for_many(message: str, plain: str) -> None:
    assert normalise(message) == plain.replace(" . . ", " . ")


@given(st.text(max_size=2000))
def test_no_text_breaks_the_screen(message: str) -> None:
    found = answer(message)
    assert is_crisis(message) == (found is not None and found.crisis)


OWN_WORDS = """
i my want to not die kill myself himself cut suicide if was life end it took all pills how many
way jump off bridge without me goodbye like the a , . lol be dead hope wish can go on with about
"""
WORDS = st.sampled_from(OWN_WORDS.split())


@given(st.lists(WORDS, max_size=400).map(" ".join))
def test_no_mix_of_its_own_words_breaks_the_screen(message: str) -> None:
    found = answer(message)
    assert is_crisis(message) == (found is not None and found.crisis)
