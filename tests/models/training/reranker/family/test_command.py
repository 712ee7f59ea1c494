"""`scripts/train_reranker` as a person would run it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from models.training.examples import Example, write_examples
from models.training.reranker.family import run as family_run
from models.training.reranker.family.folder import open_scorer

ROOT = Path(__file__).parents[5]
COMMAND = [sys.executable, str(ROOT / "scripts" / "train_reranker")]
SMALL = ["--pairs", "120", "--batch", "8", "--held-out", "30", "--max-tokens", "32"]


def run(*words: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    line = [*COMMAND, *map(str, words)]
    return subprocess.run(
        line, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=300, check=False
    )


def manifest(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return document


def test_help_names_the_options_of_each_family() -> None:
    shown = run("--family", "cross-encoder", "--help")
    assert shown.returncode == 0
    for option in ("--teacher", "--layers", "--keep", "--max-tokens", "--examples", "--bf16"):
        assert option in shown.stdout
    served = run("--help")
    assert served.returncode == 0
    for option in ("--minutes", "--reactions", "--family cross-encoder"):
        assert option in served.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--family", "transformer"], "invalid choice"),
        (["--family", "bilstm"], "one of --data and --examples"),
        (
            ["--family", "bilstm", "--data", "x", "--layers", "3"],
            "--layers is for the cross-encoder",
        ),
        (["--family", "qa-lstm", "--data", "x", "--teacher", "y"], "--teacher is for"),
        (["--family", "cross-encoder", "--data", "x", "--alpha", "1.5"], "must lie in [0, 1]"),
        (["--family", "cross-encoder", "--data", "x", "--sources", "likes"], "likes"),
        (["--family", "cross-encoder", "--data", "x", "--batch", "0"], "at least 1"),
    ],
)
def test_a_wrong_value_is_one_line(words: list[str], says: str) -> None:
    if words[1] == "transformer":
        done = run(*words)
        assert done.returncode == 2
        assert says in done.stderr
        return
    with pytest.raises(SystemExit) as caught:
        family_run.main(words)
    assert caught.value.code == 2


def test_bad_input_is_one_line_and_status_one(
    data: Path, bases: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--family", "bilstm", "--run", str(tmp_path / "r"), "--out", str(tmp_path / "o")]
    joint = ["--family", "cross-encoder", "--data", str(data), "--base", str(bases("bert"))]
    for words, says in (
        (["--data", str(tmp_path / "none")], "No such file"),
        (["--data", str(data), "--teacher", str(tmp_path)], "manifest.json"),
        (["--data", str(data), "--base", str(tmp_path)], "no tokenizer"),
        ([*joint, "--max-tokens", "100"], "positions for 64 tokens"),
        ([*joint, "--layers", "5"], "5 of 4 layers cannot be kept"),
        ([*joint, "--frozen", "5"], "no 5 layers to freeze"),
    ):
        capsys.readouterr()
        assert family_run.main([*common, *SMALL, *words]) == 1
        error = capsys.readouterr().err
        assert says in error
        assert error.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_the_ladder_of_distillation(
    data: Path, bases: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(name: str, *words: str) -> dict[str, Any]:
        places = ["--run", str(tmp_path / f"run-{name}"), "--out", str(tmp_path / name)]
        line = [*words, "--data", str(data), *SMALL, *places]
        assert family_run.main(line) == 0, capsys.readouterr().err
        return manifest(tmp_path / name)

    base = str(bases("bert"))
    teacher = train("teacher", "--family", "cross-encoder", "--base", base)
    half = train("half", "--family", "cross-encoder", "--teacher", str(tmp_path / "teacher"))
    lstm = train("lstm", "--family", "bilstm", "--teacher", str(tmp_path / "teacher"))
    plain = train("plain", "--family", "qa-lstm", "--base", base)
    told = [m["metrics"]["training"] for m in (teacher, half, lstm, plain)]
    assert [t.get("layers") for t in told] == [4, 2, None, None]
    assert [t.get("teacher") for t in told] == [None, "teacher", "teacher", None]
    assert all(t["pairs"] == 120 and t["seconds"] > 0 for t in told)
    assert half["base"] == teacher["base"]
    assert half["base"]["id"] == "bert", "a folder of this machine is not named"
    assert str(tmp_path) not in half["command"]
    assert teacher["data"][0]["name"] == "accentor"
    assert set(teacher["metrics"]["test"]) == {"accentor", "selection", "offensive", "liking"}
    for name in ("teacher", "half", "lstm", "plain"):
        row = Example("s", "h", ("book a table",), "Enjoy tea", 1.0)
        assert open_scorer(tmp_path / name, device="cpu").score([row]).shape == (1, 4)
        record = json.loads((tmp_path / f"run-{name}" / "run.json").read_text())
        assert record["metrics"]["version"] == manifest(tmp_path / name)["version"]
        assert not (tmp_path / f"run-{name}" / "tokens").exists(), "texts, of no more use"
    assert list((tmp_path / "run-half").glob("teacher-*.npy")), "kept for a run that goes on"


def test_reactions_become_heads_of_their_own(bases: Callable[[str], Path], tmp_path: Path) -> None:
    words = [f"{a}{b} {b}" for a in "bcdfghklmn" for b in "aeiouxyz"]
    rows = [
        Example("reactions", head, (word,), f"{word} {text}", float(label), "", word, word)
        for word in words
        for text, label in (("fine", 1), ("bad", 0))
        for head in ("upvote", "funny")
    ]
    rows.append(Example("reactions", "love", ("tea",), "maps", 1.0, "", "tea", "tea"))
    write_examples(tmp_path / "reactions.jsonl", rows)
    places = ["--run", str(tmp_path / "run"), "--out", str(tmp_path / "out")]
    line = ["--family", "qa-lstm", "--examples", str(tmp_path / "reactions.jsonl"), *places]
    assert (
        family_run.main([*line, "--vocabulary", "200", "--head-lr", "0.01", "--epochs", "3"]) == 0
    )
    config = json.loads((tmp_path / "out" / "pair_scorer.json").read_text())
    assert config["heads"] == ["upvote", "funny"], "love has labels of one kind only"
    assert config["serving"]["name"] == "P(upvote)"
    assert manifest(tmp_path / "out")["metrics"]["test"]["upvote"]["auc"] > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_goes_on_by_the_same_command(
    number: int, data: Path, bases: Callable[[str], Path], tmp_path: Path
) -> None:
    def line(name: str) -> list[str]:
        places = ["--run", str(tmp_path / f"run-{name}"), "--out", str(tmp_path / name)]
        more = ["--epochs", "4", "--save-minutes", "0", "--base", str(bases("bert"))]
        return ["--family", "cross-encoder", "--data", str(data), *SMALL, *more, *places]

    assert family_run.main(line("straight")) == 0
    process = subprocess.Popen([*COMMAND, *line("broken")], cwd=ROOT, stdout=subprocess.PIPE)
    checkpoints = tmp_path / "run-broken" / "checkpoints"
    until = time.monotonic() + 240
    while not list(checkpoints.glob("checkpoint-*/complete")) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(number)
    output, _ = process.communicate(timeout=240)
    if number == signal.SIGTERM:
        assert process.returncode == 0
        assert b"the same command goes on" in output
    assert not (tmp_path / "broken").exists(), "it was ended before its end"
    assert list((tmp_path / "run-broken" / "tokens").iterdir()), "kept for the run that goes on"
    assert run(*line("broken")).returncode == 0
    assert not (tmp_path / "run-broken" / "tokens").exists()
    straight, broken = (
        load_file(tmp_path / n / "model.safetensors") for n in ("straight", "broken")
    )
    assert all((straight[name] == broken[name]).all() for name in straight)
    assert manifest(tmp_path / "broken")["version"] == manifest(tmp_path / "straight")["version"]
    shutil.rmtree(checkpoints)
