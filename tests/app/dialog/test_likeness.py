"""Likeness: the bounds never say too little, and the fast ways say what the slow ones do."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.dialog.likeness import Likenesses, bounds, plain, resemblance, shingles

# Few letters, so that lines often share shingles; some that are longer or stranger than others.
LINES = st.lists(
    st.one_of(
        st.text("ab ", max_size=40),
        st.text("abcdefgh ", min_size=20, max_size=300),
        st.text(max_size=30),
        st.sampled_from(["", "a", "abc", "abcd", "the rain in spain stays mainly in the plain"]),
    ).map(plain),
    min_size=1,
    max_size=12,
)


@given(LINES, st.integers(0, 12))
def test_no_two_lines_are_more_alike_than_their_bound(lines: list[str], first: int) -> None:
    first = min(first, len(lines))
    most = bounds(lines, first)
    assert most.shape == (first, len(lines))
    for i in range(first):
        for j, other in enumerate(lines):
            assert resemblance(shingles(lines[i]), shingles(other)) <= most[i, j]


@given(LINES, LINES, st.sampled_from([0.5, 0.6, 0.75, 1.0]))
def test_near_is_what_the_sets_say(slate: list[str], more: list[str], threshold: float) -> None:
    likenesses = Likenesses(slate, more, 0.5)
    lines = [shingles(line) for line in (*slate, *more)]
    for one in range(len(slate)):
        others = [other for other in range(len(lines)) if other != one]
        alike = [other for other in others if resemblance(lines[one], lines[other]) >= threshold]
        assert likenesses.near(one, others, threshold) == bool(alike)
        assert not likenesses.near(one, (), threshold)


def test_unlike_english_lines_need_no_sets() -> None:
    lines = [
        plain(line)
        for line in (
            "That sounds like a long day. Did you get to rest at all?",
            "Oh, I love that song! It always makes me think of summer.",
            "Some mornings are made for staying in bed with a good book.",
            "What would you cook if you had the whole kitchen to yourself?",
        )
    ]
    most = bounds(lines, len(lines))
    np.fill_diagonal(most, 0)
    assert most.max() < 0.5


@given(st.text(st.characters(max_codepoint=127), max_size=60))
def test_ascii_is_made_plain_as_any_text_is(text: str) -> None:
    slow = re.sub(r"\s+", " ", re.sub(r"[^\w\s]|_", "", text.casefold())).strip()
    assert plain(text) == slow
