"""`scripts/train_generator` as a person runs it: train, stop, kill, resume, export."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import torch

from models.checkpoint import load_manifest, verify
from models.training.examples import Example, write_examples
from models.training.splits import learnable
from tests.models.training.generator.command import (
    PATIENCE,
    finish,
    losses,
    run,
    start,
    training,
    wait_for_step,
    weights,
)
from tests.models.training.generator.talk import TINY_OPTIONS


@pytest.mark.slow
def test_a_stopped_and_a_killed_run_end_as_the_uninterrupted_one(
    tmp_path: Path, public: Path, own: Path
) -> None:
    long = ("--steps", 60, "--finish-with", own)
    run(*training(public, tmp_path / "straight", *long))

    folder = tmp_path / "cut"
    killed = start(*training(public, folder, *long))
    wait_for_step(folder, 8, killed)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=PATIENCE)
    assert killed.returncode == -signal.SIGKILL
    # The newest state is torn, as by a disk that lost its last writes.
    newest = max(folder.glob("state-*.pt"))
    newest.write_bytes(newest.read_bytes()[:-100])

    stopped = start(*training(public, folder, *long))
    wait_for_step(folder, 30, stopped)
    stopped.send_signal(signal.SIGTERM)
    assert "the same command resumes" in finish(stopped)
    assert len(list(folder.glob("state-*.pt"))) == 2

    said = run(*training(public, folder, *long))
    assert "resumed at" in said
    assert "finished" in said
    theirs = weights(tmp_path / "straight")
    assert all(torch.equal(value, theirs[name]) for name, value in weights(folder).items())
    assert losses(folder) == losses(tmp_path / "straight")
    document = json.loads((folder / "run.json").read_text())
    assert document["metrics"]["steps"] == 60
    assert document["metrics"]["held_out_tokens"]["own_dialogs"] > 0
    assert (folder / "curves.svg").exists()
    assert str(public) not in (folder / "run.json").read_text()

    other = start(*training(public, folder, "--steps", 61, "--finish-with", own))
    assert "another config" in other.communicate(timeout=PATIENCE)[0]
    assert other.returncode == 1


@pytest.mark.slow
def test_liked_replies_of_a_hosted_model_are_learned_from_shipped_weights(
    tmp_path: Path, public: Path
) -> None:
    run(*training(public, tmp_path / "first", "--steps", 3))
    base = tmp_path / "base"
    run("--export", "--run", tmp_path / "first", "--artifact", base, "--quick")
    first = load_manifest(base)
    assert "held_out_perplexity" in first.metrics
    assert first.metrics["held_out_perplexity"] == {}

    examples = [
        Example(source, "upvote", ("hello",), f"stay {n} {source}", label, conversation=f"c{n}")
        for n in range(150)
        for source in ("remote", "generator")
        for label in (1.0,)
    ]
    write_examples(tmp_path / "liked.jsonl.gz", examples)
    liked = ("--examples", tmp_path / "liked.jsonl.gz", "--only-upvoted", "--source", "remote")
    again = ("--init", base, "--run", tmp_path / "second", "--learning-rate", "1e-3")
    run(*liked, *again, "--epochs", 2)
    artifact = tmp_path / "generator"
    run("--export", "--run", tmp_path / "second", "--artifact", artifact, *liked)
    manifest = verify(artifact, kind="generator")
    assert manifest.base == {"name": "kindred-generator", "version": first.version}
    judged = [source for source in manifest.data if source.name == "Judged replies: remote"]
    # All but those by which models are judged.
    known = sum(example.source == "remote" for example in learnable(examples))
    assert [source.rows for source in judged] == [known]
    assert 100 < known < 150
    assert "Self-dialogue Corpus" in {source.name for source in manifest.data}
    assert "remote" in manifest.metrics["held_out_perplexity"]
    assert "--examples EXAMPLES --only-upvoted --source remote --init FOLDER" in manifest.command
    assert manifest.metrics["config"]["layers"] == 1
    assert manifest.metrics["config"]["matrix_rate"] == pytest.approx(3e-4)
    assert (artifact / "tokenizer.json").read_text() == (base / "tokenizer.json").read_text()


@pytest.mark.slow
def test_the_command_trains_by_the_clock_exports_and_writes_samples(
    tmp_path: Path, public: Path, own: Path
) -> None:
    folder, artifact, samples = tmp_path / "run", tmp_path / "generator", tmp_path / "samples.md"
    run(
        "--data", public, "--finish-with", own, "--run", folder, *TINY_OPTIONS,
        "--minutes", 0.03,
    )  # fmt: skip
    run(
        "--export", "--run", folder, "--artifact", artifact, "--samples", "--finish-with", own,
        "--samples-file", samples,
    )  # fmt: skip
    manifest = verify(artifact)
    assert "self_dialogue" in manifest.metrics["held_out_perplexity"]
    assert str(public) not in manifest.command
    assert "--data DIALOGS" in manifest.command
    page = samples.read_text()
    assert page.count("## ") == 10
    assert manifest.version in page


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--help"], 0, "--only-upvoted"),
        ([], 2, "is needed to train"),
        (["--data", "/nowhere"], 2, "/nowhere is not there"),
        (["--data", ".", "--steps", "0"], 2, "not a whole number above 0"),
        (["--data", ".", "--steps", "5", "--epochs", "2"], 2, "not allowed with"),
        (["--data", ".", "--init", "x", "--layers", "3"], 2, "has a shape already"),
        (["--data", ".", "--only-upvoted"], 2, "choose among --examples"),
        (["--data", ".", "--size", "huge"], 2, "invalid choice"),
    ],
)
def test_a_wrong_word_is_one_clear_line(words: list[str], status: int, said: str) -> None:
    process = start(*words)
    out = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == status
    assert said in out
    assert "Traceback" not in out


def test_wrong_input_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"source": "x"}\n')
    process = start("--examples", tmp_path / "bad.jsonl", "--run", tmp_path / "run")
    out = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 1
    assert "bad.jsonl:1" in out
    assert "Traceback" not in out
