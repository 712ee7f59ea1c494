"""Halving without a model: whatever is poisoned, few calls find it, and nobody is forgotten."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from app.serving.batching.isolation import Halving, calls_allowed


def isolate(items: int, poisoned: set[int], *, memory: int | None = None) -> tuple[set[int], int]:
    """Which items were given up, and in how many calls; `memory`: items that fit in it."""
    halving = Halving(range(items))
    lost: set[int] = set()
    answered: list[int] = []
    calls = 0
    for part in halving:
        calls += 1
        too_large = memory is not None and len(part) > memory
        if not too_large and not poisoned & set(part):
            halving.succeeded()
            answered += part
        elif not halving.failed(part, out_of_memory=too_large):
            lost |= set(part)
            answered += part
    assert sorted(answered) == list(range(items))  # each item once
    return lost, calls


@given(st.integers(1, 200), st.data())
def test_one_poisoned_item_is_the_only_one_lost(items: int, data: st.DataObject) -> None:
    one = data.draw(st.integers(0, items - 1))
    lost, calls = isolate(items, {one})
    assert lost == {one}
    assert calls <= 1 + 2 * math.ceil(math.log2(items))


@given(st.integers(1, 64), st.data())
def test_two_poisoned_items_are_the_only_ones_lost(items: int, data: st.DataObject) -> None:
    two = set(data.draw(st.lists(st.integers(0, items - 1), min_size=2, max_size=2)))
    assert isolate(items, two)[0] == two


@given(st.integers(1, 200), st.data())
def test_however_many_are_poisoned_the_calls_are_bounded(items: int, data: st.DataObject) -> None:
    poisoned = data.draw(st.sets(st.integers(0, items - 1)))
    lost, calls = isolate(items, poisoned)
    assert poisoned <= lost
    assert calls <= calls_allowed(items)


def test_a_batch_too_large_for_the_memory_is_halved_once() -> None:
    assert isolate(8, set(), memory=4) == (set(), 3)
    assert isolate(16, set(), memory=4) == (set(range(16)), 3)
    assert isolate(1, set(), memory=0) == ({0}, 1)


def test_what_has_left_meanwhile_is_not_halved() -> None:
    """Of ten that were handed out, two still waited: their halves are single items."""
    halving = Halving(range(10))
    parts = iter(halving)
    next(parts)
    assert halving.failed([3, 7], out_of_memory=False)
    assert [list(part) for part in parts] == [[3], [7]]
