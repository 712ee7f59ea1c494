"""Which registered models learned from a person: certainly, perhaps, or certainly not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.domain import LearnedModel
from app.serving.versions.lineage import models_of
from models.checkpoint import DataSource, Manifest, write_manifest
from models.registry import Registry


@pytest.fixture
def registered(tmp_path: Path) -> Any:
    """Registers a model of some content, people and data."""
    registry = Registry(tmp_path / "var")

    def register(content: str, **said: Any) -> Manifest:
        folder = tmp_path / content
        folder.mkdir()
        (folder / "config.json").write_text(content)
        manifest = write_manifest(folder, name="n", kind="reranker", command="c", **said)
        with registry.changing("reranker"):
            registry.register("reranker", folder, who="test")
        return manifest

    return register


def found(tmp_path: Path, person: str) -> dict[str, bool]:
    return {model.version: model.certain for model in models_of(tmp_path / "var", person)}


def test_nothing_was_ever_registered(tmp_path: Path) -> None:
    assert models_of(tmp_path / "var", "p1") == []


def test_models_that_learned_from_them_are_named(tmp_path: Path, registered: Any) -> None:
    theirs = registered("a", people=["p1", "p2"])
    registered("b", people=["p3"])
    registered("c", data=[DataSource("Self-dialogue Corpus", "BSD-3-Clause")])
    assert models_of(tmp_path / "var", "p1") == [
        LearnedModel("reranker", theirs.version, "candidate", certain=True)
    ]
    assert found(tmp_path, "p4") == {}
    assert found(tmp_path, "") == {}


def test_a_model_made_of_one_that_learned_from_them_is_named(
    tmp_path: Path, registered: Any
) -> None:
    theirs = registered("a", people=["p1"])
    after = registered("b", people=["p2"], base={"name": "n", "version": theirs.version})
    assert found(tmp_path, "p1") == {theirs.version: True, after.version: True}


def test_a_base_that_is_not_registered_taught_nobodys_words(
    tmp_path: Path, registered: Any
) -> None:
    registered("a", people=["p1"], base={"id": "shipped", "version": "0" * 12})
    registered("b", people=["p1"], base={"id": "hub", "version": "hub"})
    assert found(tmp_path, "p2") == {}


def test_reactions_without_names_may_be_anybodys(tmp_path: Path, registered: Any) -> None:
    silent = registered("a", data=[DataSource("reactions", "private", rows=9)])
    assert found(tmp_path, "p1") == {silent.version: False}


def test_what_cannot_be_read_is_named_as_unknown(tmp_path: Path, registered: Any) -> None:
    broken = registered("a", people=["p1"])
    place = tmp_path / "var" / "models" / "reranker" / broken.version / "manifest.json"
    place.write_text(place.read_text().replace('"bits": "', '"bits": "!'))
    assert found(tmp_path, "p2") == {broken.version: False}
    place.write_text("{")
    assert found(tmp_path, "p2") == {broken.version: False}
    history = tmp_path / "var" / "models" / "reranker" / "history.jsonl"
    history.unlink()
    history.mkdir()
    assert found(tmp_path, "p2") == {"unknown": False}
