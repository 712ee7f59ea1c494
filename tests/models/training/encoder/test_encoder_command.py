"""scripts/train_encoder as a person runs it, on a tiny base and conversations written here."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from models.checkpoint import verify
from models.encoder import Encoder
from models.training.encoder import measure
from models.training.encoder import run as encoder_run
from models.training.record import Progress

ROOT = Path(__file__).parents[4]
Command = Callable[..., int]


@pytest.fixture(scope="module")
def command() -> Command:
    """The script's main, with its arguments one by one."""
    main = runpy.run_path(str(ROOT / "scripts" / "train_encoder"))["main"]
    return lambda *arguments: int(main([str(argument) for argument in arguments]))


def options(base: Path, data: Path, own: Path, folder: Path, *more: object) -> list[object]:
    small = ["--steps", 6, "--batch", 8, "--rate", 1e-3, "--max-tokens", 24, "--pool", 60]
    where = ["--base", base, "--data", data, "--own", own, "--out", folder / "out"]
    return [*where, "--run", folder / "run", *small, *more]


def test_in_batch_negatives_learn_and_the_folder_serves(
    command: Command, tiny_base: Path, public_data: Path, own_data: Path, tmp_path: Path
) -> None:
    more = ["--steps", 40, "--hard-negatives", 1, "--force"]
    status = command(*options(tiny_base, public_data, own_data, tmp_path, *more))
    assert status == 0
    manifest = verify(tmp_path / "out", kind="encoder")
    held_out = manifest.metrics["held_out"]
    assert held_out["response"]["queries"] > 10
    assert held_out["response"]["mrr"]["after"][0] > held_out["response"]["mrr"]["before"][0]
    assert held_out["bank"]["among"] == 40
    assert not any(str(tmp_path) in word for word in manifest.command.split())
    encoder = Encoder.load(str(tmp_path / "out"), runtime="torch", device="cpu", dtype="fp32")
    base = Encoder.load(str(tiny_base), runtime="torch", device="cpu", dtype="fp32")
    assert encoder.dimension == base.dimension
    assert encoder.version != base.version
    one, same = encoder.encode(["do you like tea?", "do you like [SEP] tea?"])
    assert np.linalg.norm(one) == pytest.approx(1.0, abs=1e-5)
    assert float(one @ same) < 0.99999  # a separator that somebody types is text
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert all(json.loads(line)["loss"] > 0 for line in lines)


