"""Ids carry their partition and refuse everything malformed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import NotFound
from app.store import ids


@given(
    kind=st.sampled_from("ucrt"),
    partition=st.integers(0, ids.PARTITIONS_MAX - 1),
    now=st.floats(0, 2e10),
)
def test_an_id_names_its_kind_and_partition(kind: str, partition: int, now: float) -> None:
    made = ids.make(kind, partition, now)
    assert len(made) == 29
    assert ids.valid(kind, made)
    assert ids.partition_of(made) == partition
    assert ids.partition_of(ids.near("r", made, now)) == partition


def test_ids_of_later_milliseconds_sort_later() -> None:
    made = [ids.make("t", 3, 1_700_000_000 + i / 1000) for i in range(500)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


@pytest.mark.parametrize(
    "value",
    [
        *("", "u", "u00", "u00" + "0" * 25, "u00" + "0" * 27, "x00" + "0" * 26),
        *("u0g" + "0" * 26, "u0A" + "0" * 26, "U00" + "0" * 26, "u00" + "i" * 26),
        *("u00" + "0" * 26 + "\n", "ü" * 29),
    ],
)
def test_a_malformed_id_is_not_found(value: str) -> None:
    assert not ids.valid("u", value)
    with pytest.raises(NotFound):
        ids.partition_of(value)


def test_require_wants_the_kind_and_the_owners_partition() -> None:
    owner = ids.make("u", 9, 1.0)
    assert ids.require("c", good := ids.near("c", owner, 2.0), owner) == good
    for other in (ids.make("c", 10, 2.0), ids.near("r", owner, 2.0), "c"):
        with pytest.raises(NotFound):
            ids.require("c", other, owner)


def test_a_derived_id_is_always_the_same_and_keeps_its_parts_apart() -> None:
    owner = ids.make("u", 200, 1.0)
    assert ids.derived("r", owner, "ab", "c") == ids.derived("r", owner, "ab", "c")
    assert ids.derived("r", owner, "ab", "c") != ids.derived("r", owner, "a", "bc")
    assert ids.valid("r", ids.derived("r", owner, "ab", "c"))


def test_an_id_tells_when_it_was_made() -> None:
    assert ids.made_at(ids.make("u", 9, 1_764_000_000.123)) == pytest.approx(1_764_000_000.123)
    with pytest.raises(NotFound):
        ids.made_at("nonsense")


def test_a_partition_outside_the_two_digits_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="partition 256"):
        ids.make("u", 256, 1.0)
