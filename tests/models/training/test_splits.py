"""Splits: nothing crosses, growth moves nothing into the test, and leaks are seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.examples import Example
from models.training.splits import (
    components,
    deduplicate,
    leakage,
    learnable,
    normal_form,
    split,
    unseen,
)

WORDS = ("hello", "Hello!", "bye", "so-so", "no", "42", "why?", "...", "fine, thanks", "ok")
ids = st.sampled_from(["", *"abcdefgh"])
an_example = st.builds(
    Example,
    source=st.sampled_from(["one", "two"]),
    head=st.just("upvote"),
    context=st.lists(st.sampled_from(WORDS), min_size=1, max_size=2).map(tuple),
    response=st.sampled_from(WORDS),
    label=st.sampled_from([0.0, 1.0]),
    conversation=ids,
    rater=ids,
)
many = st.lists(an_example, max_size=60)
quick = settings(max_examples=80, deadline=None)


def example(response: str = "hi", **more: object) -> Example:
    values = {"source": "s", "head": "upvote", "context": ("hello",), "label": 1.0, **more}
    return Example(response=response, **values)  # type: ignore[arg-type]


@quick
@given(many, st.integers(0, 5), st.sampled_from(["rater", "conversation"]))
def test_nothing_crosses(examples: list[Example], seed: int, by: Any) -> None:
    parts = split(examples, seed=seed, by=by)
    assert list(parts) == ["train", "dev", "test"]
    for a, b in (("train", "dev"), ("train", "test"), ("dev", "test")):
        assert leakage(parts[a], parts[b]).clean
    rows = [row for part in parts.values() for row in part]
    assert all(row in examples for row in rows)
    assert len(deduplicate(rows)) == len(rows)
    assert split(examples, seed=seed, by=by) == parts


@quick
@given(many, many)
def test_growth_moves_nothing_out_of_train(old: list[Example], new: list[Example]) -> None:
    before, after = split(old), split(old + new)
    place = {name: set(rows) for name, rows in after.items()}
    for row in before["train"]:
        assert row in place["train"]
    for row in before["dev"]:
        assert row not in place["test"]


@quick
@given(many)
def test_components_tie_what_shares_a_rater_or_a_conversation(examples: list[Example]) -> None:
    found = components(examples)
    for i, one in enumerate(examples):
        assert found[i] <= i
        assert found[found[i]] == found[i]
        for j in range(i):
            other = examples[j]
            if one.source == other.source and (
                one.rater == other.rater != "" or one.conversation == other.conversation != ""
            ):
                assert found[i] == found[j]


def test_a_person_keeps_their_part_with_every_new_conversation() -> None:
    one = [example(f"r{i}", rater=f"p{i}", conversation=f"c{i}") for i in range(300)]
    two = [example(f"s{i}", rater=f"p{i}", conversation=f"d{i}") for i in range(300)]
    before, after = split(one), split(one + two)
    for name, rows in before.items():
        people = {row.rater for row in rows}
        assert {row.rater for row in after[name]} == people
    shares = {name: len(rows) / 600 for name, rows in after.items()}
    assert shares["train"] == pytest.approx(0.8, abs=0.08)
    assert shares["test"] == pytest.approx(0.1, abs=0.06)
    assert split(one, seed=1) != before


def test_conversations_decide_where_nobody_comes_back() -> None:
    rows = [
        example(f"r{i}{side}", rater=f"p{i}{side}", conversation=f"c{i}")
        for i in range(400)
        for side in "ab"
    ]
    shares = {name: len(part) / 800 for name, part in split(rows, by="conversation").items()}
    assert shares["test"] == pytest.approx(0.1, abs=0.05)
    assert len(split(rows)["test"]) / 800 < 0.03  # of two raters the smaller hash decides
    parts = split(rows, by="conversation")
    assert leakage(parts["train"], parts["test"]).clean


def test_near_equal_pairs_of_a_later_part_are_dropped() -> None:
    rows = [
        example("Well, hello THERE!!", context=("Soooo?",), rater=f"p{i}", conversation=f"c{i}")
        for i in range(60)
    ]
    odd = [replace(row, response="well hello there", context=("so",)) for row in rows[::2]]
    parts = split([*rows, *odd])
    assert parts["train"]
    assert not parts["dev"]
    assert not parts["test"]


def test_what_counts_as_a_repetition() -> None:
    one = example("Hi!", rater="a")
    assert deduplicate([one, replace(one, response="hi", weight=0.5)]) == [one]
    different = [replace(one, rater="b"), replace(one, label=0.0), replace(one, head="love")]
    assert deduplicate([one, *different]) == [one, *different]


def test_votes_of_nobody_in_particular_all_count() -> None:
    votes = [example("Hi!"), example("hi"), example("hi")]
    assert deduplicate(votes) == votes
    assert sum(map(len, split(votes).values())) == 3


def test_every_comparison_keeps_both_its_answers() -> None:
    pairs = [("g1", "a", "b"), ("g2", "a", "c"), ("g3", "b", "c")]
    rows = [
        example(response, label=label, group=group, rater="r")
        for group, good, bad in pairs
        for response, label in ((good, 1.0), (bad, 0.0))
    ]
    assert deduplicate(rows) == rows
    assert [len(part) for part in split(rows).values() if part] == [6]


@quick
@given(many)
def test_what_is_learnable_is_all_but_the_test_part(examples: list[Example]) -> None:
    parts, kept = split(examples), learnable(examples)
    assert set(kept) >= {*parts["train"], *parts["dev"]}
    assert leakage(kept, parts["test"]).clean
    assert deduplicate(kept) == kept
    places = [examples.index(row) for row in dict.fromkeys(kept)]
    assert places == sorted(places)


def test_prompts_that_were_compared_on_both_sides_are_a_leak() -> None:
    def compared(group: str, *responses: str, context: str = "So, why?") -> list[Example]:
        return [example(r, context=(context,), group=group, rater=group) for r in responses]

    train = compared("g1", "a", "b")
    test = compared("g2", "c", "d", context="so why")
    found = leakage(train, test)
    assert (found.near, found.prompts, found.contexts, found.of_contexts) == (0, 1, 1, 1)
    assert not found.clean
    alone = leakage(train, [replace(test[0], group="")])  # many talks begin alike
    assert (alone.prompts, alone.contexts, alone.clean) == (0, 1, True)
    assert "1 of 1 distinct contexts" in str(alone)


def test_leaks_are_counted() -> None:
    train = [example("Yes.", rater="r", conversation="c"), example("no", rater="q")]
    test = [
        example("yes", rater="r", conversation="d"),
        example("no", rater="x", conversation="c"),
        example("new", rater="y", source="other", conversation="c"),
    ]
    found = leakage(train, test)
    assert (found.conversations, found.raters, found.exact, found.near) == (1, 1, 1, 2)
    assert (found.responses, found.of_responses) == (2, 3)
    assert not found.clean
    assert "1 raters" in str(found)
    assert unseen(train, test) == [test[2]]


def test_normal_form() -> None:
    assert normal_form("  It's SOOO  good…  ") == normal_form("its so good")
    assert normal_form("at 7:30, 2000") != normal_form("at 7:30, 20")
    assert normal_form("?!") == "?!"
    assert normal_form("\N{GRINNING FACE}") != normal_form("\N{CRYING FACE}")
    assert normal_form("\uff28\uff49") == "hi"


def test_bad_shares_are_refused() -> None:
    for parts in ({}, {"train": 1.0, "test": 0.0}):
        with pytest.raises(ValueError, match="positive share"):
            split([], parts)
    assert split([example()], {"all": 3}) == {"all": [example()]}
