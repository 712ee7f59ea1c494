"""A reader's folder is whole or refused, and says the same after it was saved."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.checkpoint import AlteredFileError, ManifestError, write_manifest
from models.ngrams import Ngrams
from models.text_reader import KIND, Head, ReaderError, TextReader

NGRAMS = Ngrams(bits=10)


@pytest.fixture
def reader() -> TextReader:
    """Two heads: one that likes a text's own buckets, one that never speaks."""
    weights = np.zeros((NGRAMS.buckets, 2), dtype=np.float32)
    ids, _ = NGRAMS.of("ring the bell")
    weights[ids, 0] = 1.0
    return TextReader(
        NGRAMS,
        [Head("bell", 3.0), Head("silence", 1.0)],
        weights,
        np.array([-1.0, -4.0], dtype=np.float32),
    )


@pytest.fixture
def folder(reader: TextReader, tmp_path: Path) -> Path:
    """The same on disk."""
    reader.save(tmp_path / "reader")
    write_manifest(tmp_path / "reader", name="bell", kind=KIND, command="test")
    return tmp_path / "reader"


def test_a_head_speaks_above_its_threshold(reader: TextReader) -> None:
    found = reader.found("ring the bell")
    assert set(found) == {"bell"}
    assert found["bell"] == pytest.approx(float(reader.logits("ring the bell")[0]) - 3.0)
    assert reader.found("quite another thing") == {}
    assert reader.found("") == {}


def test_scores_are_probabilities_of_the_logits(reader: TextReader) -> None:
    logits = reader.logits("ring the bell")
    scores = reader.scores("ring the bell")
    assert scores["bell"] == pytest.approx(1 / (1 + np.exp(-logits[0])), rel=1e-5)
    assert scores["silence"] == pytest.approx(1 / (1 + np.exp(4)), rel=1e-5)


def test_what_was_saved_reads_alike(reader: TextReader, folder: Path) -> None:
    loaded = TextReader.load(folder)
    assert loaded.heads == reader.heads
    assert loaded.version
    for text in ("ring the bell", "the bell rings", "no"):
        assert loaded.logits(text) == pytest.approx(reader.logits(text), abs=1e-2)


def test_altered_weights_are_refused(folder: Path) -> None:
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(AlteredFileError):
        TextReader.load(folder)


def test_another_kind_of_folder_is_refused(folder: Path) -> None:
    write_manifest(folder, name="bell", kind="reranker", command="test")
    with pytest.raises(ManifestError):
        TextReader.load(folder)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"ngrams": {"bits": 11}, "heads": [{"name": "a", "threshold": 0}]},
        {"ngrams": {"bits": 10, "unheard": 1}, "heads": []},
        {"ngrams": {"bits": "many"}, "heads": []},
        {"ngrams": {"bits": 10}, "heads": [{"name": "a"}]},
    ],
)
def test_settings_that_do_not_fit_the_weights_are_refused(
    folder: Path, settings: dict[str, object]
) -> None:
    (folder / "reader.json").write_text(json.dumps(settings))
    write_manifest(folder, name="bell", kind=KIND, command="test")
    with pytest.raises(ReaderError):
        TextReader.load(folder)


def test_weights_that_are_no_numbers_are_refused() -> None:
    weights = np.zeros((NGRAMS.buckets, 1), dtype=np.float32)
    weights[3] = np.nan
    with pytest.raises(ReaderError, match="finite"):
        TextReader(NGRAMS, [Head("a", 0.0)], weights, np.zeros(1, dtype=np.float32))
