"""scripts/pretrain_encoder as a person runs it, at small size, for every family."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from models.checkpoint import verify
from models.encoder import Encoder
from models.training.pretrain import run as pretrain_run
from models.training.record import Progress
from tests.models.training.killed import kill_at

ROOT = Path(__file__).parents[4]
Command = Callable[..., int]


@pytest.fixture(scope="module")
def command() -> Command:
    main = runpy.run_path(str(ROOT / "scripts" / "pretrain_encoder"))["main"]
    return lambda *arguments: int(main([str(argument) for argument in arguments]))


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of dialogs whose second half answers the first."""
    path: Path = tmp_path_factory.mktemp("chats") / "chats.jsonl"
    rows = [
        {"id": f"c{n}", "turns": [f"is it {n} already?", {"text": f"yes, it is {n}."}, "oh no."]}
        for n in range(120)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT without a language model's head, 32 wide, as a sentence encoder is shipped."""
    import shutil

    import torch
    from transformers import BertConfig, BertModel

    from models.runtimes.torch_bert import resolve_base

    folder: Path = tmp_path_factory.mktemp("bases") / "tiny"
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=30522,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(resolve_base() / name, folder / name)
    return folder


def options(chats: Path, folder: Path, *more: object) -> list[object]:
    small = ["--steps", 6, "--batch", 8, "--rate", 1e-3, "--max-tokens", 32, "--own", folder]
    where = ["--dialogs", chats, "--out", folder / "out", "--run", folder / "run"]
    return [*where, *small, *more]


def test_it_learns_and_the_result_is_a_base(
    command: Command, tiny_bert: Path, chats: Path, tmp_path: Path
) -> None:
    more = ["--base", tiny_bert, "--steps", 20, "--rate", 5e-3]
    assert command(*options(chats, tmp_path, *more)) == 0
    manifest = verify(tmp_path / "out", kind="pretrained-encoder")
    held_out = manifest.metrics["held_out"]
    assert manifest.metrics["new_head"]
    assert held_out["after"]["mlm_loss"] < held_out["before"]["mlm_loss"] - 0.3
    assert held_out["after"]["mlm_accuracy"] > held_out["before"]["mlm_accuracy"]
    assert manifest.data[0].name == "chats.jsonl"
    encoder = Encoder.load(str(tmp_path / "out"), runtime="torch", device="cpu", dtype="fp32")
    assert encoder.dimension == 32
    document = json.loads((tmp_path / "run" / "run.json").read_text())
    assert document["metrics"]["held_out"] == held_out


@pytest.mark.parametrize(
    ("family", "objective"),
    [
        ("bert", "mlm,nsp"),
        pytest.param("albert", "mlm,sop", marks=pytest.mark.slow),
        pytest.param("roberta", "mlm", marks=pytest.mark.slow),
        pytest.param("distilbert", "mlm", marks=pytest.mark.slow),
    ],
)
def test_every_family_from_random_weights_and_again_from_its_folder(
    command: Command, chats: Path, tmp_path: Path, family: str, objective: str
) -> None:
    more = ["--random", "tiny", "--family", family, "--objective", objective, "--steps", 2]
    assert command(*options(chats, tmp_path, *more)) == 0
    held_out = verify(tmp_path / "out").metrics["held_out"]
    assert held_out["after"]["mlm_loss"] < held_out["before"]["mlm_loss"]
    if "," in objective:
        assert 0.0 <= held_out["after"]["sentence_accuracy"] <= 1.0
    second = tmp_path / "second"
    more = ["--base", tmp_path / "out", "--objective", objective, "--steps", 1, "--whole-words"]
    assert command(*options(chats, second, *more)) == 0
    assert not verify(second / "out").metrics["new_head"]
    found = verify(second / "out").metrics["held_out"]["before"]["mlm_loss"]
    assert found == pytest.approx(held_out["after"]["mlm_loss"], rel=0.1)  # other masks, same head


def test_a_stopped_run_ends_where_an_uninterrupted_one_does(
    command: Command,
    tiny_bert: Path,
    chats: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def arguments(name: str) -> list[object]:
        more = ["--base", tiny_bert, "--head-first", 0.7, "--save-minutes", 60]
        return options(chats, tmp_path / name, *more)

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
    assert "stopped" in capsys.readouterr().out
    assert not (tmp_path / "parts" / "out").exists()
    assert command(*arguments("parts")) == 0
    assert "going on from checkpoint-3" in capsys.readouterr().out
    whole = load_file(tmp_path / "whole" / "out" / "model.safetensors")
    parts = load_file(tmp_path / "parts" / "out" / "model.safetensors")
    assert whole.keys() == parts.keys()
    for name, tensor in whole.items():
        assert (tensor - parts[name]).abs().max() < 1e-6, name
    assert command(*arguments("parts")[:-2], "--rate", 1e-2) == 1
    assert "another config" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "call", "state"),
    [
        ("models.training.record:Progress.update", 4, "checkpoint-3"),
        ("transformers:Trainer._save_rng_state", 6, "checkpoint-5"),  # the head is no longer alone
    ],
)
def test_a_killed_run_ends_where_an_uninterrupted_one_does(
    command: Command,
    tiny_bert: Path,
    chats: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    moment: str,
    call: int,
    state: str,
) -> None:
    def arguments(name: str) -> list[object]:
        more = ["--base", tiny_bert, "--head-first", 0.7, "--save-minutes", 0]
        return options(chats, tmp_path / name, *more)

    assert command(*arguments("whole")) == 0
    kill_at(moment, call, "pretrain_encoder", arguments("parts"))
    assert not (tmp_path / "parts" / "out").exists()
    capsys.readouterr()
    assert command(*arguments("parts")) == 0
    assert f"going on from {state}" in capsys.readouterr().out
    whole = load_file(tmp_path / "whole" / "out" / "model.safetensors")
    parts = load_file(tmp_path / "parts" / "out" / "model.safetensors")
    assert whole.keys() == parts.keys()
    for name, tensor in whole.items():
        assert (tensor - parts[name]).abs().max() < 1e-6, name


