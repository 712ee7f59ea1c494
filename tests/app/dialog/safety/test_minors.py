"""Who says that they are under 18 is heard; who speaks of other people's age is not a minor."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.dialog.safety import Reading

THIS_YEAR = datetime.now(UTC).year


def minor(message: str) -> bool:
    return Reading.of(message).minor


@pytest.mark.parametrize(
    "message",
    [
        "I'm 15",
        "im 13 and my sister is 20",
        "hey, i am twelve years old",
        "16f here, bored",
        "as a 14 year old I can't do that",
        "I turn 17 next week",
        "it's my 13th birthday!",
        "I'm not 18 yet",
        "i'm a minor",
        "I'm only a kid",
        "I'm in 8th grade",
        "im a freshman in high school",
        "I lied, I'm really 16",
        "I said I was 21 but I'm 15",
        "when I grow up I want to be a pilot",
        "my mom took my phone because of my report card",
        "im forten",
        "people say I look twenty but I'm fifteen",
    ],
)
def test_a_minor_is_heard(message: str) -> None:
    assert minor(message)


@pytest.mark.parametrize(
    "message",
    [
        "I'm 25",
        "I'm eighteen now",
        "my son is 14",
        "my 15 year old won't talk to me",
        "when I was 16 I ran away from home",
        "I teach 7th grade",
        "I'm 12 weeks pregnant",
        "I'm 15 minutes late",
        "I'm 5'11",
        "I'm 7 out of 10 happy",
        "he said I'm 14 but I'm thirty",
        "I look 16 but I'm 30",
        "we've been married 17 years",
        "in my novel the hero is 12",
        "I'm a freshman in college",
        "I have to ask my wife before I buy a bike",
        "I'm too old for this",
        "my daughter is in middle school",
        "I feel like I'm 14 again",
    ],
)
def test_an_adult_is_none(message: str) -> None:
    assert not minor(message)


@pytest.mark.parametrize("how", ["I was born in {}", "born {}", "my birth year is {}"])
def test_a_year_of_birth_is_counted_from_today(how: str) -> None:
    assert minor(how.format(THIS_YEAR - 14))
    assert minor(how.format(THIS_YEAR - 17))
    assert not minor(how.format(THIS_YEAR - 18))
    assert not minor(how.format(THIS_YEAR - 40))
    assert not minor(how.format(THIS_YEAR + 3))


def test_somebody_elses_year_of_birth_is_not_ones_own() -> None:
    assert not minor(f"my niece was born in {THIS_YEAR - 9}")


def test_danger_and_age_are_both_read() -> None:
    reading = Reading.of("I'm 14 and I want to die")
    assert reading.crisis
    assert reading.minor
    assert reading.categories == ("crisis", "minor")
