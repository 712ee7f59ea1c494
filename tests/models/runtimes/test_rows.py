"""Packing, rounding and pooling of packed rows, against loops that say what is meant."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.contracts import RerankItem
from models.runtimes.packing import Batch, RerankBatch, mean_rows
from models.runtimes.rows import Packed, PackedSlates, Places, mean_of, rounded_up, unit

sequences = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=9), min_size=1, max_size=6)


def read_back(packed: Packed, places: Places) -> list[list[int]]:
    """The sequences as attention sees them: padded places, padding left out."""
    return [
        packed.ids[rows[keep]].tolist() for rows, keep in zip(places.pad, places.keep, strict=True)
    ]


@given(contexts=sequences, responses=sequences)
def test_every_sequence_is_found_again(
    contexts: list[list[int]], responses: list[list[int]]
) -> None:
    owner = [i % len(contexts) for i in range(len(responses))]
    packed = Packed.of(contexts, responses, owner)
    assert packed.responses is not None
    assert read_back(packed, packed.contexts) == contexts
    assert read_back(packed, packed.responses) == responses
    expected = [i for sequence in (*contexts, *responses) for i in range(len(sequence))]
    assert packed.positions.tolist() == expected


@given(contexts=sequences, responses=sequences, rows=st.integers(1, 16), length=st.integers(1, 8))
def test_rounding_changes_shapes_alone(
    contexts: list[list[int]], responses: list[list[int]], rows: int, length: int
) -> None:
    owner = [0] * len(responses)
    for packed in (Packed.of(contexts), Packed.of(contexts, responses, owner)):
        rounded = packed.rounded(rows, length)
        assert len(rounded.ids) % rows == 0
        kinds = [(packed.contexts, rounded.contexts)]
        if packed.responses is not None and rounded.responses is not None:
            kinds.append((packed.responses, rounded.responses))
        flats = 0
        for before, after in kinds:
            count = len(before.pad)
            assert after.pad.shape == (
                rounded_up(count, 1, 8), rounded_up(before.pad.shape[1], length, 8)
            )  # fmt: skip
            found = read_back(rounded, after)
            assert found[:count] == read_back(packed, before)
            assert not any(found[count:])
            # Where each packed row comes from after attention: the same token as before.
            n = len(before.flat)
            assert np.array_equal(
                after.pad.ravel()[after.flat[:n]], before.pad.ravel()[before.flat]
            )
            flats += len(after.flat)
        assert flats == len(rounded.ids), "as many rows leave attention as came in"
        if packed.owner is not None and rounded.owner is not None and rounded.responses is not None:
            assert rounded.owner[: len(packed.owner)].tolist() == packed.owner.tolist()
            assert len(rounded.owner) == len(rounded.responses.pad)


@given(size=st.integers(1, 5_000), step=st.integers(1, 64), steps=st.integers(4, 32))
def test_little_is_added_to_a_size(size: int, step: int, steps: int) -> None:
    found = rounded_up(size, step, steps)
    assert found % step == 0
    assert size <= found < size + max(step, 2 * size / steps)
    assert rounded_up(found, step, steps) == found


def test_of_many_sizes_few_are_left() -> None:
    assert len({rounded_up(size, 16, 16) for size in range(1, 2_049)}) == 40
    assert len({rounded_up(size, 1, 8) for size in range(1, 65)}) == 20


@given(lengths=st.lists(st.integers(1, 7), min_size=1, max_size=5), skip=st.integers(0, 3))
def test_means_are_of_the_rows_that_were_named(lengths: list[int], skip: int) -> None:
    rng = np.random.default_rng(len(lengths))
    x = rng.normal(size=(sum(lengths), 4)).astype(np.float32)
    sizes = np.array(lengths)
    starts = np.cumsum(sizes) - sizes
    inner = np.minimum(skip, sizes - 1)
    found = mean_of(x, starts + inner, sizes - inner)
    assert found.dtype == np.float32
    for row, start, size, left in zip(found, starts, sizes, inner, strict=True):
        assert np.allclose(row, x[start + left : start + size].mean(axis=0), atol=1e-6)


def test_unit_rows() -> None:
    rows = unit(np.array([[3.0, 4.0], [0.0, 0.0]], dtype=np.float32))
    assert rows.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0.0, 0.0]]


def test_a_context_is_packed_once_for_all_its_responses() -> None:
    first, second = (1, 2, 3), (4, 5)
    items = [
        RerankItem(first, (6, 7), 1, 3),
        RerankItem(second, (8,), 0, 3),
        RerankItem(first, (9,), 1, 2),
    ]
    slates = PackedSlates.of(items)
    assert slates.packed.ids.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert slates.packed.owner is not None
    assert slates.packed.owner.tolist() == [0, 1, 0]
    assert slates.latest.tolist() == [1, 0]


def test_tensors_hold_what_the_arrays_hold() -> None:
    items = [RerankItem((1, 2, 3), (6, 7), 1, 3), RerankItem((4, 5), (8,), 0, 3)]
    slates, batch = PackedSlates.of(items), RerankBatch.of(items)
    places = slates.packed.contexts
    assert batch.batch.ids.tolist() == slates.packed.ids.tolist()
    assert batch.batch.contexts.pad.tolist() == places.pad.tolist()
    assert batch.batch.contexts.keep.tolist() == places.keep.tolist()
    x = np.random.default_rng(0).normal(size=(len(slates.packed.ids), 3)).astype(np.float32)
    import torch

    pooled = mean_rows(torch.from_numpy(x), batch.latest).numpy()
    expected = mean_of(x, places.starts + slates.latest, places.lengths - slates.latest)
    assert np.allclose(pooled, expected, atol=1e-6)


def test_one_transfer_brings_every_array(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CUDA path's joining and parting, with a copy that stays on the CPU."""
    import torch

    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    there = torch.Tensor.to
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *_, **__: there(tensor, "cpu"))
    contexts, responses, owner = [[1, 2, 3], [4]], [[5, 6], [7]], [1, 0]
    here = Batch.of(contexts, responses, owner)
    moved = Batch.of(contexts, responses, owner, torch.device("cuda"))
    assert here.responses is not None
    assert moved.responses is not None
    assert here.owner is not None
    assert moved.owner is not None
    for name in ("ids", "positions", "owner"):
        assert torch.equal(getattr(here, name), getattr(moved, name))
    for name in ("pad", "keep", "flat", "lengths"):
        for a, b in ((here.contexts, moved.contexts), (here.responses, moved.responses)):
            assert torch.equal(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize(
    ("sequences", "message"),
    [([[0, 100]], "vocabulary of 100"), ([[-1]], "vocabulary"), ([[1] * 9], "9 tokens; at most 8")],
)
def test_what_cannot_be_read_is_named(sequences: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Packed.of(sequences).check(vocabulary=100, positions=8)


@pytest.mark.parametrize("sequences", [[], [[]], [[1], []]])
def test_nothing_cannot_be_packed(sequences: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="without ids"):
        Packed.of(sequences)