@pytest.mark.parametrize("where", ["collect", "encode_dialogs"])
def test_a_signal_while_it_reads_ends_it_well(
    command: Command,
    tiny_bert: Path,
    chats: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    where: str,
) -> None:
    def interrupted(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("it reads on")

    monkeypatch.setattr(pretrain_run, where, interrupted)
    assert command(*options(chats, tmp_path, "--base", tiny_bert)) == 0
    assert "stopped; the same command goes on" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--data or --dialogs is needed"),
        (["--dialogs", "nowhere.jsonl"], "there is no nowhere.jsonl"),
        (["--data", ".", "--objective", "clm"], "invalid choice"),
        (["--data", ".", "--max-tokens", "4"], "at least 16"),
    ],
)
def test_wrong_arguments_are_one_line(
    command: Command, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        command(*arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_what_does_not_go_together_is_one_line(
    command: Command,
    tiny_bert: Path,
    chats: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command(*options(chats, tmp_path, "--base", tiny_bert, "--objective", "mlm,sop")) == 1
    assert "sop is an objective of albert, not bert" in capsys.readouterr().err
    long = options(chats, tmp_path / "long", "--base", tiny_bert, "--max-tokens", 100)
    assert command(*long) == 1
    assert "reads at most 64" in capsys.readouterr().err
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"turns": ["hi", "ho"]}\n{"turns": 3}\n')
    assert command(*options(bad, tmp_path / "bad", "--base", tiny_bert)) == 1
    assert "bad.jsonl:2: not a dialog" in capsys.readouterr().err


@pytest.mark.slow
def test_help_needs_no_heavy_import() -> None:
    shown = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "pretrain_encoder"), "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "--objective" in shown.stdout
