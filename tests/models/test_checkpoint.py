"""The manifest: what was written is verified, what was altered, lost or pickled is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from models import checkpoint
from models.checkpoint import (
    MANIFEST_NAME,
    AlteredFileError,
    DataSource,
    Manifest,
    ManifestError,
    MissingFileError,
    ModelFileError,
    UnsafeFileError,
    load_manifest,
    refuse_pickles,
    verify,
    write_atomically,
    write_manifest,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    (path / "deep").mkdir(parents=True)
    (path / "model.safetensors").write_bytes(b"weights")
    (path / "deep" / "config.json").write_text("{}")
    return path


def write(folder: Path) -> Manifest:
    return write_manifest(
        folder,
        name="a model",
        kind="generator",
        command="scripts/train --x",
        data=[DataSource("corpus", "MIT", rows=3)],
        metrics={"perplexity": {"corpus": 12.5}},
        base={"name": "base", "sha256": "0" * 64},
    )


def test_what_is_written_is_verified(folder: Path) -> None:
    written = write(folder)
    assert verify(folder) == written == load_manifest(folder)
    assert set(written.files) == {"model.safetensors", "deep/config.json"}
    assert written.data == (DataSource("corpus", "MIT", rows=3),)
    assert verify(folder, kind="generator").version == written.version


def test_the_version_follows_the_content_alone(folder: Path) -> None:
    first = write(folder).version
    assert write(folder).version == first
    (folder / "model.safetensors").write_bytes(b"other")
    assert write(folder).version != first


def alter(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"weightz")


def add(folder: Path) -> None:
    (folder / "extra.json").write_text("{}")


def lose(folder: Path) -> None:
    (folder / "deep" / "config.json").unlink()


def pickle(folder: Path) -> None:
    (folder / "pytorch_model.BIN").write_bytes(b"")


@pytest.mark.faults(33)
@pytest.mark.parametrize(
    ("damage", "error", "named"),
    [
        (alter, AlteredFileError, "model.safetensors"),
        (add, AlteredFileError, "extra.json"),
        (lose, MissingFileError, "config.json"),
        (pickle, UnsafeFileError, "pytorch_model.BIN"),
    ],
)
def test_damage_is_refused_by_name(
    folder: Path, damage: Callable[[Path], None], error: type[ModelFileError], named: str
) -> None:
    write(folder)
    damage(folder)
    with pytest.raises(error, match=named):
        verify(folder)


@pytest.mark.faults(33)
@pytest.mark.parametrize("suffix", [".bin", ".pt", ".pkl", ".pth", ".ckpt"])
def test_no_manifest_is_written_over_a_pickle(folder: Path, suffix: str) -> None:
    (folder / f"weights{suffix}").write_bytes(b"")
    with pytest.raises(UnsafeFileError, match="pickle"):
        write(folder)
    with pytest.raises(UnsafeFileError, match="pickle"):
        refuse_pickles(folder)
    assert not (folder / MANIFEST_NAME).exists()


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b"])
def test_a_manifest_cannot_point_outside(folder: Path, name: str) -> None:
    write(folder)
    path = folder / MANIFEST_NAME
    document = json.loads(path.read_text())
    document["files"][name] = "0" * 64
    document["version"] = checkpoint.content_version(document["files"])
    path.write_text(json.dumps(document))
    with pytest.raises(UnsafeFileError, match="outside"):
        verify(folder)


def test_a_file_that_is_swapped_together_with_its_hash_changes_the_version(folder: Path) -> None:
    write(folder)
    path = folder / MANIFEST_NAME
    document = json.loads(path.read_text())
    (folder / "model.safetensors").write_bytes(b"evil")
    document["files"]["model.safetensors"] = checkpoint.file_sha256(folder / "model.safetensors")
    path.write_text(json.dumps(document))
    with pytest.raises(ManifestError, match="version"):
        verify(folder)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"format": 2}', '{"format": 1, "files": {}}',
     '{"format": 1, "files": {"a": 1}}', '{"format": 1, "files": {"a": "x"}}', "\xff"],
)  # fmt: skip
def test_an_unreadable_manifest_is_named(folder: Path, content: str) -> None:
    (folder / MANIFEST_NAME).write_bytes(content.encode("latin-1"))
    with pytest.raises(ManifestError, match=MANIFEST_NAME):
        verify(folder)


def test_another_kind_no_manifest_no_folder_no_files(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no manifest"):
        verify(folder)
    write(folder)
    with pytest.raises(ManifestError, match="holds a generator, not a reranker"):
        verify(folder, kind="reranker")
    with pytest.raises(ManifestError):
        verify(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="no files"):
        write(tmp_path / "empty")


def test_atomic_writing_leaves_the_old_file_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.json"
    write_atomically(path, "old")

    def full_disk(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.json"]
