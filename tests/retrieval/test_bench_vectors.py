"""What the retrieval bench measures on: the same rows each time, as dense as it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retrieval.lists import Vectors
from scripts.benches import vectors
from scripts.benches.vectors import Bank, exact, expected_nearest
from tests.retrieval.helpers import gathered, nearest


@pytest.fixture(scope="module")
def real() -> Vectors:
    return gathered(2_000, seed=6)


@pytest.fixture
def bank(real: Vectors, monkeypatch: pytest.MonkeyPatch) -> Bank:
    monkeypatch.setattr(vectors, "CHUNK", 900)
    return Bank.of(real, 7_000)


def test_real_turns_come_first_then_copies_of_unit_length(real: Vectors, bank: Bank) -> None:
    rows = np.concatenate(list(bank.chunks()))
    assert rows.shape == (7_000, bank.dimension)
    np.testing.assert_array_equal(rows[:2_000], real)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert len(np.unique(rows, axis=0)) == 7_000


def test_a_copy_is_as_far_from_its_original_as_is_said(real: Vectors, bank: Bank) -> None:
    rows = np.concatenate(list(bank.chunks()))[2_000:]
    originals = real[np.arange(2_000, 7_000) % 2_000]
    assert np.median(np.sum(rows * originals, axis=1)) == pytest.approx(bank.cosine, abs=0.01)


def test_a_larger_bank_is_denser(real: Vectors) -> None:
    expected = [expected_nearest(real, size) for size in (2_000, 2_500, 10**9)]
    assert expected[0] < expected[1] < expected[2] == 0.95


def test_any_chunk_can_be_made_again(bank: Bank) -> None:
    np.testing.assert_array_equal(list(bank.chunks())[3], bank.rows(2_700, 3_600))


def test_a_bank_below_the_real_turns_has_no_copies(real: Vectors) -> None:
    small = Bank.of(real, 500)
    np.testing.assert_array_equal(np.concatenate(list(small.chunks())), real[:500])


def test_a_sample_comes_from_the_whole_bank(bank: Bank) -> None:
    sample = bank.sample(2_700)
    first, middle, last = bank.rows(0, 900), bank.rows(2_700, 3_600), bank.rows(6_300, 7_000)
    np.testing.assert_array_equal(sample, np.concatenate([first, middle, last]))
    assert len(bank.sample(1_000)) <= 1_000


def test_exact_is_exact_across_chunks(bank: Bank) -> None:
    queries = gathered(40, seed=7)
    rows = np.concatenate(list(bank.chunks()))
    np.testing.assert_array_equal(exact(bank, queries, 10), nearest(rows, queries, 10))


def test_turns_are_read_from_the_cache_of_the_same_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: Vectors
) -> None:
    class Fake:
        version = "enc-1"

        @classmethod
        def load(cls, *_: object, **__: object) -> Fake:
            return cls()

    monkeypatch.setattr(vectors, "Encoder", Fake)
    cache = tmp_path / "turns.npz"
    np.savez(cache, stored=real, queries=real[:5], encoder="enc-1")
    stored, queries = vectors.load_turns(tmp_path, cache, stored=300)
    np.testing.assert_array_equal(stored, real[:300])
    np.testing.assert_array_equal(queries, real[:5])
    monkeypatch.setattr(Fake, "version", "enc-2")
    with pytest.raises(FileNotFoundError):
        vectors.load_turns(tmp_path, cache, stored=300)
