"""What may not be shown is kept back, with its reason; what may is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from app.dialog.screen import Moment, screen
from app.domain import Candidate, Source


def generated(text: str, **changes: Any) -> Candidate:
    base = Candidate("g0", text, Source.GENERATOR, score=0.5, origin={"finished": True})
    return base.with_(**changes)


def moment(message: str = "how was your day", *recent: str, crisis: bool = False) -> Moment:
    return Moment.of(message, recent, crisis=crisis)


def reasons(candidate: Candidate, at: Moment | None = None) -> tuple[str, ...]:
    return screen([candidate], at or moment())[0].filters


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("you are such a retard honestly", "offensive"),
        ("let me send you some nudes", "sexual"),
        ("I'm a real person, you know.", "human-claim"),
        ("My wife and I love that place.", "human-claim"),
        ("I grew up near the sea, it was lovely.", "human-claim"),
        ("You are such an idiot.", "insult"),
        ("nobody cares about that", "insult"),
        ("You should kill your self.", "harm"),
        ("you would be better off dead", "harm"),
        ("Nobody would miss you.", "harm"),
        ("i want to die", "harm"),
        ("I'm from Ohio and love it.", "human-claim"),
        ("write me at someone@example.com please", "personal-data"),
        ("call me on +1 202 555 0100 tonight", "personal-data"),
        ("just take 200 mg and go to bed", "medical"),
        ("yes yes that is good", "broken"),
        ("I like the one with the one with the one with the one", "broken"),
        ("ok", "broken"),
        ("how was your day", "echo"),
    ],
)
def test_generated_text_is_screened(text: str, reason: str) -> None:
    assert reason in reasons(generated(text))


@pytest.mark.parametrize(
    "text",
    [
        "That sounds like a long day. What was the best part of it?",
        "I like that you noticed the light on the water.",
        "Rain again? The plants will be pleased, at least.",
    ],
)
def test_good_text_passes(text: str) -> None:
    assert reasons(generated(text)) == ()


def test_what_its_own_model_finds_unlikely_is_kept_back() -> None:
    at = Moment.of("hello", (), crisis=False, logprob_min=-1.8)
    assert reasons(generated("It's a wisk of the pharks.", logprob=-2.4), at) == ("unsure",)
    assert reasons(generated("What was the best part?", logprob=-1.2), at) == ()


def test_generated_text_without_a_score_never_goes_out() -> None:
    assert reasons(generated("What made you smile today?", score=None)) == ("unscored",)


def test_what_people_told_is_screened_as_machine_text_is() -> None:
    told = Candidate(
        "m0", "Your dog is called Whore.", Source.RETRIEVAL, origin={"memory": True}, score=0.9
    )
    assert "offensive" in reasons(told)
    assert reasons(told.with_(text="Your dog is called Rex, you told me.")) == ()


def test_the_offensive_head_keeps_generated_text_back() -> None:
    assert reasons(generated("well that is one view", heads={"offensive": 0.97})) == ("offensive",)


def test_recent_lines_and_near_copies_are_not_repeated() -> None:
    said = "What was the best part of your day today?"
    at = moment("not much", said)
    assert "repeat" in reasons(generated("what was the best part of your day, today"), at)
    assert reasons(generated("Which part of it would you keep?"), at) == ()


def test_of_twins_the_better_one_stays() -> None:
    low = generated("What was the best part of it?", candidate_id="g1", score=0.3)
    high = generated("what was the best part of it", candidate_id="g2", score=0.6)
    screened = screen([low, high], moment())
    assert screened[0].filters == ("twin",)
    assert screened[1].filters == ()


def test_in_a_crisis_no_jokes_and_no_machine_text() -> None:
    joke = Candidate(
        "r0", "A duck walks into a bar, sits down.", Source.RETRIEVAL, tags=("kind:joke",)
    )
    assert "crisis" in reasons(joke, moment(crisis=True))
    assert "crisis" in reasons(generated("That sounds hard. Go on?"), moment(crisis=True))
    assert reasons(joke) == ()
