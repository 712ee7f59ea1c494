"""The caches' table: what it holds, in memory that is taken once."""

from __future__ import annotations

import random
import threading
import tracemalloc
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.serving.byte_table import WAYS, ByteTable, entry_bytes

MEGABYTE = 1 << 20


def key_of(number: int) -> bytes:
    """A digest: of random bits, as those of BLAKE2 are."""
    return random.Random(number).randbytes(16)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(1, 24)), max_size=80),
    st.integers(0, WAYS),
)
def test_a_set_keeps_what_was_used_last(steps: list[tuple[bool, int, int]], room: int) -> None:
    """Against the plainest thing that could be right."""
    table, plain = ByteTable(room * entry_bytes(24), 24), OrderedDict[bytes, bytes]()
    for put, number, length in steps:
        key, value = key_of(number), bytes([number]) * length
        if put:
            table.put(key, value)
            plain[key] = value
            plain.move_to_end(key)
            while len(plain) > room:
                plain.popitem(last=False)
        else:
            assert table.get([key]) == [plain.get(key)]
            if key in plain:
                plain.move_to_end(key)
        assert len(table) == len(plain) <= room
        assert table.held_bytes == len(plain) * entry_bytes(24) <= table.capacity
    assert table.get(list(plain)) == list(plain.values())


@given(st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=90)), max_size=200))
def test_what_is_found_is_what_was_put_last(puts: list[tuple[int, bytes]]) -> None:
    """Also where longer values come, and where keys are no digests of the usual length."""
    table, last = ByteTable(20_000), dict[bytes, bytes]()
    for number, value in puts:
        key = key_of(number) if number % 2 else b"salt" + key_of(number)
        table.put(key, value)
        last[key] = value
        assert table.get([key]) == [value]
    found = table.get(list(last))
    assert all(value in (None, last[key]) for key, value in zip(last, found, strict=True))
    assert sum(value is not None for value in found) == len(table)


def test_it_is_as_good_as_full_before_much_leaves() -> None:
    table = ByteTable(10_000 * entry_bytes(64), 64)
    keys = [key_of(number) for number in range(5_000)]
    for key in keys:
        table.put(key, bytes(64))
    assert table.evicted < 150, "sets of eight at half of the room"
    for number in range(5_000, 40_000):
        table.put(key_of(number), bytes(64))
    assert len(table) > 9_900
    assert table.evicted == 40_000 - len(table)


def test_its_memory_is_taken_with_the_first_value_and_never_grows() -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        table = ByteTable(2 * MEGABYTE)
        assert tracemalloc.get_traced_memory()[0] - before < 10_000
        table.put(key_of(0), bytes(48))
        taken = tracemalloc.get_traced_memory()[0] - before
        for number in range(30_000):
            table.put(key_of(number), bytes(48))
        after = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 0.95 * table.capacity < taken < 1.01 * table.capacity
    assert abs(after - taken) < 5_000
    assert len(table) > 20_000


@pytest.mark.parametrize("capacity", [0, 10, entry_bytes(8) - 1])
def test_without_room_for_one_it_keeps_nothing(capacity: int) -> None:
    table = ByteTable(capacity)
    table.put(key_of(1), b"x")
    assert table.get([key_of(1)]) == [None]
    assert len(table) == table.held_bytes == table.evicted == 0


def test_a_value_that_is_too_long_for_any_place_is_not_kept() -> None:
    table = ByteTable(MEGABYTE)
    table.put(key_of(1), b"x")
    table.put(key_of(2), bytes(1 << 17))
    assert table.get([key_of(1), key_of(2)]) == [b"x", None]


def test_threads_do_not_lose_its_count() -> None:
    table = ByteTable(100 * entry_bytes(48), 48)

    def work(seed: int) -> None:
        for number in range(2_000):
            key = key_of((number * seed) % 257)
            if table.get([key]) == [None]:
                table.put(key, bytes(number % 48 + 1))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 3, 5, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = table.get([key_of(number) for number in range(257)])
    assert len(table) == sum(value is not None for value in found) <= 100