def test_what_got_worse_is_not_written(
    command: Command,
    tiny_base: Path,
    public_data: Path,
    own_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Three steps of almost no learning move nothing: recall@10 does not rise.
    same = options(tiny_base, public_data, own_data, tmp_path, "--steps", 3, "--rate", 1e-12)
    assert command(*same) == 1
    assert "not written" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    assert command(*same, "--force") == 0  # the finished run is not trained again
    assert verify(tmp_path / "out").metrics["worse"]


def test_a_stopped_run_ends_where_an_uninterrupted_one_does(
    command: Command,
    tiny_base: Path,
    public_data: Path,
    own_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The softmax, whose classifier is the loss's own and has to come back too."""

    def arguments(name: str) -> list[object]:
        more = ["--objective", "softmax", "--force"]
        return options(tiny_base, public_data, own_data, tmp_path / name, *more)

    assert command(*arguments("whole")) == 0
    steps = []
    update = Progress.update

    def interrupt(self: Progress, count: float, **values: float) -> None:
        steps.append(count)
        if len(steps) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        update(self, count, **values)

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "update", interrupt)
        assert command(*arguments("parts")) == 0
    assert len(steps) in (3, 4)  # the signal is seen at the end of a step
    assert "stopped" in capsys.readouterr().out
    assert not (tmp_path / "parts" / "out").exists()
    assert command(*arguments("parts")) == 0
    assert "going on from checkpoint-" in capsys.readouterr().out
    whole = load_file(tmp_path / "whole" / "out" / "model.safetensors")
    parts = load_file(tmp_path / "parts" / "out" / "model.safetensors")
    assert whole.keys() == parts.keys()
    for name, tensor in whole.items():
        assert (tensor - parts[name]).abs().max() < 1e-6, name
    state = tmp_path / "parts" / "run" / "checkpoints" / "checkpoint-6" / "loss.safetensors"
    assert load_file(state)["classifier.weight"].shape == (3, 3 * 32)


def test_a_signal_while_it_measures_stops_it_and_nothing_is_trained_again(
    command: Command,
    tiny_base: Path,
    public_data: Path,
    own_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    same = options(tiny_base, public_data, own_data, tmp_path, "--force")
    rankings = measure.rankings

    def interrupted(*arguments: object, **more: object) -> object:
        os.kill(os.getpid(), signal.SIGTERM)
        return rankings(*arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(measure, "rankings", interrupted)
        assert command(*same) == 0
    assert "stopped" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    lines = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert command(*same) == 0
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == lines
    assert verify(tmp_path / "out").metrics["steps"] == 6


def test_a_signal_while_it_reads_ends_it_well(
    command: Command,
    tiny_base: Path,
    public_data: Path,
    own_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("it reads on")

    monkeypatch.setattr(encoder_run, "read_conversations", interrupted)
    before = signal.getsignal(signal.SIGTERM)
    assert command(*options(tiny_base, public_data, own_data, tmp_path)) == 0
    assert "stopped; the same command goes on" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_file_that_holds_what_it_is_measured_on_proves_nothing(
    command: Command,
    tiny_base: Path,
    own_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = (own_data / "bank" / "things.jsonl").read_text().splitlines()
    pairs = [
        {"context": context, "response": reply}
        for row in map(json.loads, lines)
        for context, reply in zip(row["contexts"], row["replies"], strict=True)
    ]
    path = tmp_path / "bank.jsonl"
    path.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    assert command(*options(tiny_base, path, own_data, tmp_path, "--steps", 1)) == 1
    said = capsys.readouterr().out
    assert "held out: 0 pairs, 0 bank entries" in said
    assert "nothing that was held out is left to measure on" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("objective", "name", "lines"),
    [
        ("softmax", "nli.tsv", "premise\thypothesis\tlabel\n{0}\t{1}\tyes\n{1}\t{0}\tno\n"),
        ("cosine", "sts.csv", "sentence1,sentence2,score\n{0},{1},4.5\n{1},{0},0\n"),
        ("triplet", "triplets.jsonl", '{{"anchor":"{0}","positive":"{1}","negative":"no {0}"}}\n'),
        ("negatives", "pairs.jsonl", '{{"context":["so {0}?","{0}"],"response":"{1}"}}\n'),
    ],
)
def test_each_objective_reads_its_file(
    command: Command,
    tiny_base: Path,
    own_data: Path,
    tmp_path: Path,
    objective: str,
    name: str,
    lines: str,
) -> None:
    path = tmp_path / name
    body = [lines.format(f"tree {i}", f"leaf {i}").splitlines() for i in range(10)]
    head = body[0][:1] if path.suffix in (".tsv", ".csv") else []
    rows = [line for part in body for line in part[len(head) :]]
    path.write_text("\n".join([*head, *rows]) + "\n")
    more = ["--objective", objective, "--force", "--highest-score", 5, "--steps", 3]
    status = command(*options(tiny_base, path, own_data, tmp_path, *more))
    assert status == 0
    manifest = verify(tmp_path / "out", kind="encoder")
    assert manifest.data[0].name == name
    assert manifest.data[0].rows == len(rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--objective", "softest", "--data", "."], "invalid choice"),
        (["--data", "nowhere"], "there is no nowhere"),
        (["--data", ".", "--batch", "0"], "--batch must be above 0"),
    ],
)
def test_wrong_arguments_are_one_line(
    command: Command, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        command(*arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_bad_data_is_one_line(
    command: Command,
    tiny_base: Path,
    own_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"first": "a", "second": "b", "label": "x"}\n{"first": "a"}\n')
    more = ["--objective", "softmax"]
    assert command(*options(tiny_base, path, own_data, tmp_path, *more)) == 1
    error = capsys.readouterr().err
    assert error.startswith("scripts/train_encoder: bad.jsonl:2: no second text")
    assert error.count("\n") == 1


def test_a_folder_that_is_no_model_is_not_replaced(
    command: Command,
    tiny_base: Path,
    public_data: Path,
    own_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "diary.txt").write_text("dear diary")
    assert command(*options(tiny_base, public_data, own_data, tmp_path)) == 1
    assert "is no model folder" in capsys.readouterr().err
    assert (tmp_path / "out" / "diary.txt").exists()


@pytest.mark.slow
def test_help_needs_no_heavy_import() -> None:
    shown = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "train_encoder"), "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "--objective" in shown.stdout
    assert "--index" in shown.stdout
