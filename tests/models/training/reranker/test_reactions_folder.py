"""Where a retrained head goes: into its own folder, in place of a reranker, and of nothing else."""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path

import pytest

from models.checkpoint import verify, write_manifest
from models.training.examples import write_examples
from models.training.reranker.reactions import run as reactions_run
from models.training.reranker.reactions.frozen import PairVectors
from models.training.reranker.reactions.head import retrain_head
from tests.models.training.reranker.test_reactions import SERVED, judged, retrain


@pytest.fixture(scope="module")
def vectors() -> PairVectors:
    return PairVectors.open(SERVED, runtime="torch", threads=1)


@pytest.fixture
def folders(tmp_path: Path) -> list[tuple[Path, str]]:
    """Folders that are no reranker, and what is said of them."""
    diary, other, own = (tmp_path / name for name in ("diary", "other", "own"))
    for folder in (diary, other, own):
        folder.mkdir()
        (folder / "diary.txt").write_text("dear diary")
    (other / "manifest.json").write_text('{"name": "a page of the web"}')
    write_manifest(own, name="a", kind="generator", command="test")
    none = "exists and is no model folder"
    return [(diary, none), (other, none), (own, "holds a model of kind generator, not reranker")]


def test_what_is_no_reranker_is_not_replaced(
    vectors: PairVectors, folders: list[tuple[Path, str]]
) -> None:
    for folder, reason in folders:
        with pytest.raises(ValueError, match=reason):
            retrain_head(SERVED, judged(1), folder, command="test", vectors=vectors)
        assert (folder / "diary.txt").read_text() == "dear diary"


def test_the_command_refuses_before_anything_is_begun(
    folders: list[tuple[Path, str]], tmp_path: Path
) -> None:
    write_examples(tmp_path / "e.jsonl", judged(1))
    folder, reason = folders[0]
    done = retrain(tmp_path / "e.jsonl", "--out", folder, "--run", tmp_path / "run")
    assert done.returncode == 1
    assert reason in done.stderr
    assert not (tmp_path / "run").exists()
    assert (folder / "diary.txt").read_text() == "dear diary"


def test_a_signal_while_it_reads_ends_it_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_examples(tmp_path / "e.jsonl", judged(1))
    closed = []

    def interrupted(_: Path) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            raise AssertionError("it reads on")
        finally:
            os.kill(os.getpid(), signal.SIGTERM)  # a second one does not cut short what closes
            closed.append(True)

    monkeypatch.setattr(reactions_run, "read_examples", interrupted)
    options = argparse.Namespace(
        examples=[tmp_path / "e.jsonl"],
        reranker=SERVED,
        out=tmp_path / "new",
        run=tmp_path / "run",
        least=20,
        seed=7,
    )
    assert reactions_run.main(options, "test") == 0
    assert "stopped" in capsys.readouterr().out
    assert closed
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_written_leaves_the_old_reranker(
    vectors: PairVectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "m"
    out.mkdir()  # an empty folder is no loss
    retrain_head(SERVED, judged(1), out, command="test", vectors=vectors)
    version = verify(out, kind="reranker").version
    rename = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if target == out and not self.name.endswith(".old"):
            raise OSError("no room")
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fails)
        with pytest.raises(OSError, match="no room"):
            retrain_head(SERVED, judged(2), out, command="test", vectors=vectors)
    assert verify(out, kind="reranker").version == version
    assert [path.name for path in tmp_path.iterdir()] == ["m"]  # and nothing beside it
    retrain_head(SERVED, judged(2), out, command="test", vectors=vectors)
    assert verify(out, kind="reranker").version != version
