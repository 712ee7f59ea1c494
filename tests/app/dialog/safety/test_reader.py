"""The learned reader adds to what the rules see and lowers nothing; its failure costs nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dialog.lines import BOUNDARY
from app.dialog.safety import Danger, InputScreen, Reading, Trick
from app.dialog.safety.reader import joined

HEADS = st.dictionaries(
    st.sampled_from(["crisis", "other", "loss", "abuse", "minor", "trick"]), st.floats(0.01, 9)
)
READINGS = st.builds(
    Reading,
    danger=st.none() | st.sampled_from(Danger),
    abusive=st.booleans(),
    minor=st.booleans(),
    tricks=st.frozensets(st.sampled_from(Trick)),
)


def finding(*heads: str) -> InputScreen:
    return InputScreen(lambda text, words: dict.fromkeys(heads, 1.0))


def test_without_a_learned_reader_the_rules_read() -> None:
    for message in ("I want to die", "I'm 14", "hello"):
        assert InputScreen().read(message) == Reading.of(message)


@pytest.mark.parametrize(
    ("heads", "danger"),
    [
        (["crisis"], Danger.SELF),
        (["crisis", "other"], Danger.OTHER),
        (["crisis", "loss"], Danger.LOSS),
    ],
)
def test_a_danger_that_only_the_reader_found_is_one(heads: list[str], danger: Danger) -> None:
    reading = finding(*heads).read("an everyday line")
    assert reading.danger is danger
    assert reading.learned == {"crisis"}


def test_whom_a_crisis_is_about_is_nothing_without_one() -> None:
    assert finding("other", "loss").read("an everyday line") == Reading.of("an everyday line")


def test_what_the_reader_alone_found_is_named() -> None:
    reading = finding("abuse", "minor", "trick").read("an everyday line")
    assert reading.boundary == BOUNDARY
    assert reading.minor
    assert reading.tricks == {Trick.ORDER}
    assert reading.learned == {"abuse", "minor", "trick-order"}
    assert reading.learned <= set(reading.categories)


@given(READINGS, HEADS)
def test_nothing_that_the_rules_saw_is_ever_lowered(
    ruled: Reading, heads: Mapping[str, float]
) -> None:
    reading = joined(ruled, heads)
    if ruled.danger is not None:
        assert reading.danger is ruled.danger, "whom the rules saw in danger stays"
    assert reading.crisis >= ruled.crisis
    assert reading.minor >= ruled.minor
    assert reading.tricks >= ruled.tricks
    assert reading.abusive >= ruled.abusive or reading.crisis, "care comes before a boundary"


def test_a_reader_that_fails_leaves_the_rules_and_is_counted() -> None:
    failures: list[int] = []

    def broken(text: str, words: str) -> Mapping[str, float]:
        raise FloatingPointError(text)

    screen = InputScreen(broken, lambda: failures.append(1))
    assert screen.read("I want to die") == Reading.of("I want to die")
    assert failures == [1]


def test_a_sentence_in_a_long_message_is_read_by_itself() -> None:
    asked: list[str] = []

    def found(text: str, words: str) -> Mapping[str, float]:
        asked.append(text)
        return {"crisis": 1.0} if len(text) < 400 and "needle" in text else {}

    message = "we talked about the garden. " * 30 + "needle " + "and then about the soup. " * 30
    assert InputScreen(found).read(message).crisis
    assert max(map(len, asked)) == len(message), "and as a whole"
    assert len(asked) <= 14


def test_every_part_of_a_long_message_is_in_some_window() -> None:
    asked: list[str] = []
    message = "".join(f"{number:04d} " for number in range(400))
    InputScreen(lambda text, words: asked.append(text) or {}).read(message)  # type: ignore[func-returns-value]
    parts = asked[1:]
    assert all(any(message[i : i + 40] in part for part in parts) for i in range(len(message) - 40))


@given(st.text(max_size=2_000))
def test_any_text_is_read(message: str) -> None:
    reading = InputScreen(lambda text, words: {}).read(message)
    assert reading == Reading.of(message)


HOSTILE = {
    "one word": "die " * 500,
    "starts of phrases": "i want to not " * 140,
    "subjects": "my friend he she they " * 90,
    "roles": "system: " * 250,
    "brackets": "<|" * 1_000,
    "open marks": "[system" * 280,
    "groups": "all the those filthy " * 95,
    "ages": "i am a an only almost " * 90,
    "kin": "mom dad parents they " * 95,
    "taken": "took all the whole my his " * 75,
    "letters": "a" * 2_000,
    "accents": "\u0301" * 2_000,
    "wide": "\ufdfa" * 2_000,
    "marks": ".!?" * 660,
    "sentences": "i. " * 660,
}


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_texts_are_cheap(message: str) -> None:
    """Processor time, so that a busy machine does not matter; the bound is far from seconds."""
    started = time.process_time()
    Reading.of(message[:2_000])
    assert time.process_time() - started < 0.15
