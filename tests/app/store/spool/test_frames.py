"""Frames tell by themselves whether they are whole: whatever a crash or a bad disk leaves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.store.spool.frames import (
    MAGIC,
    PAYLOAD_MAX,
    SETTLED,
    STATE_AT,
    Entry,
    frames_of,
    pack,
)

names = st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1, max_size=40)
entries = st.builds(
    Entry,
    op=names,
    user_id=names,
    target=names,
    at=st.floats(0, 4e9),
    sealed=st.binary(max_size=200),
)
THREE = [Entry(f"op{i}", "u1", f"r{i}", float(i), bytes([i]) * (5 * i)) for i in range(3)]


def reader(data: bytes) -> Callable[[int, int], bytes]:
    return lambda size, offset: data[offset : offset + size]


@given(st.lists(entries, max_size=5))
def test_what_was_packed_is_read_back(kept: list[Entry]) -> None:
    data = MAGIC + b"".join(map(pack, kept))
    frames, end = frames_of(reader(data))
    assert [frame.entry for frame in frames] == kept
    assert not any(frame.settled for frame in frames)
    assert end == len(data)
    assert sum(frame.size for frame in frames) == end - len(MAGIC)


@pytest.mark.parametrize("cut", range(len(MAGIC) + sum(len(pack(each)) for each in THREE) + 1))
def test_cut_off_at_any_byte_the_whole_frames_before_are_kept(cut: int) -> None:
    data = MAGIC + b"".join(map(pack, THREE))
    ends = [len(MAGIC)]
    for each in THREE:
        ends.append(ends[-1] + len(pack(each)))
    frames, end = frames_of(reader(data[:cut]))
    whole = sum(place <= cut for place in ends[1:])
    assert [frame.entry for frame in frames] == THREE[:whole]
    assert end == (ends[whole] if cut >= len(MAGIC) else 0)


@given(st.integers(len(MAGIC), 200), st.integers(1, 255))
def test_a_changed_byte_ends_the_file_there_or_is_a_state(place: int, change: int) -> None:
    data = bytearray(MAGIC + b"".join(map(pack, THREE)))
    place = min(place, len(data) - 1)
    data[place] ^= change
    frames, end = frames_of(reader(bytes(data)))
    assert [frame.entry for frame in frames] == THREE[: len(frames)]
    hit = next(f for f in [*frames_of(reader(MAGIC + b"".join(map(pack, THREE))))[0]]
               if f.offset <= place < f.offset + f.size)  # fmt: skip
    if place == hit.offset + STATE_AT and data[place : place + 1] == SETTLED:
        assert len(frames) == len(THREE)
        assert frames[THREE.index(hit.entry)].settled
    else:
        assert end == hit.offset


@given(st.binary(max_size=300))
def test_noise_is_no_frame(noise: bytes) -> None:
    frames, end = frames_of(reader(MAGIC + noise))
    assert frames == []
    assert end == len(MAGIC)


def test_an_entry_is_bounded() -> None:
    with pytest.raises(ValueError, match="at most"):
        pack(Entry("op", "u", "r", 0.0, b"x" * PAYLOAD_MAX))


def test_another_kind_of_file_holds_nothing() -> None:
    assert frames_of(reader(b"not a spool at all, but long enough")) == ([], 0)
    assert frames_of(reader(b"")) == ([], 0)
