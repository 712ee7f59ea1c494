"""Rows on disk come back as they went in, and leave no file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retrieval import spool as spool_module
from retrieval.spool import Spool
from tests.retrieval.helpers import gathered

ROWS = gathered(100, seed=5)


def filled(path: Path) -> Spool:
    spool = Spool(path, len(ROWS))
    for start in range(0, len(ROWS), 30):
        spool.append(ROWS[start : start + 30])
    return spool


def test_parts_come_back_in_order_and_in_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "_CHUNK", 16)
    with filled(tmp_path / "rows") as spool:
        part = spool.part(20, 90)
        chunks = list(part.chunks())
        assert [len(chunk) for chunk in chunks] == [16, 16, 16, 16, 6]
        np.testing.assert_array_equal(np.concatenate(chunks), ROWS[20:90])
        assert (part.size, part.dimension, spool.dimension) == (70, 64, 64)


def test_a_sample_is_drawn_without_repeats_and_is_the_same_again(tmp_path: Path) -> None:
    with filled(tmp_path / "rows") as spool:
        part = spool.part(0, 100)
        sample = part.sample(40)
        assert len(np.unique(sample, axis=0)) == 40
        assert {tuple(row) for row in sample} <= {tuple(row) for row in ROWS}
        np.testing.assert_array_equal(sample, part.sample(40))
        np.testing.assert_array_equal(part.sample(1_000), ROWS)


def test_the_file_goes_with_the_block_whatever_happens(tmp_path: Path) -> None:
    with pytest.raises(KeyError), filled(tmp_path / "rows"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_it_holds_what_it_was_made_for_and_no_more(tmp_path: Path) -> None:
    with filled(tmp_path / "rows") as spool, pytest.raises(ValueError, match="100 rows"):
        spool.append(ROWS[:1])
    with Spool(tmp_path / "none", 3) as empty, pytest.raises(ValueError, match="nothing"):
        empty.part(0, 1)
