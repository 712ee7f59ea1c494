"""Bucketing against the vectors that the flagd test bed publishes for `fractional-v2`."""

from __future__ import annotations

from collections import Counter

import mmh3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.experiments.assignment import Reason, evaluate
from app.experiments.targeting import WEIGHT_MAX, bucket_of, fractional

SUITS = [["clubs", 25], ["diamonds", 25], ["hearts", 25], ["spades", 25]]


def flag(rule: object, *names: str) -> dict[str, object]:
    return {
        "state": "ENABLED",
        "variants": {name: name for name in (*names, "wild")},
        "defaultVariant": "wild",
        "targeting": rule,
    }


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("jack", "hearts"),
        ("queen", "spades"),
        ("ten", "clubs"),
        ("nine", "diamonds"),
        ("3", "clubs"),
    ],
)
def test_a_seed_of_flag_key_and_property(name: str, variant: str) -> None:
    seed = {"cat": [{"var": "$flagd.flagKey"}, {"var": "user.name"}]}
    definition = flag({"fractional": [seed, *SUITS]}, "clubs", "diamonds", "hearts", "spades")
    result = evaluate(definition, "fractional-flag", {"user": {"name": name}})
    assert (result.variant, result.reason) == (variant, Reason.TARGETING_MATCH)


@pytest.mark.parametrize(
    ("name", "variant"),
    [("seven", "hearts"), ("eight", "diamonds"), ("nine", "clubs"), ("two", "spades")],
)
def test_a_shared_seed(name: str, variant: str) -> None:
    seed = {"cat": ["shared-seed", {"var": "user.name"}]}
    definition = flag({"fractional": [seed, *SUITS]}, "clubs", "diamonds", "hearts", "spades")
    for key in ("fractional-flag-A-shared-seed", "fractional-flag-B-shared-seed"):
        assert evaluate(definition, key, {"user": {"name": name}}).variant == variant


@pytest.mark.parametrize(
    ("key", "variant"), [("jon@company.com", "heads"), ("jane@company.com", "tails")]
)
def test_the_shorthand_hashes_flag_key_and_targeting_key(key: str, variant: str) -> None:
    definition = flag({"fractional": [["heads"], ["tails", 1]]}, "heads", "tails")
    result = evaluate(definition, "fractional-flag-shorthand", {"targetingKey": key})
    assert result.variant == variant


@pytest.mark.parametrize(
    ("key", "hashed", "variant"),
    [
        ("ejOoVL", 0, "lower"),
        ("bY9fO-", 1, "lower"),
        ("SI7p-", 2**31 - 1, "lower"),
        ("6LvT0", 2**31, "upper"),
        ("ceQdGm", 2**32 - 1, "upper"),
    ],
)
def test_the_edges_of_the_hash(key: str, hashed: int, variant: str) -> None:
    assert mmh3.hash(key, 0, signed=False) == hashed
    rule = {"fractional": [{"var": "targetingKey"}, ["lower", 50], ["upper", 50]]}
    result = evaluate(flag(rule, "lower", "upper"), "edge", {"targetingKey": key})
    assert result.variant == variant


@pytest.mark.parametrize(
    ("key", "tier", "variant"),
    [
        ("jon@company.com", "premium", "premium"),
        ("jon@company.com", "basic", "standard"),
        ("user1", "premium", "standard"),
        ("user1", "basic", "standard"),
    ],
)
def test_a_rule_as_the_name_of_a_bucket(key: str, tier: str, variant: str) -> None:
    name = {"if": [{"==": [{"var": "tier"}, "premium"]}, "premium", "standard"]}
    rule = {"fractional": [{"var": "targetingKey"}, [name, 50], ["standard", 50]]}
    context = {"targetingKey": key, "tier": tier}
    assert evaluate(flag(rule, "premium", "standard"), "nested", context).variant == variant


@pytest.mark.parametrize(
    ("key", "tier", "variant"),
    [
        ("jon@company.com", "premium", "red"),
        ("jon@company.com", "basic", "blue"),
        ("user1", "premium", "red"),
        ("user1", "basic", "blue"),
    ],
)
def test_a_rule_as_a_weight(key: str, tier: str, variant: str) -> None:
    weight = {"if": [{"==": [{"var": "tier"}, "premium"]}, 100, 0]}
    rule = {"fractional": [{"var": "targetingKey"}, ["red", weight], ["blue", 10]]}
    context = {"targetingKey": key, "tier": tier}
    assert evaluate(flag(rule, "red", "blue"), "nested", context).variant == variant


@pytest.mark.parametrize(
    ("buckets", "variant"),
    [([[False, 0], [True, 100]], "big"), ([[False, 100], [True, 0]], "small")],
)
def test_fractional_as_a_condition(buckets: list[object], variant: str) -> None:
    rule = {"if": [{"fractional": buckets}, "big", "small"]}
    context = {"targetingKey": "some-targeting-key"}
    assert evaluate(flag(rule, "big", "small"), "condition", context).variant == variant


def test_one_bucket_takes_everyone() -> None:
    definition = flag({"fractional": [["single", 1]]}, "single")
    assert evaluate(definition, "one", {"targetingKey": "anyone"}).variant == "single"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["k"],
        ["k", ["a", 0], ["b", 0]],
        ["k", ["a", -1], ["b", 2]],
        ["k", ["a", 1.5], ["b", 2]],
        ["k", ["a", WEIGHT_MAX], ["b", 1]],
        ["k", ["a", True]],
        ["k", "a"],
        ["k", []],
        [None, ["a", 1]],  # no targeting key either
    ],
)
def test_what_cannot_be_distributed_gives_null(arguments: list[object]) -> None:
    assert fractional(arguments, {"$flagd": {"flagKey": "f"}}) is None


def test_shares_follow_the_weights() -> None:
    got = Counter(bucket_of(f"flag-user-{i}", [900, 90, 10]) for i in range(20_000))
    assert 17_700 < got[0] < 18_300
    assert 1_650 < got[1] < 1_950
    assert 130 < got[2] < 280


@given(
    st.text(max_size=50),
    st.lists(st.integers(min_value=0, max_value=WEIGHT_MAX // 8), min_size=1, max_size=8),
)
def test_a_bucket_with_weight_is_found_and_stays(value: str, weights: list[int]) -> None:
    index = bucket_of(value, weights)
    assert index == bucket_of(value, weights)
    assert (index is None) == (sum(weights) == 0)
    assert index is None or weights[index] > 0
