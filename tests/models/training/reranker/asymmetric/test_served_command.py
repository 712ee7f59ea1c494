"""`scripts/train_reranker` for the served one as a person runs it: stopped, gone on with, done."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertModel

from models.reranker import WEIGHTS, Reranker
from models.runtimes.torch_bert import resolve_base
from models.training.record import read_metrics
from models.training.reranker.asymmetric import run
from models.training.reranker.asymmetric.trainer import Trainer
from tests.models.training.reranker.asymmetric.conftest import TOPICS, talk, write_rows

STEPS = 6


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT, 32 wide, with the tokenizer of the packaged one."""
    folder: Path = tmp_path_factory.mktemp("bases") / "tiny"
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=30522,
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(resolve_base() / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The public data's layout with every part that the command reads, held-out ones too."""
    root: Path = tmp_path_factory.mktemp("whole")
    many = [f"{topic} {n}" for n in range(20) for topic in TOPICS]
    for name, key in (
        ("self_dialogue", "s"), ("topical_chat", "t"), ("synthetic_persona_chat", "p"),
    ):  # fmt: skip
        rows = [{"dialog_id": f"{key}{t}", "topic": "hobby", "turns": talk(t)} for t in many]
        rows += [
            {"dialog_id": f"{key}-poor {t}", "topic": "hobby", "turns": talk(t, "Poor")}
            for t in many
        ]
        write_rows(root / f"dialogs/{name}.jsonl.gz", rows)
    small = [{"style": "kind", "questions": [f"{t}?", f"{t}!"], "answer": t} for t in many]
    write_rows(root / "dialogs/personality_chat.jsonl.gz", small)
    for part in ("train", "dev", "test"):
        slots = [
            {"context": ["where?"], "response": f"{word} {t}", "label": label, "group": t}
            for t in many
            for word, label in (("Enjoy", "good"), ("Whatever,", "bad"))
        ]
        write_rows(root / f"reactions/accentor_{part}.jsonl.gz", slots)
    safety = [
        {"split": split, "context": ["hi"], "response": f"{word} {t}", "label": label}
        for split in ("train", "val", "test")
        for t in TOPICS
        for word, label in (("you idiot", "Unsafe"), ("hello you", "Safe"))
    ]
    write_rows(root / "reactions/diasafety.jsonl.gz", safety)
    turns = [{"speaker": s, "text": f"{s} says"} for s in ("user", "bot", "user", "bot")]
    names = ("interesting", "fun", "consistent", "fluent", "topic", "robotic", "repetitive")
    rated = [
        {"dialog_id": f"i{i}", "rating": i % 5, "turns": turns,
         "scores": {"z scores": dict.fromkeys(names, float(i % 5))}}
        for i in range(200)
    ]  # fmt: skip
    for source in ("ieval", "dialogue_eval"):
        write_rows(root / f"reactions/{source}.jsonl.gz", rated)
    return root


def line(whole: Path, own: Path, base: Path, folder: Path) -> list[str]:
    places = ["--run", folder / "run", "--out", folder / "out", "--base", base]
    schedule = ["--steps", STEPS, "--head-lists", 60, "--seed", 5]
    return [str(word) for word in ("--data", whole, "--own", own, *places, *schedule)]


@pytest.mark.slow
def test_a_stopped_run_ends_where_an_uninterrupted_one_does(
    whole: Path, own: Path, base: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    straight, broken = (line(whole, own, base, tmp_path / name) for name in ("a", "b"))
    assert run.main(straight) == 0, capsys.readouterr().err
    step = Trainer.step

    def told_to_stop(self: Trainer, progress: float) -> dict[str, float]:
        if self.step_number == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, progress)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", told_to_stop)
        assert run.main(broken) == 0
    assert "the same command goes on" in capsys.readouterr().out
    assert not (tmp_path / "b" / "out").exists()
    assert run.main(broken) == 0
    assert "resumed at step 3" in capsys.readouterr().out
    one, other = (load_file(tmp_path / name / "out" / WEIGHTS) for name in ("a", "b"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert run.main([*broken, "--seed", "6"]) == 1
    assert "another config" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_leaves_its_record_and_a_folder_that_serves(
    whole: Path, own: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = Trainer.run
    monkeypatch.setattr(Trainer, "run", lambda self, record: tell(self, record, every=2))
    assert run.main(line(whole, own, base, tmp_path)) == 0
    document = json.loads((tmp_path / "run" / "run.json").read_text())
    assert document["config"]["steps"] == STEPS
    assert document["seed"] == 5
    assert document["metrics"]["training"]["steps"] == STEPS
    assert {"accentor_train.jsonl.gz", "loss.jsonl"} <= set(document["data"])
    assert str(tmp_path) not in document["command"]
    lines = read_metrics(tmp_path / "run")
    assert [row["step"] for row in lines] == [2, 4, 6]
    assert {"selection", "accentor", "offensive", "liking"} <= set(lines[0])
    assert (tmp_path / "run" / "curves.svg").stat().st_size > 0
    card = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert card["metrics"]["training"]["steps"] == STEPS
    reranker = Reranker.load(tmp_path / "out", device="cpu", base=str(base), runtime="torch")
    assert len(reranker.run(reranker.prepare(["i miss rain"], ["Tell me of rain.", "no"]))) == 2
    assert "went_on_from" not in card["metrics"]
    further = line(whole, own, base, tmp_path / "further")
    assert run.main([*further, "--init", str(tmp_path / "out")]) == 0
    after = json.loads((tmp_path / "further" / "out" / "manifest.json").read_text())
    named = {"name": card["name"], "version": card["version"]}
    assert after["metrics"]["went_on_from"] == named
    assert after["base"] == card["base"], "a delta is to MiniLM, whatever it went on from"
    recorded = json.loads((tmp_path / "further" / "run" / "run.json").read_text())
    assert recorded["metrics"]["went_on_from"] == named
