"""A crisis is seen in plain words, misspelt and typed in a hurry; everyday talk is not one."""

from __future__ import annotations

import pytest

from app.dialog.safety import is_crisis, screen


@pytest.mark.parametrize(
    "message",
    [
        "I want to die",
        "i wanna die tbh",
        "I don\u2019t want to live anymore",
        "im going to kill myself tonight",
        "thinking about ending it all",
        "everyone would be better off without me",
        "there's no point in living",
        "I cut my wrists again",
        "I took all my pills",
        "feeling suicidal",
        "i just want to disappear forever",
        "I WISH I WAS DEAD",
        "kms",
        "I dont want to be here anymore",
        "\uff49 want to die",
    ],
)
def test_a_crisis_is_seen(message: str) -> None:
    assert is_crisis(message)
    alarm = screen(message, in_crisis=False)
    assert alarm is not None
    assert alarm.crisis
    assert "988" in alarm.text
    assert "emergency" in alarm.text


@pytest.mark.parametrize(
    "message",
    [
        "this heat is killing me",
        "I'm dying of laughter",
        "that film was to die for",
        "I cut myself shaving this morning",
        "I would never hurt myself",
        "we watched Suicide Squad yesterday",
        "my phone is about to die",
        "my plants died again",
        "I killed it at the interview",
        "I want to live by the sea",
        "can't wait to end this week",
        "my back hurts",
        "he hurt me with that joke",
    ],
)
def test_everyday_talk_is_no_crisis(message: str) -> None:
    assert not is_crisis(message)
    assert screen(message, in_crisis=False) is None


def test_a_second_crisis_message_is_answered_anew() -> None:
    first = screen("i want to die", in_crisis=False)
    second = screen("i want to die", in_crisis=True)
    assert first is not None
    assert second is not None
    assert first.text != second.text
    assert "988" in second.text


def test_a_threat_meets_a_boundary_and_marks_no_crisis() -> None:
    alarm = screen("I'm going to kill my boss", in_crisis=False)
    assert alarm is not None
    assert not alarm.crisis
