"""The learned reader of messages: none is a warning, an altered one ends the start."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from app.dialog.safety import InputScreen
from app.errors import StartupError
from app.serving.screens.safety_reader import FOLDER, SafetyReader
from models.checkpoint import write_manifest
from models.ngrams import Ngrams
from models.text_reader import KIND, Head, TextReader

ROOT = Path(__file__).parents[4]
NGRAMS = Ngrams(bits=8)


def save(artifacts: Path, *names: str) -> Path:
    """A reader with heads that always speak."""
    heads = [Head(name, 0.0) for name in names]
    weights = np.zeros((NGRAMS.buckets, len(names)), dtype=np.float32)
    folder = artifacts / FOLDER
    TextReader(NGRAMS, heads, weights, np.ones(len(names), dtype=np.float32)).save(folder)
    write_manifest(folder, name="tiny", kind=KIND, command="test")
    return folder


def test_without_a_folder_there_is_none(tmp_path: Path) -> None:
    assert SafetyReader.open(tmp_path) is None


def test_what_ships_is_read_and_reads_in_the_screen(tmp_path: Path) -> None:
    save(tmp_path, "crisis", "other")
    reader = SafetyReader.open(tmp_path)
    assert reader is not None
    assert reader.version
    assert InputScreen(reader.margins).read("hello there").crisis


def test_altered_weights_end_the_start(tmp_path: Path) -> None:
    folder = save(tmp_path, "crisis")
    (folder / "reader.json").write_text("{}")
    with pytest.raises(StartupError, match=r"reader\.json"):
        SafetyReader.open(tmp_path)


def test_another_reader_in_its_place_ends_the_start(tmp_path: Path) -> None:
    save(tmp_path, "toxic")
    with pytest.raises(StartupError, match="toxic"):
        SafetyReader.open(tmp_path)


@pytest.mark.skipif(not (ROOT / "artifacts" / FOLDER).is_dir(), reason="no reader ships")
def test_the_shipped_reader_is_whole(tmp_path: Path) -> None:
    reader = SafetyReader.open(ROOT / "artifacts")
    assert reader is not None
    copy = tmp_path / FOLDER
    shutil.copytree(ROOT / "artifacts" / FOLDER, copy)
    (copy / "model.safetensors").write_bytes(b"")
    with pytest.raises(StartupError):
        SafetyReader.open(tmp_path)
